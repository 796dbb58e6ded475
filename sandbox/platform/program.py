"""The services' program and its image, made from the Go source beside this module."""

import hashlib
from pathlib import Path

from sandbox.toolchain import builder, images

SOURCE = Path(__file__).parent / "service"
CALLS = Path(__file__).parent / "calls.yaml"
_NAME = "platform-service"
_REPOSITORY = f"docker.io/dharma/{_NAME}"


def image() -> tuple[str, Path]:
    """Reference and OCI archive. The tag carries the executable's hash, so that a changed one rolls out.

    The first call compiles (two minutes on two cores); later ones find everything in the cache. Raises SandboxError.
    """
    executable = builder.local_program(SOURCE, _NAME)
    reference = f"{_REPOSITORY}:sandbox-{hashlib.sha256(executable.read_bytes()).hexdigest()[:12]}"
    # Debian under it, for the shell and the dd of the drills.
    archive = images.ensure_local(reference, executable, base="debian")
    for old in archive.parent.glob(f"{_REPOSITORY.replace('/', '-')}-sandbox-*.tar"):
        if old != archive:
            old.unlink()
    return reference, archive
