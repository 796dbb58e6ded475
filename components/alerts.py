"""The rule files of the tools that evaluate any, Prometheus and Loki, and what a stack changes in their alerts.

An alert is found by its name, whichever tool has it, so all changes stand in one place: `prometheus.alerts`.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from components.settings.tools import PrometheusSettings
from rendering.declarations import Teams
from rendering.documents import Document
from rendering.rules import Override, RulesArgs, check_overrides, load_rule_files, render_rules

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
TOOLS = ("prometheus", "loki")


def check_alerts(settings: PrometheusSettings, teams: Teams) -> None:
    """Raise RuleError for a change to an alert that cannot be made; asked before any resource exists."""
    files = {f"{tool}/{name}": document for tool in TOOLS for name, document in _native(tool).items()}
    check_overrides(files, _overrides(settings), [team.name for team in teams.teams])


def rule_files(
    tool: str, settings: PrometheusSettings, grafana_url: str, hidden_jobs: frozenset[str] = frozenset()
) -> Mapping[str, str]:
    """The tool's rule files as text by name, with this stack's changes. grafana_url: as people type it."""
    args = RulesArgs(
        runbook_base_url=settings.runbook_base_url,
        grafana_url=grafana_url,
        hidden_jobs=hidden_jobs,
        overrides=_overrides(settings),
    )
    return render_rules(_native(tool), args)


@cache
def _native(tool: str) -> Mapping[str, Document]:
    """Read once, for checks and for text; both leave it as it is."""
    return load_rule_files(CONFIGS / tool / "rules")


def _overrides(settings: PrometheusSettings) -> dict[str, Override]:
    return {alert: Override(**override.model_dump()) for alert, override in settings.alerts.items()}
