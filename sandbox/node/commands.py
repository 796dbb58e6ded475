"""The node's command line tools: where they are, and how long they may take."""

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from sandbox import commands, toolchain
from sandbox.errors import SandboxError


def run(
    *argv: str | Path, text: str | None = None, timeout_seconds: float = 120, env: Mapping[str, str] | None = None
) -> str:
    """What the tool printed. Raises SandboxError when it fails or takes too long."""
    return commands.run(*argv, text=text, timeout_seconds=timeout_seconds, env=environment(env))


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
