"""Figures out of what was measured: percentiles, and counters of a metrics page."""

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import httpx

_SAMPLE = re.compile(r"(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)(?: \S+)?")


def percentile(values: Sequence[float], share: float) -> float:
    """The least of `values` that at least this share of them do not exceed. Raises ValueError for none."""
    if not values:
        raise ValueError("there is nothing to take a percentile of")
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


def times(ours: float, other: float, at_least: float) -> dict[str, Any]:
    """How many times the other's rate ours is, and whether that is what was aimed at."""
    return {"times": round(ours / other, 2), "aim": {"times_at_least": at_least, "met": ours >= at_least * other}}


def total(page: str, name: str, having: str = "") -> float:
    """Sum over the samples of a metric, of those whose labels have `having` in them; 0 when there is none."""
    return sum(value for labels, value in _samples(page, name) if having in labels)


def by_label(page: str, name: str, label: str) -> dict[str, float]:
    """Sums of a metric's samples for each value of a label."""
    sums: dict[str, float] = {}
    for labels, value in _samples(page, name):
        if (found := re.search(rf'\b{label}="([^"]*)"', labels)) is not None:
            sums[found[1]] = sums.get(found[1], 0.0) + value
    return sums


def metrics(url: str) -> str:
    """The metrics page of a program on loopback."""
    return httpx.get(f"{url}/metrics", timeout=30, trust_env=False).raise_for_status().text


def _samples(page: str, name: str) -> Iterator[tuple[str, float]]:
    for line in page.splitlines():
        sample = _SAMPLE.fullmatch(line)
        if sample is not None and sample["name"] == name:
            yield sample["labels"] or "", float(sample["value"])
