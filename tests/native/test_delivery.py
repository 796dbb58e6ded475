"""The deploy gate with a real Grafana and a real Jaeger: its mark is on the service's dashboard, its trace is found."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from delivery import gate, options
from delivery.errors import GateError
from rendering.dashboards.links import Uid
from tests.native.grafana_process import RunningGrafana, running_grafana
from tests.native.jaeger_process import JaegerClient, running_jaeger
from tests.unit.delivery_tools import ARGUMENTS, NOW, SECRETS, Tools, play_cluster
from tests.waiting import eventually


@pytest.fixture(scope="module")
def grafana(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGrafana]:
    with running_grafana(tmp_path_factory.mktemp("grafana")) as running:
        yield running


@pytest.fixture(scope="module")
def jaeger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JaegerClient]:
    with running_jaeger(tmp_path_factory.mktemp("jaeger")) as client:
        yield client


def token(grafana: RunningGrafana, role: str) -> str:
    """Of a service account with no more than this role."""
    account = grafana.api.post("/api/serviceaccounts", json={"name": f"gate-{role}", "role": role}).raise_for_status()
    path = f"/api/serviceaccounts/{account.json()['id']}/tokens"
    return str(grafana.api.post(path, json={"name": f"gate-{role}"}).raise_for_status().json()["key"])


def watch(tools: Tools, grafana: RunningGrafana, jaeger: JaegerClient, role: str) -> dict[str, Any]:
    """One call of the gate, with a token of that role. What is not Grafana or Jaeger is played."""
    base = str(grafana.api.base_url)
    more = ["--grafana-url", base, "--otlp-endpoint", jaeger.urls["otlp-grpc"], "--jaeger-link", jaeger.urls["query"]]
    chosen = options.parse([*ARGUMENTS, *more], {**SECRETS, "GRAFANA_TOKEN": token(grafana, role)})
    real = httpx.HTTPTransport()
    with httpx.Client(transport=tools.transport(), mounts={"http://127.0.0.1": real}, trust_env=False) as http:
        return gate.run(chosen, http)


def test_a_rollback_is_on_the_dashboard_of_its_service_and_its_trace_in_jaeger(
    grafana: RunningGrafana, jaeger: JaegerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play_cluster(tmp_path, monkeypatch)
    tools = Tools()
    tools.fire("CriticalErrorRate", NOW)

    result = watch(tools, grafana, jaeger, "Editor")

    assert result["outcome"] == "rolled back"
    dashboard = eventually(lambda: grafana.api.get(f"/api/dashboards/uid/{Uid.SERVICE}").raise_for_status().json(), 30)
    targets = [each.get("target", {}) for each in dashboard["dashboard"]["annotations"]["list"]]
    [asked] = [target["tags"] for target in targets if "deployment" in target.get("tags", [])]
    tags = [tag.replace("$service", "api-gateway") for tag in asked]
    [mark] = grafana.api.get("/api/annotations", params={"tags": tags}).raise_for_status().json()
    assert mark["id"] == result["annotation"]
    assert "rolled-back" in mark["tags"]
    assert mark["timeEnd"] > mark["time"]
    assert result["trace_id"] in mark["text"]
    assert "CriticalErrorRate fires" in mark["text"]

    spans = jaeger.trace(result["trace_id"])

    assert {span["operationName"] for span in spans} == {"deployment", "rollout", "watch", "rollback"}
    [root] = [
        {tag["key"]: tag["value"] for tag in span["tags"]} for span in spans if span["operationName"] == "deployment"
    ]
    assert root["k8s.deployment.name"] == "api-gateway"
    assert root["deployment.status"] == "failed"


def test_a_token_that_may_not_mark_is_refused_before_anything_changes(
    grafana: RunningGrafana, jaeger: JaegerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play_cluster(tmp_path, monkeypatch)
    tools = Tools()
    tools.fire("CriticalErrorRate", NOW)

    with pytest.raises(GateError, match=r"does not take an annotation: 403.*role Editor"):
        watch(tools, grafana, jaeger, "Viewer")

    assert tools.changed == []
    assert "rollout" not in (tmp_path / "calls").read_text()
