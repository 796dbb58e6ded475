"""What production may choose and stack `sandbox` does not: Alloy, three Lokis with their caches, Grafana twice.

One `pulumi up` changes the running stack to it, and one changes it back.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import httpx
import pytest

from sandbox import images, node, platform, stack
from sandbox.platform.cluster import kubectl as on_node
from sandbox.toolchain import images as built
from tests.e2e.numbered_lines import Numbers, each_once, mark, written
from tests.stack_file import configured
from tests.waiting import eventually

pytestmark = [pytest.mark.real_node, pytest.mark.full]
Query = Callable[..., list[dict[str, Any]]]
Kubectl = Callable[..., Any]
LAYOUT: dict[str, dict[str, Any]] = {
    "logs": {"collector": "alloy"},
    "loki": {"replicas": 3, "results_cache_mib": 64, "memcached": {"replicas": 2, "chunks_mib": 64}},
    "grafana": {
        "replicas": 2,
        "database": {"host": "postgresql.dharma", "sslmode": "disable"},  # the sandbox's PostgreSQL has no certificate
    },
}


@pytest.fixture(scope="module")
def layout(deployed: dict[str, Any]) -> Iterator[ExitStack]:
    """The stack in that layout, until it is closed."""
    engine, password = stack.engine(), secrets.token_hex(16)
    catalogue = images.catalogue()
    node.import_images(built.ensure([catalogue.reference(key) for key in ("alloy", "memcached")]).values())
    with ExitStack() as chosen:
        platform.psql(f"CREATE ROLE grafana LOGIN PASSWORD '{password}'")
        chosen.callback(platform.psql, "DROP ROLE grafana")
        platform.psql("CREATE DATABASE grafana OWNER grafana")
        chosen.callback(platform.psql, "DROP DATABASE grafana WITH (FORCE)")
        chosen.callback(_up)
        engine.run("config", "set", "--secret", "grafana_database_password", text=password)
        chosen.callback(engine.run, "config", "rm", "grafana_database_password")
        for group, values in LAYOUT.items():
            chosen.enter_context(configured(engine, f"observability-stack:{group}", values))
        _up()
        yield chosen


def _up() -> None:
    stack.pulumi("up", "--yes", "--skip-preview", capture=True)


@pytest.fixture(scope="module")
def prefix(layout: ExitStack) -> str:
    """Of numbered lines of all services, written while one of three Lokis was killed."""
    return written(lambda: on_node("-n", "monitoring", "delete", "pod", "loki-1", "--grace-period=0", "--force"))


def test_every_line_is_found_once_though_one_of_three_lokis_was_killed(prefix: str, numbers: Numbers) -> None:
    assert eventually(lambda: each_once(numbers, prefix), 120)


def test_three_lokis_know_each_other(prefix: str, prometheus: Query) -> None:
    def members() -> list[float]:
        found = prometheus('loki_ring_members{name="ingester", state="ACTIVE"}')
        return [float(series["value"][1]) for series in found]

    assert eventually(lambda: len(members()) == 3 and members(), 180) == [3, 3, 3]


def test_alloy_collects_in_place_of_promtail(layout: ExitStack, kubectl: Kubectl, prometheus: Query) -> None:
    [collector] = [
        daemon["metadata"]["name"]
        for daemon in kubectl("-n", "monitoring-agents", "get", "daemonsets")["items"]
        if daemon["metadata"]["name"] in ("alloy", "promtail")
    ]

    assert collector == "alloy"
    assert eventually(lambda: prometheus("sum(rate(loki_write_sent_entries_total[1m])) > 0"), 120)


def test_a_trace_leads_to_its_lines(layout: ExitStack, loki: Query) -> None:
    trace_id = platform.request("api-gateway", "POST", "/api/v1/iac").headers["x-trace-id"]

    def services() -> set[str]:
        return {one["stream"]["service"] for one in loki(f'{{namespace="dharma"}} | trace_id="{trace_id}"')}

    assert eventually(lambda: services() >= {"api-gateway", "iac-generator"}, 90)


def test_chunks_come_out_of_memcached(prefix: str, numbers: Numbers, prometheus: Query) -> None:
    hits = partial(prometheus, 'sum(loki_cache_hits{name=~".*chunk.*"}) > 0')
    on_node("-n", "monitoring", "rollout", "restart", "statefulset/loki")  # an orderly stop stores what is in memory
    on_node("-n", "monitoring", "rollout", "status", "statefulset/loki", "--timeout=400s", timeout_seconds=420)

    assert eventually(lambda: each_once(numbers, prefix), 120)
    assert eventually(hits, 90)


def test_two_grafanas_are_one(layout: ExitStack, kubectl: Kubectl, deployed: dict[str, Any]) -> None:
    pods = kubectl("-n", "monitoring", "get", "pods", "-l", "app=grafana,app.kubernetes.io/component=ui")["items"]
    login, title = ("admin", deployed["grafana_admin_password"]), mark()
    with ExitStack() as open_clients:
        one, other = (
            open_clients.enter_context(
                httpx.Client(base_url=f"http://{pod['status']['podIP']}:3000", auth=login, timeout=30, trust_env=False)
            )
            for pod in pods
        )

        one.post("/api/folders", json={"title": title}).raise_for_status()

        assert title in {folder["title"] for folder in other.get("/api/folders").raise_for_status().json()}
        dashboards = [{each["uid"] for each in pod.get("/api/search?type=dash-db").json()} for pod in (one, other)]
    assert len(dashboards[0]) > 15
    assert dashboards[0] == dashboards[1]


def test_back_at_one_loki_and_promtail_every_line_is_still_found(
    layout: ExitStack, prefix: str, numbers: Numbers, kubectl: Kubectl
) -> None:
    layout.close()

    assert kubectl("-n", "monitoring", "get", "statefulset", "loki")["status"]["replicas"] == 1
    assert eventually(lambda: each_once(numbers, prefix), 120)
