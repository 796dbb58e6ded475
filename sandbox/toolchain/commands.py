"""Tools of this machine, run with one clear error when they fail."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from sandbox.errors import SandboxError


def run(*argv: str | Path, folder: str | Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """What the tool printed. Raises SandboxError with the command and the end of its error output when it fails."""
    shown = " ".join(str(word) for word in argv)
    try:
        done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False)
    except OSError as error:
        raise SandboxError(f"{shown} cannot be run: {error}") from error
    if done.returncode:
        reason = (done.stderr or done.stdout).strip()[-1500:]
        raise SandboxError(f"{shown} failed: {reason or f'exit status {done.returncode}'}")
    return done.stdout
