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

# The largest program takes about this much while it is built, with the modules it needs. With plenty of disk the caches
# of all programs together grow to 35 GiB, which spares compiling what they share.
LEAST_FREE_GIB = 10


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


def make_room() -> None:
    """Sees to it that the next program fits on the disk: drops what earlier ones left, else raises SandboxError."""
    if _free_gib() < LEAST_FREE_GIB:
        drop_build_caches()
    if (free := _free_gib()) < LEAST_FREE_GIB:
        raise SandboxError(
            f"building the sandbox's programs needs {LEAST_FREE_GIB} GiB of free disk under {paths.cache_dir()}, "
            f"there are {free:.1f}; free some, or point XDG_CACHE_HOME at another disk"
        )


def has_build_caches() -> bool:
    """True when Go's caches take up room."""
    return any((golang.build_dir() / folder).exists() for folder in ("mod", "go"))


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


def _free_gib() -> float:
    return shutil.disk_usage(paths.cache_dir()).free / 2**30
