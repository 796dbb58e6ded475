"""Where built programs lie, and who may build at the same time."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox import paths
from sandbox.errors import SandboxError
from sandbox.toolchain import golang
from sandbox.toolchain.table import group_of

# Seen at the end of a full build, with the caches of every module; programs themselves take 2 of it.
_FULL_BUILD_GIB = 24
_ONE_BUILD_GIB = 3


def toolchain_dir() -> Path:
    folder = paths.cache_dir() / "toolchain"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def program_dir(program: str) -> Path:
    """<program>-<release>-<recipe>: a change of version or of how it is built gets a folder of its own."""
    group = group_of(program)
    return toolchain_dir() / f"{program}-{group.release}-{group.recipe(program)}"


def put(program: str, built: Path) -> Path:
    """Moves a folder that holds everything of the program into place, in one step. Old versions of it go."""
    target = program_dir(program)
    for old in toolchain_dir().glob(f"{program}-[0-9]*"):
        if old != target:
            shutil.rmtree(old)
    built.rename(target)
    return target


def identity(program: str, executable: Path) -> str:
    """What changes when the program does: its cache folder's name, or for one from PATH its path and release."""
    if executable.parent.parent == toolchain_dir():
        return executable.parent.name
    return f"{executable}-{group_of(program).release}"


def bin_dir() -> Path:
    """Links to the executables, under their plain names."""
    folder = toolchain_dir() / "bin"
    folder.mkdir(exist_ok=True)
    return folder


def link(executables: dict[str, Path]) -> None:
    """Points bin_dir() at these executables and at the scripts that lie beside them."""
    for executable in executables.values():
        scripts = program_scripts(executable)
        for path in (executable, *scripts):
            at = bin_dir() / path.name
            if at.is_symlink() and at.readlink() == path:
                continue
            # Renamed into place: another process may be starting the program by this name.
            fresh = at.with_name(f".{at.name}.{os.getpid()}")
            fresh.symlink_to(path)
            fresh.rename(at)


def program_scripts(executable: Path) -> list[Path]:
    """Other executable files in the program's cache folder; none for a program from PATH."""
    if executable.parent.parent != toolchain_dir():
        return []
    files = (path for path in executable.parent.iterdir() if path.is_file() and path != executable)
    return [path for path in files if path.stat().st_mode & 0o100]


def check_disk(missing_seconds: int, all_seconds: int) -> None:
    """Raises SandboxError when the disk can't hold what is still to be built."""
    needed_gib = max(_ONE_BUILD_GIB, _FULL_BUILD_GIB * missing_seconds / all_seconds)
    free_gib = shutil.disk_usage(paths.cache_dir()).free / 2**30
    if free_gib < needed_gib:
        # An interrupted run has filled part of the caches already; counting them takes a while.
        needed_gib = max(_ONE_BUILD_GIB, needed_gib - _size_gib(golang.build_dir()))
    if free_gib < needed_gib:
        raise SandboxError(
            f"building the sandbox's programs needs {needed_gib:.0f} GiB of free disk under {paths.cache_dir()}, "
            f"there are {free_gib:.0f}; free some, or point XDG_CACHE_HOME at another disk"
        )


def drop_build_caches() -> bool:
    """Removes Go's module and build caches unless another run uses them. False when they stay."""
    with (golang.build_dir() / "users.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        # Set aside first: half a module cache, left by an interruption, would make later builds fail.
        for folder in ("mod", "go"):
            if (golang.build_dir() / folder).exists():
                (golang.build_dir() / folder).rename(golang.scratch_dir() / f"dropped-{folder}-{os.getpid()}")
        shutil.rmtree(golang.scratch_dir())
    return True


@contextmanager
def using_build_caches() -> Iterator[None]:
    """While this is held no other run drops the build caches."""
    with (golang.build_dir() / "users.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield


@contextmanager
def building(say: str) -> Iterator[None]:
    """One program is built at a time on a machine; a second run prints `say` and waits for its turn."""
    with (golang.build_dir() / "build.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(say, flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        # Nobody else is at work, so whatever lies here is of a run that was killed.
        shutil.rmtree(golang.scratch_dir())
        yield


def _size_gib(folder: Path) -> float:
    blocks = 0
    for path in folder.rglob("*"):
        try:
            blocks += path.lstat().st_blocks
        except FileNotFoundError:  # another run is at work
            continue
    return blocks * 512 / 2**30
