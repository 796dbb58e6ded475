"""Traces of the running platform: the critical path complete, sampled as declared, kept as promised."""

import math
import subprocess
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from rendering.declarations import load_platform
from sandbox import platform, stack
from sandbox.paths import repo_root
from tests.waiting import eventually

pytestmark = [pytest.mark.real_node, pytest.mark.full]
Query = Callable[..., list[dict[str, Any]]]
Kubectl = Callable[..., Any]
DECLARED = load_platform(repo_root() / "configs" / "services.yaml")
CRITICAL_PATH = {"api-gateway", "orchestrator-service", "iac-generator"}
GENERATIONS = 1000
REQUESTS_PER_SERVICE = 1000

# A cheap route of each service.
ROUTES = {
    "api-gateway": "GET /api/v1/status",
    "blueprint-service": "GET /api/v1/blueprints",
    "iac-generator": "POST /api/v1/generations",
    "guardrails-engine": "POST /api/v1/checks",
    "costing-service": "POST /api/v1/estimates",
    "orchestrator-service": "POST /api/v1/workflows/iac",
    "automation-engine": "POST /api/v1/runs",
    "monitoring-service": "GET /api/v1/services",
    "ai-engine": "POST /api/v1/suggestions",
}


def collector(kubectl: Kubectl, port: int) -> str:
    """The collector's address for this machine."""
    address = kubectl("-n", "monitoring", "get", "service", "jaeger-collector")["spec"]["clusterIP"]
    return f"http://{address}:{port}"


def services_of(http: httpx.Client, jaeger: str, trace_id: str) -> set[str]:
    answer = http.get(f"{jaeger}/api/traces/{trace_id}")
    if answer.status_code == 404:
        return set()
    data = answer.raise_for_status().json()["data"]
    return {process["serviceName"] for process in data[0]["processes"].values()} if data else set()


def test_a_thousand_generations_are_a_thousand_whole_traces(urls: dict[str, str], http: httpx.Client) -> None:
    burst = platform.burst("/api/v1/iac", GENERATIONS, method="POST", ids=True)
    missing = set(burst.trace_ids)
    assert len(missing) == GENERATIONS

    def whole() -> bool:
        for trace_id in list(missing):
            if services_of(http, urls["jaeger"], trace_id) >= CRITICAL_PATH:
                missing.discard(trace_id)
        return not missing

    eventually(whole, 120, every_seconds=3)


def within_chance(seen: int, asked: int, share: float) -> bool:
    """Whether `seen` of `asked` is what a share gives, but for once in some ten thousand runs (4 deviations)."""
    deviation = math.sqrt(asked * share * (1 - share))
    return abs(seen - asked * share) <= 4 * deviation + 1


@pytest.mark.parametrize("service", DECLARED.services, ids=lambda service: service.name)
def test_a_service_samples_the_traces_that_start_there_at_its_declared_share(service: Any) -> None:
    method, path = ROUTES[service.name].split(" ")
    burst = platform.burst(path, REQUESTS_PER_SERVICE, service=service.name, method=method)
    answered = sum(burst.statuses.values()) - burst.statuses.get("none", 0)
    assert within_chance(burst.sampled, answered, service.sampling_share), f"{burst.sampled} of {answered}"


def test_every_declared_service_can_ask_how_to_sample(kubectl: Kubectl, http: httpx.Client) -> None:
    address = collector(kubectl, 5778)
    for service in DECLARED.services:
        told = http.get(f"{address}/sampling", params={"service": service.name}).raise_for_status().json()
        assert told["probabilisticSampling"]["samplingRate"] == service.sampling_share


def test_a_span_by_zipkin_and_one_by_otlp_are_read_back(
    kubectl: Kubectl, urls: dict[str, str], http: httpx.Client
) -> None:
    by_zipkin, by_otlp = uuid.uuid4().hex, uuid.uuid4().hex
    now = time.time_ns()
    zipkin = {
        "traceId": by_zipkin,
        "id": by_zipkin[:16],
        "name": "hand made",
        "timestamp": now // 1000,
        "duration": 1000,
        "localEndpoint": {"serviceName": "hand-made"},
    }
    http.post(f"{collector(kubectl, 9411)}/api/v2/spans", json=[zipkin]).raise_for_status()
    span = {
        "traceId": by_otlp,
        "spanId": by_otlp[:16],
        "name": "hand made",
        "kind": 2,
        "startTimeUnixNano": str(now - 10**6),
        "endTimeUnixNano": str(now),
    }
    name = {"key": "service.name", "value": {"stringValue": "hand-made"}}
    batch = {"resourceSpans": [{"resource": {"attributes": [name]}, "scopeSpans": [{"spans": [span]}]}]}
    http.post(f"{collector(kubectl, 4318)}/v1/traces", json=batch).raise_for_status()
    for trace_id in (by_zipkin, by_otlp):
        eventually(lambda trace_id=trace_id: services_of(http, urls["jaeger"], trace_id) == {"hand-made"}, 60)  # type: ignore[misc]


def test_rate_and_duration_of_operations_are_in_prometheus(prometheus: Query) -> None:
    calls = 'sum by (service_name) (traces_span_metrics_calls_total{span_kind="SPAN_KIND_SERVER"})'
    assert eventually(lambda: {one["metric"]["service_name"] for one in prometheus(calls)} >= CRITICAL_PATH, 90)


def test_the_cleaners_job_runs_and_leaves_todays_spans(deployed: dict[str, Any], http: httpx.Client) -> None:
    """What it deletes is shown in tests/native/test_jaeger_cleaner.py: no store lets itself be given an old index."""
    job, run = f"clean-{uuid.uuid4().hex[:6]}", ["kubectl", "-n", "monitoring"]

    def kubectl(*arguments: str) -> None:
        subprocess.run([*run, *arguments], env=stack.environment(), check=True, capture_output=True)

    kubectl("create", "job", job, "--from=cronjob/jaeger-es-index-cleaner")
    try:
        kubectl("wait", "--for=condition=complete", "--timeout=120s", f"job/{job}")
    finally:
        kubectl("delete", "job", job)
    left = http.get(f"{deployed['span_store_url']}/sandbox-jaeger-span-*/_settings").raise_for_status().json()
    today = datetime.now(UTC)
    assert f"sandbox-jaeger-span-{today:%Y-%m-%d}" in left
