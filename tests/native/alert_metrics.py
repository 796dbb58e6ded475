"""The metrics that alerts read, to be compared with what the running binaries emit."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import yaml

from rendering.rules import threshold

RULES = Path(__file__).resolve().parents[2] / "configs" / "prometheus" / "rules"


def read_by_alerts(job: str) -> set[str]:
    """Every metric that a native alert selects with `job="<job>"` (or a pattern that begins with it)."""
    return {name for rule in _alerts() for name in _selected(rule, job) if name != "up"}


def read_by(alert: str, job: str) -> tuple[list[str], float]:
    """The metrics of that job that one alert reads, in the order of its expression, and its threshold."""
    [rule] = [rule for rule in _alerts() if rule["alert"] == alert]
    marked = threshold(rule)
    assert marked is not None
    return _selected(rule, job), marked[0]


def _alerts() -> Iterator[dict[str, Any]]:
    for path in RULES.glob("alerts-*.yaml"):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from (rule for rule in group["rules"] if "alert" in rule)


def _selected(rule: dict[str, Any], job: str) -> list[str]:
    return re.findall(rf'\b([a-zA-Z_:][\w:]*)\{{[^}}]*job=~?"{job}(?:\.\*)?"', rule["expr"])


def emitted(url: str) -> set[str]:
    """Names of all series at a metrics page."""
    return {name for name, _ in _series(url)}


def total(url: str, name: str) -> float:
    """All series of one name at a metrics page, added up."""
    return sum(float(line.rsplit(" ", 1)[1]) for found, line in _series(url) if found == name)


def _series(url: str) -> Iterator[tuple[str, str]]:
    """Name and line of each."""
    for line in httpx.get(url).text.splitlines():
        if line and not line.startswith("#"):
            yield re.split(r"[{ ]", line, maxsplit=1)[0], line
