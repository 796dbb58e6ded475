"""Series for what dashboards ask beside the services' own metrics: made from the queries, as Prometheus reads them."""

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from bench.blocks import BUCKETS, Line

COPIES = 3
"""Of each series that a query names: so many pods have it, unless the query names one."""
OF_THE_SERVICES = "services"
"""The job whose metrics are made elsewhere; others have some of them too, such as `up`."""
COUNTERS = ("_total", "_count", "_sum", "_bucket")
Tree = dict[str, Any]


def lines(trees: Iterable[Tree], known: Collection[str]) -> list[Line]:
    """Series that make the parsed queries return something; none of the metrics `known`, which are made elsewhere.

    trees: what Prometheus' /api/v1/parse_query says of each.
    """
    found: dict[str, Line] = {}
    for tree in trees:
        for name, labels in _selected(tree, frozenset()):
            if name not in known or labels.get("job", OF_THE_SERVICES) != OF_THE_SERVICES:
                found |= {line.series: line for line in _copies(name, labels)}
    return list(found.values())


def names(trees: Iterable[Tree]) -> set[str]:
    """The metrics that the parsed queries read."""
    return {name for tree in trees for name, _ in _selected(tree, frozenset())}


def _selected(tree: Tree, grouped: frozenset[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Each selector below: its metric, and labels that it matches and that its results are told apart by."""
    if tree["type"] in ("vectorSelector", "matrixSelector"):
        labels = dict.fromkeys(grouped, "x")
        for matcher in tree["matchers"]:
            if matcher["name"] != "__name__" and (value := _value(matcher)) is not None:
                labels[matcher["name"]] = value
        yield tree["name"], labels
    if tree["type"] == "aggregation" and not tree["without"]:
        grouped |= set(tree["grouping"])
    if tree["type"] == "binaryExpr" and (matching := tree.get("matching")) and matching["on"]:
        grouped |= {*matching["labels"], *matching["include"]}
    for below in tree.values():
        for each in below if isinstance(below, list) else [below]:
            if isinstance(each, dict) and "type" in each and "value" not in each:
                yield from _selected(each, grouped)


def _value(matcher: dict[str, str]) -> str | None:
    """A value that the matcher lets through; None where the label may as well be missing."""
    kind, wanted = matcher["type"], matcher["value"]
    if kind == "=":
        return wanted or None
    if kind == "=~":
        if re.fullmatch(wanted, ""):
            return "x"
        first = re.sub(r"\(([^()|]*)[^()]*\)", r"\1", wanted).split("|")[0]
        candidates = (
            first,
            re.sub(r"\.[+*]", "x", first),
            re.sub(r"\[[^\]]*\]|\\d", "5", first).replace(".", "0"),
            "x",
        )
        return next(each for each in candidates if re.fullmatch(wanted, each))
    return "x" if not wanted else None


def _copies(name: str, labels: dict[str, str]) -> Iterator[Line]:
    pods = [labels["pod"]] if labels.get("pod", "x") != "x" else [f"x-{number}" for number in range(COPIES)]
    for pod in pods:
        own = {**labels, "pod": pod}
        for le in BUCKETS if name.endswith("_bucket") else ("",):
            with_le = own | ({"le": le} if le else {})
            written = ",".join(f'{key}="{value}"' for key, value in sorted(with_le.items()))
            series = f"{name}{{{written}}}"
            if name.endswith(COUNTERS):
                yield Line(series, per_second=5 * (BUCKETS.index(le) + 1) / len(BUCKETS) if le else 5)
            else:
                yield Line(series, value=1)
