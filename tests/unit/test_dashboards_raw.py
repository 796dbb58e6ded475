"""Does any graph read what grows with pods, routes and services where a recorded series would do?"""

import json
import re
from pathlib import Path

import pytest

from rendering.dashboards import all_dashboards
from rendering.dashboards.links import Uid
from rendering.datasources import PROMETHEUS
from rendering.declarations import load_services
from sandbox.dashboard_queries import panel_queries
from tests.stack_files import costs_of

SERVICES = load_services(Path(__file__).resolve().parents[2] / "configs/services.yaml")

# Metrics with a series for each pod, or for each route of each pod: over thirty days too many samples to read. What the
# stack's tools, stores and nodes say of themselves is a handful of series each, and has no place here.
GROWING = re.compile(r"(?<![\w:])(?:http_request\w*|container_\w+|kube_pod_\w+|traces_span_metrics_\w+)(?![\w:])")

SAMPLED = "spans are sampled, counted by operation in place of route, and looked at while something is going on"
BY_REASON = "only containers in trouble have such a series"
OWN_CONTAINERS = "of the stack's own containers alone, two dozen series"
ALLOWED = {
    (Uid.TRACES, "Calls, by operation"): SAMPLED,
    (Uid.TRACES, "Duration p95, by operation"): SAMPLED,
    (Uid.TRACES, "Share that failed, by operation"): SAMPLED,
    (Uid.WORKLOADS, "Why containers wait or ended"): BY_REASON,
    (Uid.COST, "Share of nodes, by container"): OWN_CONTAINERS,
}


@pytest.fixture(scope="module")
def raw() -> set[tuple[str, str]]:
    """Panels that ask for a range of such a metric; one moment of it costs nothing."""
    rendered = all_dashboards(SERVICES, runbook_base_url="https://example.org", costs=costs_of("prod"))
    return {
        (uid, each.panel)
        for folder in rendered.values()
        for uid, text in folder.items()
        for each in panel_queries(json.loads(text), {})
        if each.target["datasource"]["uid"] == PROMETHEUS.uid
        and not each.target.get("instant")
        and GROWING.search(re.sub(r'"[^"]*"', "", each.target["expr"]))
    }


def test_graphs_read_recorded_series_but_for_those_with_a_reason(raw: set[tuple[str, str]]) -> None:
    assert raw - ALLOWED.keys() == set()


def test_each_reason_is_still_needed(raw: set[tuple[str, str]]) -> None:
    assert ALLOWED.keys() - raw == set()


@pytest.mark.parametrize("uid", [Uid.OVERVIEW, Uid.SLOS, Uid.BUSINESS, Uid.ALERTS])
def test_what_people_look_at_over_weeks_reads_none(raw: set[tuple[str, str]], uid: Uid) -> None:
    assert {panel for board, panel in raw if board == uid} == set()
