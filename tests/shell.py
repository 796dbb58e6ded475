"""What a page says, typed as a person would."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from sandbox.paths import repo_root

LINES_TYPED: list[str] = []
"""Every line that this run of the tests has typed."""

# What `make` tells the commands that it runs; a person at a keyboard has none of it.
_OF_MAKE = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "NODE", "MARKS"}


def typed(
    text: str, environment: Mapping[str, str], *, folder: Path | None = None, timeout_seconds: float = 400
) -> "subprocess.CompletedProcess[str]":
    """In bash, at the root of the repository or in `folder`, with nobody at the keyboard; ends at the first failure."""
    LINES_TYPED.extend(text.replace("\\\n", " ").splitlines())
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=folder or repo_root(),
        env={name: value for name, value in environment.items() if name not in _OF_MAKE},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )
