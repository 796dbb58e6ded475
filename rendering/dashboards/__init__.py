"""Grafana's dashboards, one module each, built from the declared services."""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path

from rendering import collectors
from rendering.collectors import Collector
from rendering.cost import Figures
from rendering.dashboards import (
    alertmanager,
    alerts,
    business,
    cost,
    dropped_in,
    grafana,
    jaeger,
    log_collector,
    logs,
    loki,
    nodes,
    opensearch,
    overview,
    postgresql,
    prometheus,
    redis,
    s3,
    service,
    slos,
    traces,
    usage,
    volumes,
    workloads,
)
from rendering.dashboards.board import Board
from rendering.dashboards.links import Uid
from rendering.datasources import Folder
from rendering.declarations import Service
from rendering.rules import load_rule_files, thresholds

_CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def boards(
    services: Sequence[Service],
    *,
    runbook_base_url: str,
    costs: Figures | None = None,
    absent_jobs: Collection[str] = (),
) -> list[Board]:
    """All dashboards of this stack, in the order people meet them.

    runbook_base_url: the directory that holds `<Alert>.md` for each alert.
    costs: what the dashboard Cost reckons with; without it there is none.
    absent_jobs: scrape jobs that this stack does not have; nor has it the dashboards and panels about them.
    """
    # Where a trace goes through no declared service, it is slow when it would break the strictest promise of any.
    slow_ms = min(each.slo.latency_ms for each in services)
    found = [
        overview.board(len(services), absent_jobs),
        alerts.board(runbook_base_url),
        service.board(),
        logs.board(),
        traces.board(slow_ms),
        slos.board(),
        business.board(),
        nodes.board(),
        workloads.board(),
        volumes.board(),
        postgresql.board(),
        redis.board(),
        prometheus.board(),
        alertmanager.board(),
        grafana.board(),
        loki.board(),
        log_collector.board(),
        jaeger.board(),
        opensearch.board(),
        s3.board(costs),
        usage.board(),
        *([cost.board(costs)] if costs is not None else []),
    ]
    return [board for board in found if board.job not in absent_jobs]


def all_dashboards(
    services: Sequence[Service],
    *,
    runbook_base_url: str,
    team_directory: Path | None = None,
    costs: Figures | None = None,
    collector: Collector = collectors.JOB,
    absent_jobs: Collection[str] = (),
    limits: Mapping[str, float] | None = None,
) -> dict[Folder, dict[str, str]]:
    """Each folder's dashboards as JSON by uid; a dashboard's file is named `<uid>.json`. The same for the same input.

    team_directory: where teams' own dashboards are, `<folder>/<uid>.json`. Raises DashboardError for a bad one.
    collector: of logs, whose metrics panels read.
    limits: thresholds in force by alert, which panels draw; None: as the rule files have them.
    """
    found: dict[Folder, dict[str, str]] = {folder: {} for folder in Folder}
    ours = boards(services, runbook_base_url=runbook_base_url, costs=costs, absent_jobs=absent_jobs)
    missing = frozenset(Uid) - {board.uid for board in ours}
    for board in ours:
        text = board.render(native_limits() if limits is None else limits, missing)
        found[board.folder][board.uid.value] = collectors.in_names_of(collector, text)
    if team_directory is not None:
        taken = [uid for dashboards in found.values() for uid in dashboards]
        for folder, dashboards in dropped_in.read(team_directory, taken=taken).items():
            found[folder].update(dashboards)
    return found


@cache
def native_limits() -> Mapping[str, float]:
    """The alerts' thresholds as the rule files have them."""
    files = {}
    for tool in ("prometheus", "loki"):
        files.update(load_rule_files(_CONFIGS / tool / "rules"))
    return thresholds(files, {})
