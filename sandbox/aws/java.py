"""The machine's JDK, as OpenSearch wants it."""

import re
import shutil
import subprocess
from pathlib import Path

from sandbox.errors import SandboxError

_OLDEST, _NEWEST = 11, 23  # OpenSearch 2.19 needs Java's security manager, which 24 no longer has


def home() -> Path:
    """The folder of the `java` on PATH. Raises SandboxError when there is none, or one OpenSearch cannot use."""
    found = shutil.which("java")
    if found is None:
        raise SandboxError("there is no java on PATH (OpenSearch needs it); on Debian: apt-get install openjdk-17-jdk")
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or not _OLDEST <= int(version[1]) <= _NEWEST:
        told = said.splitlines()[0] if said else "nothing"
        raise SandboxError(f"{found} is {told}; put a JDK {_OLDEST} to {_NEWEST} (17 is known to work) first on PATH")
    return Path(found).resolve().parent.parent
