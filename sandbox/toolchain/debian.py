"""Debian packages by name, installed only where they are missing."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from sandbox import commands, paths
from sandbox.errors import SandboxError

_UPDATED = False


def ensure(packages: Iterable[str]) -> None:
    """Installs the packages that are missing. SandboxError without Debian's tools, without root, or when apt fails."""
    missing = require(packages)
    if missing:
        _update_once()
        _apt("install", "-y", "--no-install-recommends", *missing)


def require(packages: Iterable[str]) -> list[str]:
    """The packages that are missing. SandboxError when some are, without Debian's tools or root to install them."""
    missing = [package for package in packages if not installed(package)]
    names = " ".join(missing)
    if missing and not shutil.which("apt-get"):
        raise SandboxError(f"this needs Debian's packages {names}; install their like with your system's own tool")
    if missing and os.geteuid() != 0:
        raise SandboxError(f"this needs root to install packages; run once: sudo apt-get install -y {names}")
    return missing


def unpacked(package: str) -> Path:
    """A folder with the package's files, without installing it. SandboxError when apt has no such package."""
    folder = paths.cache_dir() / "debian" / package
    if not folder.exists():
        if not shutil.which("apt-get"):
            raise SandboxError(
                f"this needs Debian's package {package}, and apt-get is not on PATH; use Debian or Ubuntu"
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            _update_once()
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            # The downloader's own user may not write here; root's may.
            _apt("-o", "APT::Sandbox::User=root", "download", package, folder=temporary)
            packed = next(Path(temporary).glob("*.deb"))
            commands.run("dpkg-deb", "-x", packed, f"{temporary}/files")
            (Path(temporary) / "files").rename(folder)
    return folder


def installed(package: str) -> bool:
    """True when dpkg has the package, set up."""
    if not shutil.which("dpkg-query"):
        return False
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Status}", package], capture_output=True, text=True, check=False
    )
    return done.stdout == "installed"


def _update_once() -> None:
    global _UPDATED  # noqa: PLW0603 - the package lists are fetched once a run
    if not _UPDATED:
        _apt("update")
        _UPDATED = True


def _apt(*arguments: str, folder: str = "/") -> None:
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    # Another apt on the machine (unattended upgrades) is waited for, not fought.
    commands.run("apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", *arguments, folder=folder, env=env)
