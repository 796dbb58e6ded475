"""The deploy gate on the running platform, with its Role: a good rollout passes, a faulty one does not."""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from rendering.dashboards.links import Uid
from sandbox import platform, sinks, stack
from sandbox.paths import repo_root
from sandbox.platform.cluster import kubectl
from tests.pages import blocks
from tests.shell import typed
from tests.waiting import eventually

pytestmark = pytest.mark.real_node
SERVICE = "api-gateway"
DEPLOYMENT = f"deployment/{SERVICE}"
NOWHERE = "http://127.0.0.1:9"
"""An address at which nobody listens."""


def on_platform(*arguments: str) -> str:
    return kubectl("-n", "dharma", *arguments)


def peers() -> str:
    """What the running revision takes for the addresses of the other services."""
    [container] = json.loads(on_platform("get", DEPLOYMENT, "-o", "json"))["spec"]["template"]["spec"]["containers"]
    return next(str(each["value"]) for each in container["env"] if each["name"] == "PEERS")


@dataclass
class Gate:
    """`python -m delivery watch` as a pipeline calls it."""

    environment: dict[str, str]
    outputs: Path
    arguments: list[str]

    def watch(self, *more: str) -> subprocess.CompletedProcess[str]:
        where = ["--service", SERVICE, "--stack-outputs", str(self.outputs)]
        command = [sys.executable, "-m", "delivery", "watch", *where, *self.arguments, *more]
        return subprocess.run(
            command, cwd=repo_root(), env=self.environment, capture_output=True, text=True, check=False, timeout=240
        )

    def watch_as_the_page_says(self) -> subprocess.CompletedProcess[str]:
        """What docs/delivery.md says to type, for a shorter time."""
        [block] = [block for block in blocks("sh") if "gate" in block.marks]
        text = block.text.replace("<token>", self.environment["GRAFANA_TOKEN"])
        text = text.replace("<webhook>", self.environment["SLACK_WEBHOOK_URL"])
        text = text.replace(" outputs.json", f" {shlex.quote(f'{self.outputs}.typed')}")
        return typed(f"{text} {shlex.join(self.arguments)}", self.environment, timeout_seconds=240)


@pytest.fixture(scope="module")
def token(grafana: httpx.Client) -> Iterator[str]:
    """A token of a service account with role Editor, for as long as these tests take."""
    made = grafana.post("/api/serviceaccounts", json={"name": f"deploy-gate-{time.time_ns()}", "role": "Editor"})
    account = made.raise_for_status().json()["id"]
    answer = grafana.post(f"/api/serviceaccounts/{account}/tokens", json={"name": "gate"}).raise_for_status()
    yield answer.json()["key"]
    grafana.delete(f"/api/serviceaccounts/{account}").raise_for_status()


@pytest.fixture(scope="module")
def gate(deployed: dict[str, Any], token: str, tmp_path_factory: pytest.TempPathFactory) -> Gate:
    """The gate with no more rights in the cluster than delivery/role.yaml grants."""
    kubectl("apply", "-f", str(repo_root() / "delivery" / "role.yaml"))
    folder = tmp_path_factory.mktemp("gate")
    config = yaml.safe_load(Path(stack.environment()["KUBECONFIG"]).read_text())
    config["users"][0]["user"] |= {"as": "a-pipeline", "as-groups": ["deploy-gate", "system:authenticated"]}
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))
    (folder / "outputs.json").write_text(json.dumps({"urls": deployed["urls"]}))
    collector = json.loads(kubectl("-n", "monitoring", "get", "service", "jaeger-collector", "-o", "json"))
    environment = {
        **os.environ,
        **stack.environment(),
        "KUBECONFIG": str(folder / "kubeconfig"),
        "GRAFANA_TOKEN": token,
        "SLACK_WEBHOOK_URL": sinks.url("slack"),
        "no_proxy": "*",
    }
    arguments = [
        *("--otlp-endpoint", f"http://{collector['spec']['clusterIP']}:4317"),
        *("--minutes", "1.5", "--poll-seconds", "5"),
    ]
    return Gate(environment, folder / "outputs.json", arguments)


@pytest.fixture(scope="module")
def calm(urls: dict[str, str], http: httpx.Client, prometheus: Callable[[str], list[dict[str, Any]]]) -> Iterator[None]:
    """What earlier tests did to the service is over, or silenced as whoever is on call would."""
    api = f"{urls['alertmanager']}/api/v2"
    held = http.get(f"{api}/alerts", params={"filter": f'service="{SERVICE}"'}).raise_for_status().json()
    now = datetime.now(UTC)
    silences = []
    for label, values in (("category", {"slo"}), ("alertname", {alert["labels"]["alertname"] for alert in held})):
        wanted = [("service", SERVICE, False), (label, "|".join(sorted(values)), True)]
        body = {
            "matchers": [{"name": name, "value": value, "isRegex": regex} for name, value, regex in wanted],
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(minutes=15)).isoformat(),
            "createdBy": "test_8_delivery",
            "comment": "of earlier tests",
        }
        if values:
            silences.append(http.post(f"{api}/silences", json=body).raise_for_status().json()["silenceID"])
    errors = f'max(service_slo:error:ratio_rate5m{{service="{SERVICE}", slo!="latency"}}) < 0.005'
    eventually(lambda: prometheus(errors), 360, 5)
    yield
    for silence in silences:
        http.delete(f"{api}/silence/{silence}").raise_for_status()


@pytest.fixture(scope="module")
def good(gate: Gate, calm: None) -> dict[str, Any]:
    """A rollout that changes nothing that users could feel, and what the gate made of it."""
    on_platform("rollout", "restart", DEPLOYMENT)
    done = gate.watch_as_the_page_says()
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture(scope="module")
def faulty(gate: Gate, good: dict[str, Any]) -> dict[str, Any]:
    """A rollout with the address of every other service wrong, and what the gate made of it."""
    wrong = ",".join(f"{peer.split('=')[0]}={NOWHERE}" for peer in peers().split(","))
    on_platform("set", "env", DEPLOYMENT, f"PEERS={wrong}")
    done = gate.watch()
    assert done.returncode == 4, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def told(revision: int, since: float) -> str:
    """The message about a revision that arrived at Slack."""
    [message] = [body for body in sinks.received("slack", since) if f"revision {revision}:" in body.get("text", "")]
    return json.dumps(message, ensure_ascii=False)


def test_a_good_rollout_passes(good: dict[str, Any]) -> None:
    assert good["outcome"] == "passed", good
    message = told(good["revision"], time.time() - 600)
    assert f"revision {good['revision']}: passed" in message
    assert good["dashboard"] in message


def test_a_faulty_rollout_is_rolled_back_and_the_revision_before_serves_again(faulty: dict[str, Any]) -> None:
    assert faulty["outcome"] == "rolled back", faulty
    assert NOWHERE not in peers()
    current = json.loads(on_platform("get", DEPLOYMENT, "-o", "json"))
    assert current["status"]["readyReplicas"] == current["status"]["replicas"] == current["status"]["updatedReplicas"]

    def serves() -> bool:
        return all(platform.request(SERVICE, "GET", "/api/v1/blueprints").is_success for _ in range(20))

    eventually(serves, 120)


def test_people_are_told_of_the_rollback_why_and_where_to_look(faulty: dict[str, Any], grafana: httpx.Client) -> None:
    message = told(faulty["revision"], time.time() - 600)
    assert f"{SERVICE} (dharma, sandbox) revision {faulty['revision']}: rolled back" in message
    assert faulty["reasons"][0] in message
    assert f"/d/{Uid.SERVICE}?" in faulty["dashboard"]
    assert f"var-service={SERVICE}" in faulty["dashboard"]
    assert faulty["dashboard"] in message
    assert grafana.get(f"/api/dashboards/uid/{Uid.SERVICE}").status_code == 200


def test_both_are_marked_on_the_dashboard_of_the_service(
    good: dict[str, Any], faulty: dict[str, Any], grafana: httpx.Client
) -> None:
    """Asked for with the very tags that the dashboard asks with."""
    dashboard = grafana.get(f"/api/dashboards/uid/{Uid.SERVICE}").raise_for_status().json()["dashboard"]
    [target] = [each["target"] for each in dashboard["annotations"]["list"] if each.get("target", {}).get("tags")]
    tags = [tag.replace("$service", SERVICE) for tag in target["tags"]]
    found = {
        mark["id"]: mark for mark in grafana.get("/api/annotations", params={"tags": tags}).raise_for_status().json()
    }
    for result in (good, faulty):
        mark = found[result["annotation"]]
        assert result["outcome"].replace(" ", "-") in mark["tags"]
        assert mark["timeEnd"] > mark["time"]
        assert result["trace_id"] in mark["text"]


def test_the_trace_of_each_is_found_in_jaeger(
    good: dict[str, Any], faulty: dict[str, Any], urls: dict[str, str], http: httpx.Client
) -> None:
    def spans(trace_id: str) -> set[str]:
        answer = http.get(f"{urls['jaeger']}/api/traces/{trace_id}")
        return {span["operationName"] for span in answer.json()["data"][0]["spans"]} if answer.is_success else set()

    eventually(lambda: spans(good["trace_id"]) == {"deployment", "rollout", "watch"}, 60)
    eventually(lambda: spans(faulty["trace_id"]) == {"deployment", "rollout", "watch", "rollback"}, 60)


def test_without_an_answer_from_prometheus_nothing_is_touched(gate: Gate, grafana: httpx.Client) -> None:
    before = grafana.get("/api/annotations", params={"tags": ["deployment", SERVICE]}).raise_for_status().json()

    done = gate.watch("--prometheus-url", NOWHERE)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {NOWHERE} does not answer"), done.stderr
    assert grafana.get("/api/annotations", params={"tags": ["deployment", SERVICE]}).json() == before


def test_the_role_grants_what_the_gate_needs_and_no_more(gate: Gate) -> None:
    def may(*arguments: str) -> bool:
        command = ["kubectl", "auth", "can-i", *arguments]
        done = subprocess.run(command, env=gate.environment, capture_output=True, text=True, check=False)
        return done.stdout.strip() == "yes"

    assert may("patch", "deployments", "-n", "dharma")
    assert may("create", "pods", "--subresource=portforward", "-n", "monitoring")
    for refused in (
        ("get", "secrets", "-n", "dharma"),
        ("delete", "deployments", "-n", "dharma"),
        ("create", "pods", "-n", "dharma"),
        ("patch", "deployments", "-n", "monitoring"),
        ("patch", "deployments", "-n", "default"),
    ):
        assert not may(*refused), refused
