"""Archives from Maven Central by coordinate, fetched with the machine's own mvn, or Debian's where it has none."""

import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from sandbox import paths
from sandbox.errors import SandboxError
from sandbox.toolchain import debian


def ensure(coordinate: str) -> Path:
    """The file of `group:artifact:version:packaging`, from the cache or Maven Central. SandboxError when it fails.

    Debian's Maven brings a JRE; a java that stands earlier on PATH stays the one that is used.
    """
    target = _target(coordinate)
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch(coordinate, target)
    return target


def require(coordinates: Iterable[str]) -> None:
    """Raises SandboxError when one of these is still to be fetched and there is no Maven, nor a way to install it."""
    if not shutil.which("mvn") and not all(_target(coordinate).exists() for coordinate in coordinates):
        debian.require(["maven"])


def unpack(coordinate: str, target: Path) -> None:
    """Unpacks a zip archive's one top folder as `target`, with its executable bits."""
    archive = ensure(coordinate)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        with zipfile.ZipFile(archive) as packed:
            for info in packed.infolist():
                path = Path(packed.extract(info, temporary))
                # zipfile drops the modes; scripts in bin/ need theirs.
                if mode := info.external_attr >> 16 & 0o777:
                    path.chmod(mode)
        inner = list(Path(temporary).iterdir())
        (inner[0] if len(inner) == 1 and inner[0].is_dir() else Path(temporary)).rename(target)


def _target(coordinate: str) -> Path:
    try:
        group, artifact, version, packaging = coordinate.split(":")
    except ValueError:
        raise SandboxError(f"{coordinate} is no Maven coordinate; write group:artifact:version:packaging") from None
    # Two groups may use one artifact name, so the group is part of the path.
    return paths.cache_dir() / "maven" / group / f"{artifact}-{version}.{packaging}"


def _fetch(coordinate: str, target: Path) -> None:
    if not shutil.which("mvn"):
        debian.ensure(["maven"])
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        argv = ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={coordinate}", f"-DoutputDirectory={temporary}"]
        done = subprocess.run(argv, cwd=temporary, capture_output=True, text=True, check=False)
        fetched = [path for path in Path(temporary).iterdir() if path.is_file()]
        if done.returncode or len(fetched) != 1:
            raise SandboxError(f"fetching {coordinate} failed: {(done.stdout + done.stderr).strip()[-1500:]}")
        fetched[0].rename(target)
