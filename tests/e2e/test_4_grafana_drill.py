"""Panels that are empty when all is well, each named here: those that a drill fills are seen to fill in one."""

import json
from collections.abc import Iterator

import httpx
import pytest

from rendering.dashboards import all_dashboards
from rendering.dashboards.links import Uid
from rendering.declarations import load_services
from sandbox import platform
from sandbox.dashboard_queries import panel_queries, resolved_variables, run
from sandbox.paths import repo_root
from tests.waiting import eventually

pytestmark = [pytest.mark.real_node, pytest.mark.full]

PATIENCE_SECONDS = 900  # the slowest is an alert that must stand for five minutes and be sent

# A gateway that answers half of its requests with an error and a second late; a service that crashes again and again.
FILLED_BY_THE_DRILL = {
    Uid.OVERVIEW: {"Alerts of services"},
    Uid.ALERTS: {
        "Firing alerts",
        "Alerts over time",
        "Firing, by severity",
        "Firing, by team",
        "Noisiest alerts",
        "Mean time to resolve",
    },
    Uid.SERVICE: {
        "4xx and 5xx, by status",
        "Error rate, by endpoint",
        "Latest errors",
        "Slow traces, 500ms and longer",
        "Failed traces",
    },
    Uid.LOGS: {"Errors, by service", "Latest errors"},
    Uid.TRACES: {
        "Calls between services",
        "Slow, 500ms and longer",
        "Failed",
        "Share that failed, by operation",
    },
    Uid.SLOS: {"Errors, by endpoint"},
    Uid.WORKLOADS: {"Replicas missing", "Restarts", "Why containers wait or ended", "Use of quotas"},
    Uid.ALERTMANAGER: {"Sent, by channel", "Time to hand over, 95th percentile"},
    Uid.POSTGRESQL: {"Cache hits", "Locks, by mode", "PostgreSQL's log"},
    Uid.REDIS: {"Hit ratio", "Keys"},
}
ONLY_ITS_OWN_FAILURE = "only a failure of the tool itself fills it; what it counts is tested with the tool"
LOG_OF_THE_TOOL = "the tool's own log, which may say nothing for as long as a panel looks back"
NOT_IN_THIS_DRILL = {
    (Uid.SLOS, "Objective alerts"): "an objective has to be missed for a quarter of an hour",
    (Uid.REDIS, "Memory used of the limit"): "the sandbox's Redis has no memory limit",
    (Uid.ALERTMANAGER, "Failed, by channel and reason"): ONLY_ITS_OWN_FAILURE,
    (Uid.ALERTMANAGER, "Members of the cluster"): "one replica here; production has peers",
    (Uid.GRAFANA, "Failed, by datasource"): ONLY_ITS_OWN_FAILURE,
    (Uid.LOKI, "Refused, by reason"): ONLY_ITS_OWN_FAILURE,
    (Uid.LOKI, "Chunks written, by reason"): "chunks are written when they are full or an hour old",
    (Uid.LOKI, "Since retention last ran"): "retention first runs hours after the start",
    (Uid.PROMTAIL, "Left out on purpose, by reason"): ONLY_ITS_OWN_FAILURE,
    (Uid.PROMTAIL, "Over the limit, by service"): ONLY_ITS_OWN_FAILURE,
    (Uid.JAEGER, "Refused and lost"): ONLY_ITS_OWN_FAILURE,
    (Uid.JAEGER, "Mean read time, by operation"): "only while somebody searches for traces",
    (Uid.OPENSEARCH, "Mean time"): "only while spans are written and searched",
    (Uid.OPENSEARCH, "Waiting and refused"): ONLY_ITS_OWN_FAILURE,
    (Uid.USAGE, "Bytes to S3 a day"): "chunks are written when they are full or an hour old",
    (Uid.USAGE, "Left out, by reason"): ONLY_ITS_OWN_FAILURE,
    **{
        (uid, title): LOG_OF_THE_TOOL
        for uid in (Uid.PROMETHEUS, Uid.ALERTMANAGER, Uid.GRAFANA, Uid.LOKI, Uid.PROMTAIL, Uid.JAEGER)
        for title in ("Lines by level", "Warnings and errors")
    },
}


def test_every_panel_that_may_be_empty_is_named_here() -> None:
    services = load_services(repo_root() / "configs" / "services.yaml")
    rendered = all_dashboards(services, runbook_base_url="https://example.org")
    quiet = {
        (uid, each.panel)
        for folder in rendered.values()
        for uid, text in folder.items()
        for each in panel_queries(json.loads(text), {})
        if each.may_be_empty
    }
    filled = {(uid, title) for uid, titles in FILLED_BY_THE_DRILL.items() for title in titles}
    assert filled | NOT_IN_THIS_DRILL.keys() == quiet
    assert filled & NOT_IN_THIS_DRILL.keys() == set()


@pytest.fixture(scope="module")
def trouble(deployed: object) -> Iterator[None]:
    platform.fault("api-gateway", error_rate=0.5, latency_ms=1000)
    platform.fault("automation-engine", crash_loop=True)
    try:
        yield
    finally:
        platform.clear_faults("api-gateway")
        platform.clear_faults("automation-engine")


@pytest.mark.parametrize("uid", list(FILLED_BY_THE_DRILL))
def test_they_fill_when_something_is_wrong(trouble: None, grafana: httpx.Client, uid: Uid) -> None:
    dashboard = grafana.get(f"/api/dashboards/uid/{uid}").raise_for_status().json()["dashboard"]

    def filled() -> bool:
        variables, _ = resolved_variables(grafana, dashboard)
        asked = [each for each in panel_queries(dashboard, variables) if each.panel in FILLED_BY_THE_DRILL[uid]]
        empty = run(grafana, asked)
        # of a panel with several queries one line is enough: it shows something
        shown = {each.panel for each in asked if each.name not in empty}
        assert FILLED_BY_THE_DRILL[uid] - shown == set(), empty
        return True

    eventually(filled, PATIENCE_SECONDS, every_seconds=15)
