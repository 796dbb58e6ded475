"""Traces of the running platform: the critical path complete, sampled as declared, taken in by every protocol."""

import json
import math
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import httpx
import pytest

from rendering.declarations import load_platform
from sandbox import platform
from sandbox.paths import repo_root
from tests import sampling_by_grpc
from tests.e2e.jobs import printed_by_python
from tests.e2e.platform_traces import (
    Kubectl,
    Query,
    begun_here,
    declared_tree,
    served_tree,
    stored,
    trace,
)
from tests.span_formats import GRPC_METHOD, Span, jaeger_grpc, jaeger_thrift, otlp_json, zipkin_json
from tests.waiting import eventually

pytestmark = pytest.mark.real_node
DECLARED = load_platform(repo_root() / "configs" / "services.yaml")
CRITICAL_PATH = {"api-gateway", "orchestrator-service", "iac-generator"}
GENERATIONS = 1000
REQUESTS_PER_SERVICE = 400  # over three thousand in all
HEALTH_CHECKS = 3000  # at 1 % none at all would be no chance

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
    return f"{address}:{port}"


def test_a_thousand_generations_are_a_thousand_whole_traces(span_store: httpx.Client) -> None:
    burst = platform.burst("/api/v1/iac", GENERATIONS, method="POST", ids=True)
    missing = set(burst.trace_ids)
    assert len(missing) == GENERATIONS

    def whole() -> bool:
        missing.difference_update(
            trace_id for trace_id, services in stored(span_store, missing).items() if services >= CRITICAL_PATH
        )
        return not missing

    eventually(whole, 90, every_seconds=2)


def test_a_trace_is_all_the_calls_that_were_made_and_no_other(urls: dict[str, str], http: httpx.Client) -> None:
    trace_id = platform.request("api-gateway", "POST", "/api/v1/iac").headers["x-trace-id"]
    declared = declared_tree("api-gateway", "POST /api/v1/iac")

    def same() -> bool:
        found = trace(http, urls["jaeger"], trace_id)
        assert found is not None
        assert served_tree(found) == declared
        return True

    eventually(same, 60)


def within_chance(seen: int, asked: int, share: float) -> bool:
    """Whether `seen` of `asked` is what a share gives, but for once in some ten thousand runs (4 deviations)."""
    deviation = math.sqrt(asked * share * (1 - share))
    return abs(seen - asked * share) <= 4 * deviation + 1


@pytest.mark.parametrize("service", DECLARED.services, ids=lambda service: service.name)
def test_a_service_samples_the_traces_that_start_there_at_its_declared_share(service: Any) -> None:
    method, path = ROUTES[service.name].split(" ")
    burst = platform.burst(path, REQUESTS_PER_SERVICE, service=service.name, method=method)
    answered = sum(burst.statuses.values()) - burst.statuses.get("none", 0)
    assert answered > REQUESTS_PER_SERVICE * 0.9
    assert within_chance(burst.sampled, answered, service.sampling_share), f"{burst.sampled} of {answered}"


def test_what_a_service_says_it_sampled_is_what_is_stored(span_store: httpx.Client) -> None:
    service = next(one for one in DECLARED.services if one.name == "costing-service")
    method, path = ROUTES[service.name].split(" ")
    burst = platform.burst(path, REQUESTS_PER_SERVICE, service=service.name, method=method, ids=True)
    assert len(set(burst.trace_ids)) == REQUESTS_PER_SERVICE
    assert 0 < burst.sampled < REQUESTS_PER_SERVICE
    eventually(lambda: len(stored(span_store, burst.trace_ids)) >= burst.sampled, 60)
    time.sleep(5)  # one too many would be there by now
    assert len(stored(span_store, burst.trace_ids)) == burst.sampled


@pytest.mark.parametrize(("service", "path"), [("api-gateway", "/health"), ("costing-service", "/ready")])
def test_health_checks_are_sampled_at_their_own_share(span_store: httpx.Client, service: str, path: str) -> None:
    """The kubelet asks too, and is told apart by its name."""
    since_ms = int(time.time() * 1000)
    burst = platform.burst(path, HEALTH_CHECKS, service=service)
    answered = sum(burst.statuses.values()) - burst.statuses.get("none", 0)
    assert answered > HEALTH_CHECKS * 0.9

    def seen() -> int:
        return begun_here(span_store, service, f"GET {path}", "Go-http-client", since_ms)

    def as_declared() -> bool:
        return within_chance(seen(), answered, DECLARED.health_checks.sampling_share)

    eventually(as_declared, 30)
    time.sleep(5)
    assert as_declared(), f"{seen()} of {answered}"


def test_every_declared_service_can_ask_how_to_sample(kubectl: Kubectl, http: httpx.Client) -> None:
    for service in DECLARED.services:
        where = f"http://{collector(kubectl, 5778)}/sampling"
        by_http = http.get(where, params={"service": service.name}).raise_for_status().json()
        by_grpc = sampling_by_grpc.strategy(collector(kubectl, 5779), service.name)
        for told in (by_http, by_grpc):
            assert told["probabilisticSampling"]["samplingRate"] == service.sampling_share
            assert told["operationSampling"]["defaultSamplingProbability"] == service.sampling_share


@contextmanager
def changed_share(kubectl: Kubectl, service: str, share: float) -> Iterator[None]:
    """The ConfigMap with another share for one service; as it was afterwards."""
    before = kubectl("-n", "monitoring", "get", "configmap", "jaeger-sampling")["data"]["strategies.json"]
    strategies = json.loads(before)
    for one in strategies["service_strategies"]:
        if one["service"] == service:
            one["param"] = share

    def write(text: str) -> None:
        patch = json.dumps({"data": {"strategies.json": text}})
        kubectl("-n", "monitoring", "patch", "configmap", "jaeger-sampling", "--type=merge", "-p", patch)

    write(json.dumps(strategies))
    try:
        yield
    finally:
        write(before)


def test_a_changed_share_takes_effect_without_a_restart(kubectl: Kubectl) -> None:
    """Kubelet, Jaeger and the service each look again by themselves; the kubelet takes longest."""
    method, path = ROUTES["monitoring-service"].split(" ")

    def sampled() -> int:
        return platform.burst(path, 50, service="monitoring-service", method=method).sampled

    assert sampled() < 30  # 10 % are declared
    with changed_share(kubectl, "monitoring-service", 1.0):
        eventually(lambda: sampled() == 50, 150, every_seconds=5)


def test_each_receiver_takes_a_span_that_is_read_back_by_its_id(
    kubectl: Kubectl, urls: dict[str, str], http: httpx.Client
) -> None:
    spans = {name: Span(f"by-{name}", uuid.uuid4().hex) for name in ("otlp", "zipkin", "thrift", "grpc")}
    sent = [
        http.post(f"http://{collector(kubectl, 4318)}/v1/traces", json=otlp_json(spans["otlp"])),
        http.post(f"http://{collector(kubectl, 9411)}/api/v2/spans", json=zipkin_json(spans["zipkin"])),
        http.post(
            f"http://{collector(kubectl, 14268)}/api/traces",
            content=jaeger_thrift(spans["thrift"]),
            headers={"Content-Type": "application/vnd.apache.thrift.binary"},
        ),
    ]
    assert [answer.is_success for answer in sent] == [True, True, True], [answer.text for answer in sent]
    with grpc.insecure_channel(collector(kubectl, 14250)) as channel:
        post: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(GRPC_METHOD)
        post(jaeger_grpc(spans["grpc"]), timeout=10)
    for span in spans.values():
        found = eventually(lambda span=span: trace(http, urls["jaeger"], span.trace_id), 60)  # type: ignore[misc]
        assert found is not None
        assert {process["serviceName"] for process in found["processes"].values()} == {span.service}


def test_the_tasks_operation_is_found_from_a_pod_by_the_services_short_name(kubectl: Kubectl) -> None:
    platform.burst("/api/v1/blueprints", 5)
    asked = """
import json, urllib.parse, urllib.request
def ask(path):
    return json.load(urllib.request.urlopen("http://jaeger-query:16686" + path, timeout=10))["data"]
operation = urllib.parse.quote("GET /api/v1/blueprints")
found = ask(f"/api/traces?service=api-gateway&operation={operation}&lookback=1h&limit=5")
names = {span["operationName"] for trace in found for span in trace["spans"]}
print(json.dumps({"services": ask("/api/services"), "operations": ask("/api/services/api-gateway/operations"),
                  "traces": len(found), "spans": sorted(names)}))
"""

    def answered() -> bool:
        said = json.loads(printed_by_python(kubectl, asked))
        assert "api-gateway" in said["services"]
        assert "GET /api/v1/blueprints" in said["operations"]
        assert said["traces"] > 0
        return "GET /api/v1/blueprints" in said["spans"]

    eventually(answered, 60)


def exemplars(http: httpx.Client, prometheus_url: str, query: str) -> list[tuple[dict[str, str], str]]:
    """Labels of a series and the id of a trace that is in it, for every exemplar of the last five minutes."""
    now = int(time.time())
    window: dict[str, str | int] = {"query": query, "start": now - 300, "end": now}
    answer = http.get(f"{prometheus_url}/api/v1/query_exemplars", params=window).raise_for_status().json()
    return [
        (series["seriesLabels"], one["labels"].get("trace_id") or one["labels"]["traceID"])
        for series in answer["data"]
        for one in series["exemplars"]
    ]


def test_one_id_leads_from_an_exemplar_to_its_trace_its_lines_and_its_services_metrics(
    urls: dict[str, str], http: httpx.Client, prometheus: Query, loki: Query
) -> None:
    platform.burst("/api/v1/iac", 20, method="POST")
    asked = 'http_request_duration_seconds_bucket{service="api-gateway"}'
    labels, trace_id = eventually(lambda: exemplars(http, urls["prometheus"], asked), 90)[-1]

    found = eventually(lambda: trace(http, urls["jaeger"], trace_id), 60)
    assert found is not None
    [service] = {
        found["processes"][span["processID"]]["serviceName"] for span in found["spans"] if not span["references"]
    }
    assert service == labels["service"]
    lines = f'{{namespace="dharma", service="{service}"}} | trace_id="{trace_id}"'
    [line, *_] = [json.loads(text) for stream in eventually(lambda: loki(lines), 60) for _, text in stream["values"]]
    assert line["trace_id"] == trace_id
    assert trace(http, urls["jaeger"], line["trace_id"]) is not None
    [rate] = prometheus(f'sum by (service) (rate(http_requests_total{{service="{service}"}}[5m]))')
    assert float(rate["value"][1]) > 0


def test_rate_and_duration_of_operations_and_of_calls_are_in_prometheus(prometheus: Query) -> None:
    served = 'sum by (service_name) (traces_span_metrics_calls_total{span_kind="SPAN_KIND_SERVER"})'
    assert eventually(lambda: {one["metric"]["service_name"] for one in prometheus(served)} >= CRITICAL_PATH, 90)
    called = 'sum by (service_name, server_address) (traces_span_metrics_calls_total{span_kind="SPAN_KIND_CLIENT"})'

    def calls() -> set[tuple[str, str]]:
        pairs = (one["metric"] for one in prometheus(called))
        return {(one["service_name"], one.get("server_address", "").split(".")[0]) for one in pairs}

    assert eventually(lambda: ("api-gateway", "orchestrator-service") in calls(), 90)


def test_durations_of_operations_lead_to_traces(urls: dict[str, str], http: httpx.Client) -> None:
    platform.burst("/api/v1/iac", 20, method="POST")
    asked = 'traces_span_metrics_duration_milliseconds_bucket{service_name="api-gateway"}'

    def opens() -> bool:
        found = exemplars(http, urls["prometheus"], asked)
        assert found, "no exemplars yet"
        return trace(http, urls["jaeger"], found[-1][1]) is not None

    eventually(opens, 90)


def test_failed_operations_are_counted_as_errors(prometheus: Query) -> None:
    failed = 'sum(traces_span_metrics_calls_total{service_name="ai-engine", status_code="STATUS_CODE_ERROR"})'

    def count() -> float:
        return sum(float(one["value"][1]) for one in prometheus(failed))

    before = count()
    platform.fault("ai-engine", error_rate=1.0)
    try:
        burst = platform.burst("/api/v1/suggestions", 40, service="ai-engine", method="POST")
    finally:
        platform.clear_faults("ai-engine")
    assert burst.sampled > 0
    eventually(lambda: count() >= before + burst.sampled, 90)


@pytest.mark.parametrize("kind", ["calls", "errors", "latencies"])
def test_jaegers_monitor_page_has_its_figures(urls: dict[str, str], http: httpx.Client, kind: str) -> None:
    platform.burst("/api/v1/iac", 5, method="POST")

    def points() -> list[float]:
        asked = {
            "service": "api-gateway",
            "endTs": str(int(time.time() * 1000)),
            "lookback": str(3600 * 1000),
            "step": "60000",
            "ratePer": "600000",
            "spanKind": "server",
            **({"quantile": "0.95"} if kind == "latencies" else {}),
        }
        answer = http.get(f"{urls['jaeger']}/api/metrics/{kind}", params=asked).raise_for_status().json()
        gauges = [point["gaugeValue"] for one in answer["metrics"] for point in one["metricPoints"]]
        return [
            value for value in (gauge.get("doubleValue", "NaN") for gauge in gauges) if not math.isnan(float(value))
        ]

    found = eventually(points, 90)
    assert kind == "errors" or max(float(value) for value in found) > 0
