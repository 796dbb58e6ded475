"""The programs the sandbox runs, built once from pinned Go modules into a cache outside the clone.

ensure(names) builds what is missing, binary(name) is one executable's path, bin_dir() holds all that are there.
"""

from collections.abc import Iterable
from pathlib import Path

from sandbox.toolchain import builder, cache
from sandbox.toolchain.table import program_names, usual_programs

__all__ = ["bin_dir", "binary", "ensure", "local_program", "program_names", "require_go", "usual_programs"]


def ensure(names: Iterable[str]) -> dict[str, Path]:
    """Executables by name, built where they are missing (an hour for all of them). Raises SandboxError."""
    found = builder.ensure(names)
    cache.link(found)
    return found


def binary(name: str) -> Path:
    """One program's executable, built when it is missing."""
    return ensure([name])[name]


def require_go(names: Iterable[str]) -> None:
    """Raises SandboxError when one of these programs is still to be built and there is no Go, or one too old for it."""
    builder.require_go(names)


def local_program(folder: Path, name: str, modules: Path | None = None) -> Path:
    """The static Go program of a folder of this repository, built when its source changed. Raises SandboxError.

    modules: the folder of the go.mod to build it with, where it has none of its own.
    """
    return builder.local_program(folder, name, modules)


def bin_dir() -> Path:
    """A folder for PATH: every program that ensure() has returned so far, under its plain name."""
    return cache.bin_dir()
