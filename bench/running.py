"""One program on loopback, for as long as it is measured."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from sandbox.errors import SandboxError

_START_SECONDS = 120
_STOP_SECONDS = 60


@contextmanager
def running(
    argv: Sequence[str | Path], log: Path, ready: str, env: Mapping[str, str] | None = None
) -> Iterator[psutil.Process]:
    """The program, from when the URL `ready` answers 200; it is asked to end at the end, and may take its time.

    `env` is added to this process's environment. Raises SandboxError, with the end of its log, when it does not start.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(word) for word in argv], stdout=output, stderr=output, env={**os.environ, **(env or {})}
        )
    try:
        give_up = time.monotonic() + _START_SECONDS
        while not _answers(ready):
            if process.poll() is not None or time.monotonic() > give_up:
                raise SandboxError(f"{argv[0]} did not answer at {ready}; its log says:\n{log.read_text()[-2000:]}")
            time.sleep(0.2)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def processor_seconds(process: psutil.Process) -> float:
    """What the process has spent so far."""
    spent = process.cpu_times()
    return spent.user + spent.system


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
