"""Proposes thresholds from recorded traffic: what each alert's value was, and where its threshold would be quiet.

    python -m rendering.tuning --prometheus http://127.0.0.1:9090 --days 14

Asks a running Prometheus and prints a table and the settings that would change the thresholds. Only alerts about
traffic are looked at (errors, latency, rates, business): how full a disk or a memory may be does not depend on what was
usual.
"""

import argparse
import json
import math
import re
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rendering.documents import Document
from rendering.rules import MARK, load_rule_files, threshold

RULES = Path(__file__).resolve().parents[1] / "configs" / "prometheus" / "rules"
TRAFFIC = frozenset({"service-health", "security", "business"})
HEADROOM = 1.3
"""A threshold this much over the highest usual value is crossed by what is unusual only."""
LOOSE = 5.0
"""A threshold this many times the highest usual value tells of a fault later than it could."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class TuningError(ValueError):
    """Nothing can be proposed; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Tunable:
    """An alert whose value is compared with a number of its own."""

    alert: str
    unit: str
    threshold: float
    for_seconds: int
    above: bool
    """It fires above the threshold; otherwise below."""
    query: str
    """Its value at all times, with the other conditions that it sets."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What was recorded of an alert's value, and what follows."""

    tunable: Tunable
    extreme: float
    """The highest value (lowest, if it fires below) that stood as long as the alert waits."""
    crossed: int
    """Series that crossed today's threshold for so long: times it fired, or would have."""
    threshold: float | None
    """Proposed; None where today's is fine."""


def tunables(files: Mapping[str, Document]) -> Iterator[Tunable]:
    """The alerts that recorded traffic says something about."""
    for document in files.values():
        for group in document["groups"]:
            for rule in group["rules"]:
                yield from _tunable(rule)


def _tunable(rule: Mapping[str, Any]) -> Iterator[Tunable]:
    marked, mark = threshold(rule), MARK.search(rule["expr"])
    if "alert" not in rule or marked is None or mark is None or rule["labels"].get("category") not in TRAFFIC:
        return
    comparison = re.fullmatch(r"(?P<value>[^<>]*?)(?P<operator>[<>]=?)\s*", rule["expr"][: mark.start()])
    if comparison is None or re.search(r"==|\b(and|or|unless)\b", comparison["value"]):
        return  # the number is a condition beside the value
    above = comparison["operator"].startswith(">")
    never = "-1e300" if above else "1e300"
    yield Tunable(
        alert=rule["alert"],
        unit=marked[1],
        threshold=marked[0],
        for_seconds=_seconds(rule.get("for", "0s")),
        above=above,
        query=rule["expr"][: mark.start()] + never + rule["expr"][mark.end() :],
    )


def propose(tunable: Tunable, series: Iterable[Sequence[float]], step_seconds: int) -> Proposal | None:
    """What recorded values, one each `step_seconds`, say of a threshold; None where nothing was recorded."""
    steps = max(1, math.ceil(tunable.for_seconds / step_seconds))
    stood = [value for values in series if (value := _stood(values, steps, tunable.above)) is not None]
    if not stood:
        return None
    extreme = max(stood) if tunable.above else min(stood)
    wanted = _rounded(extreme * HEADROOM if tunable.above else extreme / HEADROOM, up=tunable.above)
    crossed = sum(value > tunable.threshold if tunable.above else value < tunable.threshold for value in stood)
    loose = extreme * LOOSE < tunable.threshold if tunable.above else extreme > tunable.threshold * LOOSE
    sensible = wanted > 0 and not (tunable.unit == "ratio" and wanted >= 1)
    changes = sensible and (crossed > 0 or loose)
    return Proposal(tunable=tunable, extreme=extreme, crossed=crossed, threshold=wanted if changes else None)


def _stood(values: Sequence[float], steps: int, above: bool) -> float | None:
    """The highest (lowest) value that was held over so many steps."""
    numbers = [value for value in values if not math.isnan(value)]
    windows = [numbers[start : start + steps] for start in range(len(numbers) - steps + 1)]
    if not windows:
        return None
    return max(min(window) for window in windows) if above else min(max(window) for window in windows)


def _rounded(value: float, *, up: bool) -> float:
    """Two digits that people can remember, never on the wrong side."""
    if value <= 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{(math.ceil if up else math.floor)(value / unit - (1e-9 if up else -1e-9)) * unit:.12g}")


def _seconds(duration: str) -> int:
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([smhdw])", duration))


def recorded(prometheus: str, query: str, hours: float, step_seconds: int) -> list[list[float]]:
    """The values of each series of a query over the last hours. Raises TuningError when Prometheus does not answer."""
    now = float(_get(prometheus, "query", query="time()")["result"][1])
    answer = _get(prometheus, "query_range", query=query, start=now - hours * 3600, end=now, step=step_seconds)
    return [[float(value) for _, value in series["values"]] for series in answer["result"]]


def _get(prometheus: str, path: str, **parameters: Any) -> Any:
    url = f"{prometheus.rstrip('/')}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    if not url.startswith(("http://", "https://")):
        raise TuningError(f"--prometheus is '{prometheus}'; write its URL, such as http://127.0.0.1:9090")
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - its scheme was looked at
            return json.load(answer)["data"]
    except OSError as error:
        raise TuningError(f"Prometheus at {prometheus} does not answer: {error}") from error


def report(proposals: Sequence[Proposal], hours: float) -> str:
    """The table, and the settings to paste."""
    lines = [f"{'alert':<30}{'now':>9}{'stood':>12}{'fired':>7}{'proposed':>10}  unit"]
    for one in proposals:
        proposed = "" if one.threshold is None else f"{one.threshold:.12g}"
        stood, now = f"{one.extreme:.4g}", f"{one.tunable.threshold:.12g}"
        lines.append(f"{one.tunable.alert:<30}{now:>9}{stood:>12}{one.crossed:>7}{proposed:>10}  {one.tunable.unit}")
    changed = [one for one in proposals if one.threshold is not None]
    if changed:
        lines += ["", f"# from {hours:g} h of recorded traffic: usual, if nothing was wrong in that time"]
        lines += ["observability-stack:prometheus:", "  alerts:"]
        lines += [f"    {one.tunable.alert}: {{ threshold: {one.threshold:.12g} }}" for one in changed]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m rendering.tuning", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--prometheus", required=True, help="its URL, such as http://127.0.0.1:9090")
    parser.add_argument("--days", type=float, default=14, help="how far to look back; 14 where not given")
    arguments = parser.parse_args()
    hours = arguments.days * 24
    step_seconds = max(15, math.ceil(hours * 3600 / 10_000))  # Prometheus answers with 11,000 points at most
    proposals = []
    try:
        for tunable in tunables(load_rule_files(RULES)):
            proposal = propose(
                tunable, recorded(arguments.prometheus, tunable.query, hours, step_seconds), step_seconds
            )
            if proposal is not None:
                proposals.append(proposal)
    except TuningError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(report(proposals, hours))
    return 0


if __name__ == "__main__":
    sys.exit(main())
