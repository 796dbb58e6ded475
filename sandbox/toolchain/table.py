"""What the toolchain builds: programs.yaml, checked."""

import hashlib
from functools import cache
from pathlib import Path
from string import Template
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

HERE = Path(__file__).parent


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Program(_Entry):
    """One executable: a package of the group's module."""

    package: str  # inside the module; "" is its root
    seconds: int = Field(gt=0)  # on two busy cores with a cold cache; for the progress display only
    files: tuple[str, ...] = ()  # of the module, wanted next to the executable
    version_command: tuple[str, ...] = ()  # prints the release; empty: a program on PATH is not trusted


class Group(_Entry):
    """One Go module at one version and the programs that come out of it."""

    name: str
    gomod: str = ""  # folder of go/ with go.mod and go.sum
    module: str
    version: str = Field(pattern=r"^v\d+\.\d+\.\d+")
    release: str = ""  # what the product calls itself, without a leading v
    programs: dict[str, Program] = Field(min_length=1)
    variables: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    cgo: Literal["none", "static", "dynamic"] = "none"
    on_request: bool = False  # left out when all programs are built
    debian: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()  # programs of this table that the preparation runs
    requires: dict[str, str] = {}
    requires_from_replace: str = ""
    sum: str = ""  # of a prepared module: what go.sum would say of it
    prepare: Literal["", "pulumi_kubernetes", "grafana"] = ""

    def model_post_init(self, _context: object) -> None:
        # The instance is not out yet, so filling in defaults does not break "frozen".
        object.__setattr__(self, "gomod", self.gomod or self.name)
        object.__setattr__(self, "release", self.release or self.version.removeprefix("v"))

    @property
    def gomod_dir(self) -> Path:
        return HERE / "go" / self.gomod

    def import_path(self, program: str) -> str:
        package = self.programs[program].package
        return f"{self.module}/{package}" if package else self.module

    def linker_flags(self) -> str:
        """-ldflags for `go build`: stripped, with the version set where the product looks for it."""
        flags = ["-s", "-w"]
        if self.cgo == "static":
            flags += ["-linkmode external", '-extldflags "-static"']
        for variable, value in sorted(self.variables.items()):
            flags.append(f"-X {variable}={Template(value).substitute(version=self.version, release=self.release)}")
        return " ".join(flags)

    def recipe(self, program: str) -> str:
        """Eight hex digits that change with anything that changes the executable."""
        parts = [
            self.import_path(program),
            self.version,
            self.linker_flags(),
            ",".join(self.tags),
            self.cgo,
            ",".join(self.programs[program].files),
            self.prepare,
            (self.gomod_dir / "go.mod").read_text(),
        ]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]


@cache
def groups() -> dict[str, Group]:
    """All groups by name, in the order they are built. Raises pydantic's ValidationError on a bad table."""
    raw = yaml.safe_load((HERE / "programs.yaml").read_text())["groups"]
    return {name: Group(name=name, **entry) for name, entry in raw.items()}


@cache
def group_of(program: str) -> Group:
    """The group a program belongs to; KeyError names the program when the table lacks it."""
    for group in groups().values():
        if program in group.programs:
            return group
    raise KeyError(f"{program} is not in {HERE.name}/programs.yaml")


def usual_programs() -> list[str]:
    """What `python -m sandbox.toolchain` builds when nothing is named."""
    return [name for name in program_names() if not group_of(name).on_request]


def program_names() -> list[str]:
    """Every program, in the order they are built."""
    return [name for group in groups().values() for name in group.programs]
