"""What every rule file must satisfy, ours and those that teams drop into `configs/<tool>/rules`."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from rendering.declarations import Severity

Document = Mapping[str, Any]


def problems(document: Document, categories: Collection[str]) -> list[str]:
    """What is wrong with a parsed rule file, one line each; empty when it may be deployed.

    categories: those that alerts may have. Whether expressions parse is promtool's to say.
    """
    if not isinstance(document.get("groups"), list):
        return ["has no list `groups`; write a Prometheus rule file"]
    return [line for group in document["groups"] for line in _of_group(group, categories)]


def _of_group(group: Any, categories: Collection[str]) -> Iterator[str]:
    if not isinstance(group, dict) or not group.get("name") or not isinstance(group.get("rules"), list):
        yield "a group has no name or no list `rules`; write both"
        return
    for rule in group["rules"]:
        name = rule.get("alert") or rule.get("record") if isinstance(rule, dict) else None
        if not name or not rule.get("expr"):
            yield f"group '{group['name']}': a rule has no name (`alert` or `record`) or no `expr`; write both"
        elif "alert" in rule:
            yield from _of_alert(rule, categories)


def _of_alert(rule: dict[str, Any], categories: Collection[str]) -> Iterator[str]:
    name, labels, annotations = rule["alert"], rule.get("labels") or {}, rule.get("annotations") or {}
    severities = [severity.value for severity in Severity]
    if labels.get("severity") not in severities:
        yield f"alert '{name}': label severity is {labels.get('severity')!r}; write one of {', '.join(severities)}"
    # One that takes its labels from another alert has none of its own.
    if labels.get("category", next(iter(categories))) not in categories:
        yield f"alert '{name}': label category is {labels['category']!r}; write one of {', '.join(sorted(categories))}"
    for wanted in ("summary", "description"):
        if not annotations.get(wanted):
            yield f"alert '{name}' has no {wanted}; write what the one who is woken must know"
