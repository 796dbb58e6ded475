"""Whose processor time a run of the engine takes: its own, its plugins', the program's, the cluster's."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from bench.watching import every

_EVERY_SECONDS = 0.25
# The first that is found in a process's command line tells whose it is.
_PARTS = (
    ("pulumi-language-python-exec", "program"),
    ("pulumi-language-python", "language_host"),
    ("-m pip list", "language_host"),  # it asks pip which of the packages have plugins
    ("pulumi-resource-", "plugins"),
    ("kube-apiserver", "api"),
    ("etcd", "api"),
    ("pulumi preview", "engine"),
)


@contextmanager
def seconds_by_part(into: dict[str, float]) -> Iterator[None]:
    """Leaves in `into` the processor seconds of each part; of a process that ends unseen, up to the last look at it."""
    before = {pid: spent for pid, (_, spent) in _looked().items()}
    last: dict[int, tuple[str, float]] = {}
    try:
        with every(_EVERY_SECONDS, lambda: last.update(_looked())):
            yield
    finally:
        total: dict[str, float] = defaultdict(float)
        for pid, (part, spent) in last.items():
            total[part] += spent - before.get(pid, 0.0)
        into.update({part: round(spent, 2) for part, spent in total.items()})


def _looked() -> dict[int, tuple[str, float]]:
    """Every process that belongs to a part, with the processor seconds it has spent."""
    found = {}
    for process in psutil.process_iter(["cmdline", "cpu_times"]):
        line = " ".join(process.info["cmdline"] or ())
        part = next((part for mark, part in _PARTS if mark in line), None)
        if part is not None and process.info["cpu_times"] is not None:
            found[process.pid] = (part, process.info["cpu_times"].user + process.info["cpu_times"].system)
    return found
