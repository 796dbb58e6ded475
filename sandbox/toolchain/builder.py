"""Builds what is missing, one program at a time; an interrupted run goes on at the program it was at."""

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.toolchain import cache, debian, golang
from sandbox.toolchain.progress import Progress
from sandbox.toolchain.table import HERE, Group, group_of, program_names, usual_programs


def ensure(names: Iterable[str]) -> dict[str, Path]:
    """The executables of these programs, built if they are missing.

    Raises SandboxError when a program is unknown, Go is missing or too old, the disk is too small or a build fails.
    """
    wanted = _in_build_order(names)
    missing = [name for name in wanted if find(name) is None]
    if missing:
        _build_all(missing)
    # Also where an earlier run was stopped after its last program, before it could clear up.
    if missing or (cache.has_build_caches() and all(find(name) for name in usual_programs())):
        cache.drop_build_caches()
    return {name: _found(name) for name in wanted}


def require_go(names: Iterable[str]) -> None:
    """Raises SandboxError when one of these programs is still to be built and there is no Go, or one too old for it."""
    for folder in {group_of(name).gomod_dir for name in names if find(name) is None}:
        golang.require_go(folder)


def find(program: str) -> Path | None:
    """The executable if it is there: from the cache, else from PATH when it says it is the pinned release."""
    cached = cache.program_dir(program) / program
    if cached.exists():
        return cached
    return _on_path(program)


def local(name: str) -> Path:
    """The static program of a folder here with Go source and a go.mod (pause), built when its source changed."""
    return local_program(HERE / name, name)


def local_program(folder: Path, name: str, modules: Path | None = None) -> Path:
    """The static program of any folder with a main package, built when its source changed.

    modules: the folder of its go.mod, where that is another. Raises SandboxError as ensure() does.
    """
    here = modules or folder
    files = {*folder.rglob("*"), *here.rglob("*")}
    sources = sorted(path for path in files if path.suffix in {".go", ".mod", ".sum"})
    text = b"\0".join(path.name.encode() + b"\0" + path.read_bytes() for path in sources)
    target = cache.toolchain_dir() / f"{name}-local-{hashlib.sha256(text).hexdigest()[:8]}"
    if (target / name).exists():
        return target / name
    golang.require_go(here)
    # Small enough not to wait for another run's turn; Go's caches are made for several at once.
    with cache.using_build_caches(), tempfile.TemporaryDirectory(dir=cache.toolchain_dir()) as temporary:
        made = Path(temporary) / name
        what = ["."] if modules is None else [str(path) for path in sorted(folder.glob("*.go"))]
        argv = ["go", "build", "-o", str(made / name), "-ldflags", "-s -w", *what]
        _run(argv, here, {"CGO_ENABLED": "0"}, name, None)
        for old in target.parent.glob(f"{name}-local-*"):
            shutil.rmtree(old)
        made.rename(target)
    cache.drop_build_caches()
    return target / name


def _in_build_order(names: Iterable[str]) -> list[str]:
    wanted, known = set(names), program_names()
    if unknown := sorted(wanted - set(known)):
        raise SandboxError(f"unknown program {', '.join(unknown)}; the toolchain builds: {', '.join(known)}")
    return [name for name in known if name in wanted]


def _found(program: str) -> Path:
    path = find(program)
    if path is None:
        raise SandboxError(f"{program} was built but is not in {cache.program_dir(program)}; run this again")
    return path


def _on_path(program: str) -> Path | None:
    group = group_of(program)
    command = group.programs[program].version_command
    found = shutil.which(program)
    if not command or not found or Path(found).parent == cache.bin_dir():
        return None
    try:
        said = subprocess.run([found, *command], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = (said.stdout + said.stderr).replace("\n", " ").split()
    return Path(found) if {group.release, f"v{group.release}"} & set(words) else None


def _build_all(missing: list[str]) -> None:
    tools = {tool for name in missing for tool in group_of(name).tools}
    missing = _in_build_order({*missing, *(tool for tool in tools if find(tool) is None)})
    seconds = [group_of(name).programs[name].seconds for name in missing]
    with Progress(missing, seconds) as progress:
        for name in missing:
            cache.make_room()
            waiting = f"{name}: another run of the toolchain is building; waiting for it"
            with cache.using_build_caches(), cache.building(waiting):
                if find(name) is None:
                    progress.start(name)
                    _build(group_of(name), name, progress)
            progress.done(name)


def _build(group: Group, program: str, progress: Progress) -> None:
    golang.require_go(group.gomod_dir)
    debian.ensure(group.debian)
    tools = {tool: _found(tool) for tool in group.tools}
    with tempfile.TemporaryDirectory(dir=golang.scratch_dir(), prefix=f"{program}-") as temporary:
        made = Path(temporary) / "made"
        made.mkdir()
        with golang.source(group, tools) as folder:
            argv = ["go", "build", "-o", str(made / program), "-ldflags", group.linker_flags()]
            if group.tags:
                argv += ["-tags", ",".join(group.tags)]
            argv.append(group.import_path(program))
            cgo = {"CGO_ENABLED": "0" if group.cgo == "none" else "1"}
            _run(argv, folder, cgo, program, progress)
        for extra in group.programs[program].files:
            _copy(golang.module_dir(group) / extra, made)
        cache.link({program: cache.put(program, made) / program})


def _run(argv: list[str], folder: Path, environment: dict[str, str], program: str, progress: Progress | None) -> None:
    """Runs a build with its words in a log file, ticking the display. SandboxError with the log's end if it fails."""
    log = golang.build_dir() / f"{program}.log"
    with log.open("w") as handle:
        process = subprocess.Popen(
            argv, cwd=folder, env=os.environ | golang.environment() | environment, stdout=handle, stderr=handle
        )
        try:
            while process.poll() is None:
                if progress:
                    progress.tick()
                time.sleep(0.2)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if process.returncode:
        text = log.read_text()
        if "no space left on device" in text:
            raise SandboxError(
                f"the disk of {golang.build_dir()} is full; free {cache.LEAST_FREE_GIB} GiB and run this again"
            )
        raise SandboxError(f"building {program} failed (log: {log}):\n{text.strip()[-2000:]}")


def _copy(source: Path, target_dir: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target_dir / source.name, copy_function=shutil.copy)
    else:
        shutil.copy(source, target_dir)
    for path in (target_dir / source.name, *(target_dir / source.name).rglob("*")):
        # Go's module cache is read-only and holds no executable bits.
        path.chmod(0o755 if path.is_dir() or path.read_bytes()[:2] == b"#!" else 0o644)
