"""Writes go/<group>/go.mod and go.sum: run by a person after a version changes, never by the sandbox.

The module's own go version, godebug, replace and exclude lines are carried over, since Go heeds them in the main
module only; a replace by a folder is dropped (that folder is not served). go.sum then gets what the programs need on
each platform the sandbox runs on, so that a build asks no checksum database.
"""

import json
import os
import shutil
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from sandbox import commands
from sandbox.errors import SandboxError
from sandbox.toolchain import builder, cache, golang
from sandbox.toolchain.table import Group, groups

# The node needs Linux; the simulated one runs on other systems too.
_PLATFORMS = (("linux", "amd64"), ("linux", "arm64"), ("darwin", "arm64"))


def lock(gomod: str) -> None:
    """Rewrites go/<gomod>/ for all groups that share it."""
    sharing = [group for group in groups().values() if group.gomod == gomod]
    if not sharing:
        raise SandboxError(f"{gomod} is no group of programs.yaml; write one of: {', '.join(sorted(groups()))}")
    first = sharing[0]
    upstream = _upstream(first)
    folder = first.gomod_dir
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "go.sum").unlink(missing_ok=True)
    (folder / "go.mod").write_text(_render(first, upstream))
    _go(["mod", "edit", "-fmt"], folder)
    for group in sharing:
        _resolve(group)


def _upstream(group: Group) -> dict[str, Any]:
    """The module's go.mod as `go mod edit -json` prints it."""
    found = golang.download(group)
    if group.prepare and group.sum != found["Sum"]:
        raise SandboxError(f"write `sum: {found['Sum']}` into programs.yaml for {group.name}")
    parsed: dict[str, Any] = json.loads(_go(["mod", "edit", "-json", found["GoMod"]], golang.build_dir()))
    return parsed


def _render(group: Group, upstream: dict[str, Any]) -> str:
    # A prepared module is the main module itself, in a copy; any other is a requirement of a main module of ours.
    module = group.module if group.prepare else f"observability-stack/sandbox/toolchain/{group.gomod}"
    requires = {} if group.prepare else {group.module: group.version}
    if group.prepare:
        requires |= {entry["Path"]: entry["Version"] for entry in upstream.get("Require", [])}
    lines = [f"module {module}", "", f"go {upstream['Go']}"]
    lines += [f"godebug {entry['Key']}={entry['Value']}" for entry in upstream.get("GoDebug") or []]
    for entry in upstream.get("Replace") or []:
        old, new = entry["Old"], entry["New"]
        if "Version" in new:
            at = f" {old['Version']}" if "Version" in old else ""
            lines.append(f"replace {old['Path']}{at} => {new['Path']} {new['Version']}")
        elif group.requires_from_replace and not Path(old["Path"]).name.startswith("sample-"):
            requires[old["Path"]] = group.requires_from_replace
    lines += [f"exclude {entry['Path']} {entry['Version']}" for entry in upstream.get("Exclude") or []]
    requires |= group.requires
    lines += ["", "require (", *(f"\t{path} {version}" for path, version in sorted(requires.items())), ")", ""]
    return "\n".join(lines)


def _resolve(group: Group) -> None:
    """Lets Go write what the programs need on each platform into the group's go.mod and go.sum."""
    tools = builder.ensure(group.tools)
    with _undisturbed(group), golang.source(group, tools, flags="-mod=mod") as folder:
        argv = ["list", "-mod=mod", "-deps", "-f", "{{if false}}{{end}}", f"-tags={','.join(group.tags)}"]
        argv += [group.import_path(program) for program in group.programs]
        for system, architecture in _PLATFORMS:
            _go(argv, folder, GOOS=system, GOARCH=architecture, CGO_ENABLED="0" if group.cgo == "none" else "1")
        if folder != group.gomod_dir:
            for name in ("go.mod", "go.sum"):
                shutil.copy(folder / name, group.gomod_dir / name)


def _undisturbed(group: Group) -> AbstractContextManager[None]:
    """A prepared module is copied to a scratch folder, which the next build would empty."""
    if not group.prepare:
        return nullcontext()
    return cache.building(f"{group.name}: another run of the toolchain is building; waiting for it")


def _go(argv: list[str], folder: Path, **environment: str) -> str:
    env = os.environ | golang.environment() | {"GONOSUMDB": "*", "GOFLAGS": "-modcacherw"} | environment
    return commands.run("go", *argv, folder=folder, env=env)
