"""Waiting for something that takes its time, with a deadline and a telling failure."""

from collections.abc import Callable
from typing import TypeVar

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from sandbox.errors import SandboxError

Answer = TypeVar("Answer")


def eventually(check: Callable[[], Answer], timeout_seconds: float = 60, every_seconds: float = 2) -> Answer:
    """The first truthy answer of `check`; its last failure when the time is over.

    `check` may fail its own assertions or be refused a connection until then.
    """

    def once() -> Answer:
        answer = check()
        assert answer, f"still {answer!r} after {timeout_seconds:.0f} s"
        return answer

    attempts = Retrying(
        stop=stop_after_delay(timeout_seconds),
        wait=wait_fixed(every_seconds),
        retry=retry_if_exception_type((AssertionError, httpx.HTTPError, SandboxError)),
        reraise=True,
    )
    return attempts(once)
