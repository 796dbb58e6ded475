"""Peak memory of everything that runs: the node, the platform, the stack, AWS, the span store and the benchmarks."""

from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from bench.watching import every

_EVERY_SECONDS = 1


@contextmanager
def peak_gib(into: dict[str, float]) -> Iterator[None]:
    """Watches the machine and leaves in `into` what was in use at most: memory that the kernel could not hand out."""

    def look() -> None:
        into["peak_gib"] = max(into.get("peak_gib", 0.0), _used_gib())

    with every(_EVERY_SECONDS, look):
        yield


def _used_gib() -> float:
    memory = psutil.virtual_memory()
    return (memory.total - memory.available) / 2**30
