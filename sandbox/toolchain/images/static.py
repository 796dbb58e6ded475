"""The files of an image that is a static program and what Go programs look for around it."""

from pathlib import Path

import certifi

from sandbox import commands
from sandbox.errors import SandboxError
from sandbox.toolchain import golang
from sandbox.toolchain.images import layers, rootfs
from sandbox.toolchain.images.table import Image

# Raised when what is added around the programs changes, so that images are made again.
RECIPE = 1
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_TIME_ZONES = "/usr/share/zoneinfo.zip"


def files(image: Image, programs: dict[str, Path], local: dict[str, Path]) -> list[layers.File]:
    """All entries of the image's own layer."""
    made = [layers.File(path=at, source=programs[name].resolve(), mode=0o755) for name, at in image.programs.items()]
    made += [layers.File(path=at, source=local[name], mode=0o755) for name, at in image.local.items()]
    for name, at in image.beside.items():
        folder = programs[name].resolve().parent
        made += [file for file in layers.under(folder, at) if file.source != folder / name]
    if image.libraries:
        executables = [programs[name] for name in image.programs]
        made += [layers.File(path=str(path), source=path, mode=0o755) for path in _shared(image.libraries, executables)]
    if not image.base:
        made += rootfs.common_files()
        made.append(layers.File(path=_CERTIFICATES, source=Path(certifi.where())))
        made.append(layers.File(path=_TIME_ZONES, source=golang.goroot() / "lib" / "time" / "zoneinfo.zip"))
    return made


def environment(image: Image) -> dict[str, str]:
    """Variables by which Go programs find the time zones: there is no /usr/share/zoneinfo."""
    return {} if image.base else {"ZONEINFO": _TIME_ZONES}


def _shared(libraries: tuple[str, ...], executables: list[Path]) -> list[Path]:
    """The libraries, what they need, and what the executables themselves need, as they lie on this machine."""
    known: dict[str, str] = {}
    for line in commands.run("ldconfig", "-p").splitlines():
        name, arrow, where = line.partition(" => ")
        if arrow:
            known.setdefault(name.split()[0], where)
    if missing := [name for name in libraries if name not in known]:
        raise SandboxError(f"{', '.join(missing)} is not on this machine; install the package that holds it")
    found = {Path(known[name]) for name in libraries}
    for path in [*found, *executables]:
        for word in commands.run("ldd", path).split():
            if word.startswith("/"):
                found.add(Path(word))
    return sorted(found)
