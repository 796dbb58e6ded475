"""Which images the sandbox makes, and of what: images.yaml and configs/versions.yaml, checked."""

import datetime
from functools import cache
from string import Template
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from sandbox import paths
from sandbox.toolchain.table import HERE, groups


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Version(_Entry):
    """One entry of configs/versions.yaml."""

    image: str = Field(pattern=r"^[a-z0-9.-]+\.[a-z]+/[a-z0-9_./-]+$")
    tag: str
    sandbox_tag: str = ""
    source: str = Field(pattern=r"^https://")
    end_of_support: datetime.date | None
    note: str

    def sandbox_ref(self) -> str:
        """What the manifests name in the sandbox."""
        return f"{self.image}:{self.sandbox_tag or self.tag}"


class Image(_Entry):
    """How one image is made."""

    tag_of: str = ""
    programs: dict[str, str] = {}
    beside: dict[str, str] = {}
    local: dict[str, str] = {}  # folders of this package with a Go program of our own
    libraries: tuple[str, ...] = ()
    base: str = ""
    user: str = Field(pattern=r"^\d+(:\d+)?$")
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    working_dir: str = "/"
    environment: dict[str, str] = {}

    @model_validator(mode="after")
    def _made_of_something(self) -> "Image":
        if not (self.programs or self.local or self.base):
            raise ValueError("an image needs programs, local or base")
        return self


class Base(_Entry):
    """A root filesystem."""

    packages: tuple[str, ...] = ()
    users: dict[str, int] = {}
    files: dict[str, str] = {}
    maven: dict[str, str] = {}
    commands: tuple[str, ...] = ()
    static: str = ""  # the Debian package with one static program


@cache
def versions() -> dict[str, Version]:
    """configs/versions.yaml by key. Raises pydantic's ValidationError when it is wrong."""
    raw = _read(paths.repo_root() / "configs" / "versions.yaml")
    return {key: Version(**entry) for key, entry in raw["images"].items()}


@cache
def by_key() -> dict[str, Image]:
    """images.yaml's entries for keys of configs/versions.yaml."""
    return {key: Image(**entry) for key, entry in _read(HERE / "images.yaml")["images"].items()}


@cache
def table() -> dict[str, Image]:
    """Every image the sandbox can make, by its full reference."""
    made = {versions()[key].sandbox_ref(): image for key, image in by_key().items()}
    for name, entry in _read(HERE / "images.yaml")["sandbox"].items():
        image = Image(**entry)
        group = groups().get(image.tag_of)
        named = Template(name).substitute(version=group.version, release=group.release) if group else name
        made[named] = image
    return made


@cache
def bases() -> dict[str, Base]:
    """Root filesystems by name."""
    return {name: Base(**entry) for name, entry in _read(HERE / "bases.yaml")["bases"].items()}


def _read(path: Any) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    return document
