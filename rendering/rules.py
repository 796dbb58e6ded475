"""The rule files of Prometheus and of Loki's ruler, `configs/<tool>/rules/`, with the stack's values laid over them.

The native files are valid as they stand. What may be changed is found in the parsed document: an alert by its name, its
threshold by the mark that follows the number in its expression:

    service:http_errors:ratio_rate5m > 0.05 # threshold: ratio

(LogQL takes such a comment too), so that no value is written twice, and no text that states a value can become untrue
(the threshold in force is added as an annotation). Links (runbook, dashboard, logs) are added here, in one place, to
every alert.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rendering import collectors, documents, rule_gates
from rendering.collectors import Collector
from rendering.documents import Document

MARK = re.compile(r"(?P<number>-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?P<mark>\s*# threshold: (?P<unit>[^\n]+))")
DURATION = re.compile(r"\d+(ms|[smhdw])")


class RuleError(ValueError):
    """An override, or a rule file, that cannot be used; the message says what to write instead."""


@dataclass(frozen=True, kw_only=True)
class Override:
    """A change to the alert of one name. What is None stays as the rule file says."""

    threshold: float | None = None
    for_: str | None = None
    """How long the condition must stand, as Prometheus and Loki write it (`10m`)."""
    severity: str | None = None
    team: str | None = None
    disabled: bool = False
    reason: str | None = None
    """Why it is disabled; required then."""


@dataclass(frozen=True, kw_only=True)
class RulesArgs:
    """What is laid over the native files."""

    runbook_base_url: str
    """An alert links to `<this>/<Alert>.md`."""
    grafana_url: str
    """What people type to open Grafana; alerts link to its dashboards."""
    collector: Collector = collectors.JOB
    """Who collects logs; rules are written for Promtail."""
    hidden_jobs: frozenset[str] = frozenset()
    """Jobs that do not exist here; rules that select one of them are left out with it."""
    overrides: Mapping[str, Override] = field(default_factory=dict)
    """By alert name."""


def check_overrides(files: Mapping[str, Document], overrides: Mapping[str, Override], teams: Iterable[str]) -> None:
    """Raise RuleError for an override that names no alert, changes what the alert does not have, or names no team."""
    known = alert_names(files)
    for name, override in overrides.items():
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0)
            raise RuleError(f"alerts: '{name}' is not an alert; did you mean '{nearest[0]}'?")
        if override.disabled and not override.reason:
            raise RuleError(
                f"alerts: {name}: disabled is true but reason is not set; say why, for whoever asks at night"
            )
        if override.for_ is not None and not DURATION.fullmatch(override.for_):
            raise RuleError(f"alerts: {name}: for is '{override.for_}'; write a number and a unit, such as 10m")
        if override.team is not None and override.team not in teams:
            raise RuleError(f"alerts: {name}: team is '{override.team}'; write one of {', '.join(teams)}")
        marked = [rule for rule in _rules(files) if rule.get("alert") == name and threshold(rule)]
        if override.threshold is not None and len(marked) != 1:
            where = "the objectives in services.yaml" if name in _SLO_ALERTS else "for, severity or disabled"
            raise RuleError(f"alerts: {name}: threshold is {override.threshold:g}, but it has none; change {where}")


def load_rule_files(folder: Path) -> dict[str, Document]:
    """The native rule files by file name. Raises RuleError naming a file that must not be deployed, and why."""
    files = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            files[path.name] = documents.load(path)
        except ValueError as error:
            raise RuleError(str(error)) from error
        if found := rule_gates.problems(files[path.name], _DASHBOARDS):
            raise RuleError("\n".join(f"{path}: {line}" for line in found))
    if not files:
        raise RuleError(f"{folder} holds no *.yaml; nothing would ever alert")
    return files


def render_rules(files: Mapping[str, Document], args: RulesArgs) -> dict[str, str]:
    """The rule files as text by file name, as their tool gets them. The overrides have passed `check_overrides`.

    Raises RuleError for a rule that reads a metric which the stack's collector of logs does not have.
    """
    rendered = {}
    for name, document in files.items():
        groups = [overlaid for group in document["groups"] if (overlaid := _group(group, args))["rules"]]
        if groups:
            try:
                rendered[name] = collectors.in_names_of(args.collector, documents.dump({"groups": groups}))
            except ValueError as error:
                raise RuleError(f"{name}: {error}") from error
    return rendered


def alert_names(files: Mapping[str, Document]) -> tuple[str, ...]:
    """Every distinct alert, sorted."""
    return tuple(sorted({rule["alert"] for rule in _rules(files) if "alert" in rule}))


def thresholds(files: Mapping[str, Document], overrides: Mapping[str, Override]) -> dict[str, float]:
    """The threshold in force of every alert that has one, disabled ones included."""
    marked = {rule["alert"]: found[0] for rule in _rules(files) if "alert" in rule and (found := threshold(rule))}
    changed = {name: each.threshold for name, each in overrides.items() if each.threshold is not None}
    return marked | changed


def threshold(rule: Mapping[str, Any]) -> tuple[float, str] | None:
    """Value and unit of an alert's marked threshold, or None where it has none."""
    match = MARK.search(rule["expr"])
    return (float(match["number"]), match["unit"].strip()) if match else None


def _group(group: Document, args: RulesArgs) -> Document:
    rules = [_rule(rule, args) for rule in group["rules"] if not _left_out(rule, args)]
    return {**group, "rules": rules}


def _left_out(rule: Document, args: RulesArgs) -> bool:
    override = args.overrides.get(rule.get("alert", ""))
    if override is not None and override.disabled:
        return True
    return any(f'job="{job}"' in rule["expr"] for job in args.hidden_jobs)


def _rule(rule: Document, args: RulesArgs) -> Document:
    if "alert" not in rule:
        return rule
    override = args.overrides.get(rule["alert"], Override())
    changes: Document = {}
    if override.threshold is not None:
        number = f"{override.threshold:.12g}"
        changes["expr"] = MARK.sub(lambda match: number + match["mark"], rule["expr"])
    if override.for_ is not None:
        changes["for"] = override.for_
    given = {"severity": override.severity, "team": override.team}
    changes["labels"] = {label: value for label, value in given.items() if value is not None}
    overlaid = documents.overlay(rule, changes)
    return documents.overlay(overlaid, {"annotations": _links(overlaid, args)})


def _links(rule: Document, args: RulesArgs) -> dict[str, str]:
    """Where to go from the message. The tool fills in the labels."""
    links = {"runbook_url": f"{args.runbook_base_url}/{rule['alert']}.md"}
    category = rule["labels"].get("category", "service-health")
    links["dashboard_url"] = f"{args.grafana_url}/d/{_DASHBOARDS[category]}"
    if category in _PER_SERVICE:
        links["dashboard_url"] += _OF_SERVICE
    if (logs := _logs(rule, category, f"{args.grafana_url}/d/logs")) is not None:
        links["logs_url"] = logs
    marked = threshold(rule)
    return links if marked is None else links | {"threshold": f"{marked[0]:.12g} ({marked[1]})"}


def _logs(rule: Document, category: str, url: str) -> str | None:
    """The dashboard Logs (at `url`), narrowed to what the alert is about; None where it has no log."""
    if category in _PER_SERVICE:
        return url + _OF_SERVICE
    if category == "kubernetes":
        # An alert about a node or the control plane has no namespace; an empty link is none.
        return f"{{{{ if $labels.namespace }}}}{url}{_OF_POD}{{{{ end }}}}"
    if category == "stack":
        tools = sorted(_TOOLS.intersection(re.findall(r'job="([a-z]+)"', rule["expr"])))
        return f"{url}?var-service={tools[0]}" if len(tools) == 1 else None
    store = {"database": "postgresql", "redis": "redis"}.get(category)
    return f"{url}?var-service={store}" if store else None


# Category -> uid of the dashboard that shows it.
_DASHBOARDS = {
    "service-health": "service-details",
    "resources": "service-details",
    "security": "service-details",
    "slo": "slos",
    "database": "postgresql",
    "redis": "redis",
    "kubernetes": "kubernetes-workloads",
    "business": "business",
    "stack": "alerts",
}
_PER_SERVICE = frozenset({"service-health", "resources", "security", "slo"})
# An alert of these categories need not name a service (the API server's does not); an empty variable shows nothing.
_OF_SERVICE = "{{ if $labels.service }}?var-service={{ $labels.service }}{{ end }}"
_OF_POD = "?var-namespace={{ $labels.namespace }}{{ if $labels.pod }}&var-pod={{ $labels.pod }}{{ end }}"
_TOOLS = frozenset({"prometheus", "alertmanager", "grafana", "loki", "promtail", "jaeger"})
"""Jobs that are called as the tool calls itself in its log lines."""


_SLO_ALERTS = frozenset(
    {
        "APIAvailabilitySLOBreach",
        "APILatencySLOBreach",
        "APIErrorRateSLOBreach",
        "ErrorBudgetBurn",
        "ErrorBudgetExhausted",
    }
)


def _rules(files: Mapping[str, Document]) -> Iterable[Document]:
    return (rule for document in files.values() for group in document["groups"] for rule in group["rules"])
