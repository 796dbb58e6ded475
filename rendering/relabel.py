"""Prometheus relabelling steps as plain maps, named for what they do."""

from collections.abc import Iterable
from typing import Any

Step = dict[str, Any]


def keep(label: str, regex: str) -> Step:
    """Only targets whose `label` matches all of `regex` stay."""
    return {"action": "keep", "source_labels": [label], "regex": regex}


def keep_pairs(first: str, second: str, pairs: Iterable[tuple[str, str]]) -> Step:
    """Only targets whose two labels form one of `pairs` stay."""
    regex = "|".join(f"{left};{right}" for left, right in pairs)
    return {"action": "keep", "source_labels": [first, second], "regex": regex}


def drop(label: str, regex: str) -> Step:
    """Targets whose `label` matches all of `regex` go."""
    return {"action": "drop", "source_labels": [label], "regex": regex}


def copy(source: str, target: str) -> Step:
    """`target` becomes what `source` holds."""
    return {"source_labels": [source], "target_label": target}


def value(target: str, text: str, *, where: str | None = None, regex: str = "(.*)") -> Step:
    """`target` becomes `text` (with $1 groups), everywhere or `where` a label matches `regex`."""
    step: Step = {"target_label": target, "replacement": text}
    return step if where is None else step | {"source_labels": [where], "regex": regex}


def drop_metrics(regex: str) -> Step:
    """Series whose name matches all of `regex` are not stored (for `metric_relabel_configs`)."""
    return drop("__name__", regex)


# A pod that ended keeps its record but answers no scrape.
RUNNING_PODS = drop("__meta_kubernetes_pod_phase", "Succeeded|Failed|Unknown")

POD_LABELS = [copy("__meta_kubernetes_namespace", "namespace"), copy("__meta_kubernetes_pod_name", "pod")]
