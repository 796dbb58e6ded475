"""Alerts on the running stack: all they read is there, and faults are told."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import yaml

from sandbox import drills, stack
from sandbox.drills.signs import Mail
from sandbox.errors import SandboxError
from sandbox.paths import repo_root
from tests.waiting import eventually

pytestmark = pytest.mark.real_node
Query = Callable[..., list[dict[str, Any]]]

# What cannot be in a healthy sandbox's scrape, and why.
NOT_YET = {
    "alertmanager_cluster_members": "one replica here; production has peers",
    "kube_pod_container_status_last_terminated_reason": "made when a container is started again",
    "loki_discarded_samples_total": "made when the first line is discarded",
    "loki_ingester_wal_disk_full_failures_total": "made with the first failure",
    "otelcol_exporter_enqueue_failed_spans_total": "made when the first span finds the queue full",
    "otelcol_receiver_refused_spans_total": "made when the first span is refused",
    "otelcol_processor_tail_sampling_sampling_trace_dropped_too_early_total": "the sandbox decides where traces start",
    "logentry_dropped_lines_by_label_total": "made when the first line is over a limit",
    "jaeger_storage_bulk_index_errors_total": "made with the first failure",
    "service_signal:past_hour:mean": "needs a week of data",
    "service_signal:past_hour:stddev": "needs a week of data",
    "service_signal:baseline:week": "needs two weeks of data",
    "service_signal:deviation:week": "needs two weeks of data",
    "service_signal:band:upper": "needs two weeks of data",
    "service_signal:band:lower": "needs two weeks of data",
}

# Two waves, so that all overlap.
IN_THE_USUAL_TIER = ("scale-to-zero", "redis-stopped", "inhibition", "jaeger-killed", "opensearch-stopped")


def selectors(node: Any) -> Iterator[str]:
    """The metric names in a parsed query."""
    if isinstance(node, dict):
        if node.get("type") in ("vectorSelector", "matrixSelector") and node.get("name"):
            yield node["name"]
        for value in node.values():
            yield from selectors(value)
    elif isinstance(node, list):
        for value in node:
            yield from selectors(value)


@pytest.fixture(scope="module")
def named(urls: dict[str, str], http: httpx.Client) -> set[str]:
    """Every metric named in a rule, as Prometheus itself parses the rules."""
    names: set[str] = set()
    for path in (repo_root() / "configs" / "prometheus" / "rules").glob("*.yaml"):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                answer = http.post(f"{urls['prometheus']}/api/v1/parse_query", data={"query": rule["expr"]})
                names.update(selectors(answer.raise_for_status().json()["data"]))
    return names


def test_every_metric_named_in_a_rule_is_there(named: set[str], urls: dict[str, str], http: httpx.Client) -> None:
    def all_there() -> bool:
        answer = http.get(f"{urls['prometheus']}/api/v1/label/__name__/values").raise_for_status()
        assert sorted(named - set(answer.json()["data"]) - set(NOT_YET)) == []
        return True

    eventually(all_there, 120, 5)
    assert set(NOT_YET) <= named, "an exception for a metric that no rule names"


def test_no_rule_fails_to_evaluate(urls: dict[str, str], http: httpx.Client) -> None:
    groups = http.get(f"{urls['prometheus']}/api/v1/rules").raise_for_status().json()["data"]["groups"]
    failing = [
        (rule["name"], rule["lastError"]) for group in groups for rule in group["rules"] if rule.get("lastError")
    ]
    assert len(groups) > 20
    assert failing == []


@pytest.fixture(scope="module")
def played(deployed: dict[str, Any]) -> dict[str, drills.Outcome | SandboxError]:
    """The drills of the usual tier, all from fault to resolution."""
    return drills.play([drills.get(name) for name in IN_THE_USUAL_TIER], print)


@pytest.mark.parametrize("name", IN_THE_USUAL_TIER)
def test_everyone_is_told_of_a_fault_and_of_its_end(
    name: str, played: dict[str, drills.Outcome | SandboxError]
) -> None:
    outcome = played[name]
    assert isinstance(outcome, drills.Outcome), outcome
    assert outcome.told.keys() == outcome.over.keys() == set(drills.get(name).signs)


def test_a_service_scaled_to_zero_pages_within_two_minutes(
    played: dict[str, drills.Outcome | SandboxError],
) -> None:
    outcome = played["scale-to-zero"]
    assert isinstance(outcome, drills.Outcome), outcome
    prompt = [seconds for sign, seconds in outcome.told.items() if not isinstance(sign, Mail)]
    assert len(prompt) == 2
    assert max(prompt) <= 120


ALERTS = "http://alertmanager:9093/api/v2/alerts"


def typed(command: str, text: str | None = None) -> str:
    """What a command says to whoever types it on the sandbox, where -t gets its terminal."""
    done = subprocess.run(
        ["script", "-qec", command, "/dev/null"] if text is None else ["sh", "-c", command],
        env={**os.environ, **stack.environment()},
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


def test_alertmanager_is_asked_at_the_tasks_address_from_a_pod_in_monitoring(kubectl: Callable[..., Any]) -> None:
    """No image of the stack has curl; the one with Python asks the same address."""
    job = kubectl("-n", "monitoring", "get", "cronjob", "grafana-access")["spec"]["jobTemplate"]
    ask = f"import urllib.request; print(urllib.request.urlopen('{ALERTS}', timeout=30).read().decode())"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "asks-alertmanager", "namespace": "monitoring"},
        "spec": {
            "restartPolicy": "Never",
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65534,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "ask",
                    "image": job["spec"]["template"]["spec"]["containers"][0]["image"],
                    "command": ["python3", "-c", ask],
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                    "resources": {
                        "requests": {"cpu": "10m", "memory": "32Mi"},
                        "limits": {"cpu": "200m", "memory": "64Mi"},
                    },
                }
            ],
        },
    }
    try:
        typed("kubectl apply -f -", json.dumps(pod))
        succeeded = "--for=jsonpath='{.status.phase}'=Succeeded"
        waited = typed(f"kubectl -n monitoring wait {succeeded} pod/asks-alertmanager --timeout=90s")
        said = typed("kubectl -n monitoring logs asks-alertmanager")
        assert "Watchdog" in {alert["labels"]["alertname"] for alert in json.loads(said)}, waited
    finally:
        typed("kubectl -n monitoring delete pod asks-alertmanager --ignore-not-found")


def test_the_tasks_dd_is_typed_at_a_terminal(kubectl: Callable[..., Any]) -> None:
    [pod] = kubectl("-n", "dharma", "get", "pods", "-l", "app=orchestrator-service")["items"]
    exec_it = f"kubectl exec -it {pod['metadata']['name']} -n dharma --"
    try:
        said = typed(f"{exec_it} dd if=/dev/zero of=/tmp/test bs=1M count=1000")
    finally:
        typed(f"{exec_it} rm -f /tmp/test")
    assert "No space left on device" in said, "docs/deviations.md says that it ends so"


@pytest.fixture(scope="module")
def rest_played(
    deployed: dict[str, Any], played: dict[str, drills.Outcome | SandboxError]
) -> dict[str, drills.Outcome | SandboxError]:
    """The other drills; after those of the usual tier, for what they broke must be whole again."""
    return drills.play([drill for drill in drills.DRILLS if drill.name not in IN_THE_USUAL_TIER], print)


@pytest.mark.full
@pytest.mark.parametrize("name", [name for name in drills.names() if name not in IN_THE_USUAL_TIER])
def test_everyone_is_told_of_every_other_fault_and_of_its_end(
    name: str, rest_played: dict[str, drills.Outcome | SandboxError]
) -> None:
    outcome = rest_played[name]
    assert isinstance(outcome, drills.Outcome), outcome
    assert outcome.told.keys() == outcome.over.keys() == set(drills.get(name).signs)
