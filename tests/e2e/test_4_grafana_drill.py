"""Panels that are empty when all is well are seen to fill when something is wrong; rollouts are seen to be marked."""

import time
from collections.abc import Iterator

import httpx
import pytest

from rendering.dashboards.links import Uid
from sandbox import platform
from sandbox.dashboard_queries import annotation_queries, answers, panel_queries, resolved_variables, run
from sandbox.platform.cluster import declared, kubectl
from tests.quiet_panels import FILLED_BY_THE_DRILL
from tests.waiting import eventually

pytestmark = pytest.mark.real_node

# The slowest is an alert that must stand for five minutes and be sent.
PATIENCE_SECONDS = 900
ROLLED_OUT = "costing-service"  # no other test here is about it


@pytest.fixture(scope="module")
def trouble(deployed: object) -> Iterator[None]:
    platform.fault("api-gateway", error_rate=0.5, latency_ms=1000)
    platform.fault("automation-engine", crash_loop=True)
    platform.psql("DO $$ BEGIN RAISE WARNING 'drill'; END $$")  # it logs nothing as long as all is well
    for command in ("set drill kept ex 1800", "get drill"):  # nor does the platform keep anything in Redis
        kubectl("-n", "dharma", "exec", "deployment/redis", "--", "redis-cli", *command.split())
    try:
        yield
    finally:
        platform.clear_faults("api-gateway")
        platform.clear_faults("automation-engine")


@pytest.mark.parametrize("uid", FILLED_BY_THE_DRILL)
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


def test_a_rollout_is_marked_on_the_dashboard_of_its_service(grafana: httpx.Client) -> None:
    dashboard = grafana.get(f"/api/dashboards/uid/{Uid.SERVICE}").raise_for_status().json()["dashboard"]
    [namespace] = {each.namespace for each in declared().services if each.name == ROLLED_OUT}
    variables, _ = resolved_variables(grafana, dashboard)
    variables |= {"service": ROLLED_OUT}
    [asked] = [each for each in annotation_queries(dashboard, variables) if each.panel == "Deployments"]
    before_ms = time.time() * 1000

    def marked_since_ms() -> list[float]:
        [answer] = answers(grafana, [asked])
        assert answer.error == ""
        return [
            at for frame in answer.frames for times in frame["data"]["values"][:1] for at in times if at > before_ms
        ]

    assert marked_since_ms() == []
    kubectl("-n", namespace, "rollout", "restart", f"deployment/{ROLLED_OUT}")
    assert eventually(marked_since_ms, 120)
    kubectl("-n", namespace, "rollout", "status", f"deployment/{ROLLED_OUT}", "--timeout=120s", timeout_seconds=130)
