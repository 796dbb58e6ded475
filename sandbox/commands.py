"""Tools of this machine, run with one clear error when they fail."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from sandbox.errors import SandboxError

_SHOWN_LINES = 5


def run(
    *argv: str | Path,
    folder: str | Path | None = None,
    text: str | None = None,
    timeout_seconds: float | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Runs a tool in `folder` with `text` on its input and returns what it printed.

    Raises SandboxError with the command and the end of its error output when it fails or takes too long.
    """
    shown = " ".join(map(str, argv))
    try:
        done = subprocess.run(
            argv, cwd=folder, input=text, capture_output=True, text=True, timeout=timeout_seconds, check=False, env=env
        )
    except OSError as error:
        raise SandboxError(f"`{shown}` cannot be run: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise SandboxError(f"`{shown}` did not end within {timeout_seconds:.0f} s") from error
    if done.returncode:
        reason = " / ".join((done.stderr or done.stdout).strip().splitlines()[-_SHOWN_LINES:])
        raise SandboxError(f"`{shown}` failed: {reason or f'exit status {done.returncode}'}")
    return done.stdout
