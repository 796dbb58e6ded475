"""From nothing that runs to a stack that is Ready, with what the cache holds already (after `make clean`: nothing)."""

import subprocess
import sys
import time

from sandbox import stack


def run() -> dict[str, float]:
    """Stops the sandbox and starts it anew; leaves the stack up. Seconds per step, and in total."""
    stack.destroy()
    _sandbox("down")
    seconds = {"sandbox_up_seconds": _sandbox("up"), "pulumi_up_seconds": _sandbox("deploy")}
    return {**seconds, "total_seconds": sum(seconds.values())}


def _sandbox(command: str) -> float:
    started = time.monotonic()
    subprocess.run([sys.executable, "-m", "sandbox", command], check=True)
    return time.monotonic() - started
