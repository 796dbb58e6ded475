"""Command line tools, run with one clear error when they fail."""

import os
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from sandbox import toolchain
from sandbox.errors import SandboxError


def run(
    *argv: str | Path,
    text: str | None = None,
    timeout_seconds: float = 120,
    env: Mapping[str, str] | None = None,
) -> str:
    """Runs a tool with `text` on its input and returns what it printed.

    Raises SandboxError with the command and the end of its error output when it fails or takes too long.
    """
    shown = " ".join(str(word) for word in argv)
    try:
        done = subprocess.run(
            [str(word) for word in argv],
            input=text,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
            env=environment(env),
        )
    except OSError as error:
        raise SandboxError(f"`{shown}` cannot be run: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise SandboxError(f"`{shown}` did not end within {timeout_seconds:.0f} s") from error
    if done.returncode != 0:
        reason = " / ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise SandboxError(f"`{shown}` failed: {reason or f'exit status {done.returncode}'}")
    return done.stdout


def attempt(*argv: str | Path, timeout_seconds: float = 60, env: Mapping[str, str] | None = None) -> str | None:
    """What the tool printed, or None when it failed: for questions, and for cleaning up what may be gone already."""
    try:
        return run(*argv, timeout_seconds=timeout_seconds, env=env)
    except SandboxError:
        return None


@cache
def program(name: str) -> Path:
    """A program of the toolchain, looked up once."""
    return toolchain.binary(name)


def kubectl(kubeconfig: Path, *args: str | Path, text: str | None = None, timeout_seconds: float = 60) -> str:
    """Runs kubectl against the cluster of `kubeconfig`."""
    return run(program("kubectl"), "--kubeconfig", kubeconfig, *args, text=text, timeout_seconds=timeout_seconds)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment with the folders of mount, iptables and the like on PATH, wherever it was started."""
    path = f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/local/sbin:/usr/sbin:/sbin"
    return {**os.environ, "PATH": path, **(extra or {})}
