"""One `pulumi up` with what a team drops into `configs/` and new passwords: all of it is in use afterwards."""

import json
import ssl
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import yaml

from sandbox import aws, platform, stack
from sandbox.engine import Engine
from tests import clones
from tests.e2e.platform_traces import trace
from tests.waiting import eventually

pytestmark = pytest.mark.real_node

UID = "team-queue"
DASHBOARD = {
    "uid": UID,
    "title": "Queue of a team",
    "panels": [
        {
            "id": 1,
            "type": "timeseries",
            "title": "Requests",
            "description": "Requests per second of all services; steps are deployments.",
            "datasource": {"type": "prometheus", "uid": "prometheus"},
            "fieldConfig": {"defaults": {"unit": "reqps"}, "overrides": []},
            "gridPos": {"x": 0, "y": 0, "w": 24, "h": 8},
            "links": [{"title": "Overview", "url": "/d/overview"}],
            "targets": [
                {
                    "refId": "A",
                    "datasource": {"type": "prometheus", "uid": "prometheus"},
                    "expr": "sum(service:http_requests:rate5m)",
                }
            ],
        }
    ],
}
RULES = {
    "groups": [
        {
            "name": UID,
            "rules": [
                {
                    "alert": "TeamQueueDrill",
                    "expr": "vector(1) > 0",
                    "labels": {"severity": "info", "category": "business", "condition": UID, "team": "platform"},
                    "annotations": {"summary": "A drill", "description": "Fires while its file is there."},
                }
            ],
        }
    ]
}


@dataclass(frozen=True)
class Passwords:
    admin: str  # of Grafana
    store: str  # of the span store's user for Jaeger and the exporter


@pytest.fixture(scope="module")
def old(deployed: dict[str, Any]) -> Passwords:
    store = stack.engine().run("config", "get", "span_store_password", capture=True).strip()
    return Passwords(deployed["grafana_admin_password"], store)


@pytest.fixture(scope="module")
def new(old: Passwords, grafana: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Passwords]:
    """In effect with the dropped files; afterwards all is as it was."""
    passwords = Passwords(f"-{uuid.uuid4().hex}", f"Aa-{uuid.uuid4().hex}")
    clone = clones.copy(tmp_path_factory.mktemp("dropped"))
    dashboards = clone / "configs/grafana/dashboards/business"
    dashboards.mkdir(parents=True, exist_ok=True)
    (dashboards / f"{UID}.json").write_text(json.dumps(DASHBOARD))
    (clone / f"configs/prometheus/rules/{UID}.yaml").write_text(yaml.safe_dump(RULES))
    try:
        _up(replace(stack.engine(), program=clone), passwords)
        yield passwords
    finally:
        _up(stack.engine(), old)
        # A pod that has just become Ready is reached through its Service a moment later.
        eventually(lambda: grafana.get("/api/org").status_code == 200, 60)


def _up(engine: Engine, passwords: Passwords) -> None:
    # By standard input: among the arguments a password that begins with a dash would be taken for a flag.
    engine.run("config", "set", "--secret", "grafana_admin_password", text=passwords.admin)
    engine.run("config", "set", "--secret", "span_store_password", text=passwords.store)
    engine.run("up", "--yes", "--skip-preview")


@pytest.fixture(scope="module")
def admin(urls: dict[str, str], new: Passwords) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=urls["grafana"], auth=("admin", new.admin), trust_env=False, timeout=30) as client:
        yield client


def test_the_new_password_is_in_effect_and_the_old_is_not(admin: httpx.Client, grafana: httpx.Client) -> None:
    assert eventually(lambda: admin.get("/api/org").status_code == 200, 60)
    assert grafana.get("/api/org").status_code == 401


def test_the_span_store_takes_the_new_password_and_not_the_old(
    old: Passwords, new: Passwords, deployed: dict[str, Any]
) -> None:
    def answer(password: str) -> int:
        trust = ssl.create_default_context(cafile=aws.store_certificates() / "ca.pem")
        login = ("jaeger", password)
        return httpx.get(deployed["span_store_url"], auth=login, verify=trust, trust_env=False).status_code

    assert (answer(old.store), answer(new.store)) == (401, 200)


def test_its_clients_go_on_with_the_new_password(
    new: Passwords, urls: dict[str, str], http: httpx.Client, prometheus: Any, kubectl: Any
) -> None:
    # Each was started again, for the exporter reads it at its start only, and Jaeger tries a new one only once.
    pods = kubectl("-n", "monitoring", "get", "pods", "-l", "app=jaeger")["items"]
    started = max(datetime.fromisoformat(pod["metadata"]["creationTimestamp"]) for pod in pods)
    assert datetime.now(UTC) - started < timedelta(minutes=5)
    [trace_id] = platform.burst("/api/v1/blueprints", 1, ids=True).trace_ids
    eventually(lambda: trace(http, urls["jaeger"], trace_id), 60)
    job = '{job="elasticsearch-exporter"}'
    young = f"time() - process_start_time_seconds{job} < 300"
    eventually(lambda: prometheus(f"elasticsearch_cluster_health_status{job} and on (instance) ({young})"), 90)


def test_the_teams_dashboard_is_there_and_its_query_answers(admin: httpx.Client) -> None:
    def there() -> bool:
        found = admin.get(f"/api/dashboards/uid/{UID}").raise_for_status().json()
        assert (found["meta"]["folderTitle"], found["meta"]["provisioned"]) == ("Business", True)
        return True

    eventually(there, 120)
    [target] = DASHBOARD["panels"][0]["targets"]  # type: ignore[index]
    answer = admin.post("/api/ds/query", json={"queries": [target], "from": "now-5m", "to": "now"})
    assert answer.raise_for_status().json()["results"]["A"]["frames"][0]["data"]["values"][1]


def test_the_teams_alert_fires_with_the_links_that_every_alert_has(prometheus: Any, urls: dict[str, str]) -> None:
    with httpx.Client(base_url=urls["prometheus"], trust_env=False) as client:

        def firing() -> dict[str, Any]:
            alerts = client.get("/api/v1/alerts").raise_for_status().json()["data"]["alerts"]
            found = [each["annotations"] for each in alerts if each["labels"]["alertname"] == "TeamQueueDrill"]
            assert len(found) == 1
            return dict(found[0])

        annotations = eventually(firing, 180)
    assert annotations["dashboard_url"].endswith("/d/business")
    assert annotations["runbook_url"].endswith("/TeamQueueDrill.md")
