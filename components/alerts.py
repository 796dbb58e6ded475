"""The rule files of the tools that evaluate any, Prometheus and Loki, and what a stack changes in their alerts.

An alert is found by its name, whichever tool has it, so all changes stand in one place: `prometheus.alerts`.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from components.settings.span_store import SpanStoreSettings
from components.settings.tools import PrometheusSettings
from rendering import collectors
from rendering.collectors import Collector
from rendering.declarations import Teams
from rendering.documents import Document
from rendering.rules import Override, RulesArgs, check_overrides, load_rule_files, render_rules
from rendering.rules import thresholds as thresholds_in_force
from rendering.sizing import series_bearable

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
TOOLS = ("prometheus", "loki")

# Of what the span store's nodes bear; above it, there is still time to do something.
_SHARDS_TOLD_AT = 0.8


def check_alerts(settings: PrometheusSettings, teams: Teams) -> None:
    """Raise RuleError for a change to an alert that cannot be made; asked before any resource exists."""
    check_overrides(_of_all_tools(), _overrides(settings, {}), [team.name for team in teams.teams])


def thresholds(settings: PrometheusSettings, span_store: SpanStoreSettings) -> dict[str, float]:
    """Thresholds that follow from this stack's own sizes, by alert."""
    return {
        "OpenSearchTooManyShards": max(1, round(_SHARDS_TOLD_AT * span_store.shards_per_node())),
        "PrometheusSeriesHigh": series_bearable(settings.resources.memory_limit_mib),
    }


def limits(settings: PrometheusSettings, derived: Mapping[str, float]) -> dict[str, float]:
    """The threshold in force of every alert that has one, of all tools. derived: as of `rule_files`."""
    return thresholds_in_force(_of_all_tools(), _overrides(settings, derived))


def rule_files(
    tool: str,
    settings: PrometheusSettings,
    grafana_url: str,
    hidden_jobs: frozenset[str] = frozenset(),
    derived: Mapping[str, float] | None = None,
    *,
    collector: Collector = collectors.JOB,
) -> Mapping[str, str]:
    """The tool's rule files as text by name, with this stack's changes. grafana_url: as people type it.

    derived: thresholds by alert, where a setting does not say otherwise. collector: of logs, whose metrics rules read.
    """
    args = RulesArgs(
        runbook_base_url=settings.runbook_base_url,
        grafana_url=grafana_url,
        collector=collector,
        hidden_jobs=hidden_jobs,
        overrides=_overrides(settings, derived or {}),
    )
    return render_rules(_native(tool), args)


@cache
def _native(tool: str) -> Mapping[str, Document]:
    """Read once, for checks and for text; both leave it as it is."""
    return load_rule_files(CONFIGS / tool / "rules")


def _of_all_tools() -> Mapping[str, Document]:
    return {f"{tool}/{name}": document for tool in TOOLS for name, document in _native(tool).items()}


def _overrides(settings: PrometheusSettings, derived: Mapping[str, float]) -> dict[str, Override]:
    overrides = {alert: Override(**override.model_dump()) for alert, override in settings.alerts.items()}
    for alert, value in derived.items():
        chosen = overrides.get(alert, Override())
        overrides[alert] = chosen if chosen.threshold is not None else replace(chosen, threshold=value)
    return overrides
