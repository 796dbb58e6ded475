"""Runs Go with caches of the toolchain's own, so that they can be dropped when the programs are in place."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox import commands, paths
from sandbox.errors import SandboxError
from sandbox.toolchain import prepare
from sandbox.toolchain.table import Group


def build_dir() -> Path:
    """Module cache, build cache and temporary files: up to 35 GiB while programs are built, nothing afterwards."""
    folder = paths.cache_dir() / "build"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def scratch_dir() -> Path:
    """Temporary files of builds; whoever holds the build lock may empty it."""
    folder = build_dir() / "tmp"
    folder.mkdir(exist_ok=True)
    return folder


def environment() -> dict[str, str]:
    """Variables for the go command; the person's proxy and checksum settings are left as they are."""
    return {
        "GOMODCACHE": str(build_dir() / "mod"),
        "GOCACHE": str(build_dir() / "go"),
        "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false -modcacherw",
        "GOWORK": "off",
        "GOOS": "",
        "GOARCH": "",
    }


def goroot() -> Path:
    """Where the Go on PATH lies."""
    return Path(commands.run("go", "env", "GOROOT", folder=build_dir()).strip())


def require_go(folder: Path) -> None:
    """Raises SandboxError unless the go command is there and is new enough for folder's go.mod."""
    if not shutil.which("go"):
        raise SandboxError(
            "go is not on PATH; install Go (https://go.dev/dl) and run this again; "
            'sudo has a PATH of its own, yours is kept by: sudo env "PATH=$PATH" make up'
        )
    # Any command that reads go.mod compares versions, and fetches the right one where the person allows that.
    done = subprocess.run(
        ["go", "list", "-m"], cwd=folder, env=os.environ | environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SandboxError(f"this Go is too old: {done.stderr.strip()}; install that version or a newer one")


@contextmanager
def source(group: Group, tools: dict[str, Path], flags: str = "") -> Iterator[Path]:
    """The folder to run `go build` in: the committed go.mod's, or for a prepared module a copy that is gone afterwards.

    tools: the group's tools, by name. flags: GOFLAGS while preparing.
    """
    if not group.prepare:
        yield group.gomod_dir
        return
    with tempfile.TemporaryDirectory(dir=scratch_dir(), prefix=f"{group.name}-") as temporary:
        folder = Path(temporary) / "source"
        shutil.copytree(module_dir(group), folder, copy_function=shutil.copy)
        _make_writable(folder)
        for name in ("go.mod", "go.sum"):
            if (group.gomod_dir / name).exists():
                shutil.copy(group.gomod_dir / name, folder / name)
        env = os.environ | environment() | ({"GOFLAGS": flags} if flags else {})
        if group.prepare == "grafana":
            prepare.grafana(folder, tools["wire"], group.tags, env)
        else:
            prepare.pulumi_kubernetes(folder, group.release)
        yield folder


def module_dir(group: Group) -> Path:
    """The group's module as Go unpacked it; downloaded when it is not there."""
    if not group.prepare:
        argv = ["go", "list", "-m", "-f", "{{.Dir}}", group.module]
        return Path(commands.run(*argv, folder=group.gomod_dir, env=os.environ | environment()).strip())
    # The module is no requirement of its own go.mod, so go.sum can't vouch for it: the table does.
    found = download(group)
    if found["Sum"] != group.sum:
        raise SandboxError(f"{group.module} {group.version} has the sum {found['Sum']}, the table says {group.sum}")
    return Path(found["Dir"])


def download(group: Group) -> dict[str, str]:
    """Fetches the group's module; what `go mod download -json` says of it (Dir, GoMod, Sum)."""
    argv = ["go", "mod", "download", "-json", f"{group.module}@{group.version}"]
    env = os.environ | environment() | {"GONOSUMDB": "*", "GOFLAGS": "-modcacherw"}
    found: dict[str, str] = json.loads(commands.run(*argv, folder=build_dir(), env=env))
    return found


def _make_writable(folder: Path) -> None:
    # Go unpacks modules read-only.
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)
