"""Traces of the running platform: the critical path complete, sampled as declared, kept as promised."""

import json
import math
import subprocess
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import grpc
import httpx
import pytest
import yaml

from rendering.declarations import load_platform
from sandbox import platform, stack
from sandbox.paths import repo_root
from tests.span_formats import GRPC_METHOD, Span, jaeger_grpc, jaeger_thrift, otlp_json, zipkin_json
from tests.waiting import eventually

pytestmark = pytest.mark.real_node
Query = Callable[..., list[dict[str, Any]]]
Kubectl = Callable[..., Any]
DECLARED = load_platform(repo_root() / "configs" / "services.yaml")
CALLS = yaml.safe_load((repo_root() / "sandbox" / "platform" / "calls.yaml").read_text())["services"]
CRITICAL_PATH = {"api-gateway", "orchestrator-service", "iac-generator"}
GENERATIONS = 1000
REQUESTS_PER_SERVICE = 400  # over three thousand in all
SPANS = "/sandbox-jaeger-span-*/_search"

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


def declared_calls() -> set[tuple[str, str]]:
    """Which service calls which, by sandbox/platform/calls.yaml."""
    return {
        (service, called.split(" ")[0])
        for service, routes in CALLS.items()
        for route in routes.values()
        for called in [*route.get("calls", []), *route.get("tries", [])]
    }


def trace(http: httpx.Client, jaeger: str, trace_id: str) -> dict[str, Any] | None:
    answer = http.get(f"{jaeger}/api/traces/{trace_id}")
    if answer.status_code == 404:
        return None
    data: list[dict[str, Any]] = answer.raise_for_status().json()["data"]
    return data[0] if data else None


def calls_in(found: dict[str, Any]) -> set[tuple[str, str]]:
    """Pairs of services of which one called the other in this trace."""
    service = {span["spanID"]: found["processes"][span["processID"]]["serviceName"] for span in found["spans"]}
    pairs = {
        (service[reference["spanID"]], service[span["spanID"]])
        for span in found["spans"]
        for reference in span["references"]
    }
    return {(caller, called) for caller, called in pairs if caller != called}


def test_a_thousand_generations_are_a_thousand_whole_traces(span_store: httpx.Client) -> None:
    burst = platform.burst("/api/v1/iac", GENERATIONS, method="POST", ids=True)
    missing = set(burst.trace_ids)
    assert len(missing) == GENERATIONS

    def whole() -> bool:
        lots = [sorted(missing)[start : start + 500] for start in range(0, len(missing), 500)]
        for lot in lots:
            by_trace = {"terms": {"field": "traceID", "size": len(lot)}, "aggs": {"services": BY_SERVICE}}
            query = {"size": 0, "query": {"terms": {"traceID": lot}}, "aggs": {"traces": by_trace}}
            answer = span_store.post(SPANS, json=query).raise_for_status().json()
            for found in answer["aggregations"]["traces"]["buckets"]:
                if {one["key"] for one in found["services"]["buckets"]} >= CRITICAL_PATH:
                    missing.discard(found["key"])
        return not missing

    eventually(whole, 90, every_seconds=2)


BY_SERVICE = {"terms": {"field": "process.serviceName", "size": 20}}


def test_a_trace_goes_as_deep_as_the_calls_that_were_made(urls: dict[str, str], http: httpx.Client) -> None:
    trace_id = platform.request("api-gateway", "POST", "/api/v1/iac").headers["x-trace-id"]
    needed = {("api-gateway", "orchestrator-service"), ("orchestrator-service", "iac-generator")}

    def whole() -> set[tuple[str, str]] | None:
        found = trace(http, urls["jaeger"], trace_id)
        calls = calls_in(found) if found else set()
        return calls if calls >= needed else None

    calls = eventually(whole, 60)
    assert calls is not None
    assert calls <= declared_calls()


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


def test_health_checks_are_sampled_at_their_own_share() -> None:
    burst = platform.burst("/health", 1000, service="api-gateway")
    assert within_chance(burst.sampled, 1000, DECLARED.health_checks.sampling_share), f"{burst.sampled} of 1000"


def test_every_declared_service_can_ask_how_to_sample(kubectl: Kubectl, http: httpx.Client) -> None:
    address = collector(kubectl, 5778)
    for service in DECLARED.services:
        told = http.get(f"http://{address}/sampling", params={"service": service.name}).raise_for_status().json()
        assert told["probabilisticSampling"]["samplingRate"] == service.sampling_share


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


def test_rate_and_duration_of_operations_and_of_calls_are_in_prometheus(prometheus: Query) -> None:
    served = 'sum by (service_name) (traces_span_metrics_calls_total{span_kind="SPAN_KIND_SERVER"})'
    assert eventually(lambda: {one["metric"]["service_name"] for one in prometheus(served)} >= CRITICAL_PATH, 90)
    called = 'sum by (service_name, server_address) (traces_span_metrics_calls_total{span_kind="SPAN_KIND_CLIENT"})'

    def calls() -> set[tuple[str, str]]:
        pairs = (one["metric"] for one in prometheus(called))
        return {(one["service_name"], one.get("server_address", "").split(".")[0]) for one in pairs}

    assert eventually(lambda: ("api-gateway", "orchestrator-service") in calls(), 90)


def run_now(cron_job: str) -> None:
    """One run of a CronJob, to its end. Raises CalledProcessError when it fails."""
    job, command = f"{cron_job[:40]}-{uuid.uuid4().hex[:6]}", ["kubectl", "-n", "monitoring"]

    def kubectl(*arguments: str) -> None:
        subprocess.run([*command, *arguments], env=stack.environment(), check=True, capture_output=True)

    kubectl("create", "job", job, f"--from=cronjob/{cron_job}")
    try:
        kubectl("wait", "--for=condition=complete", "--timeout=120s", f"job/{job}")
    finally:
        kubectl("delete", "job", job)


def test_the_dependency_graph_is_what_the_services_really_call(urls: dict[str, str], http: httpx.Client) -> None:
    platform.burst("/api/v1/iac", 5, method="POST")

    def graph() -> dict[str, set[str]]:
        run_now("jaeger-dependencies")
        window = {"endTs": str(int(datetime.now(UTC).timestamp() * 1000)), "lookback": str(3600 * 1000)}
        answer = http.get(f"{urls['jaeger']}/api/dependencies", params=window).raise_for_status().json()
        found: dict[str, set[str]] = defaultdict(set)
        for one in answer["data"]:
            found[one["parent"]].add(one["child"])
        return found

    found = eventually(lambda: (links := graph()) and "iac-generator" in links["orchestrator-service"] and links, 60)
    assert found
    links = {(caller, called) for caller, all_called in found.items() for called in all_called}
    assert {link for link in links if link[0] in CALLS and link[1] in CALLS} <= declared_calls()
    assert ("api-gateway", "orchestrator-service") in links


def test_the_cleaners_job_runs_and_leaves_todays_spans(deployed: dict[str, Any], span_store: httpx.Client) -> None:
    """What it deletes is shown in tests/native/test_jaeger_cleaner.py: no store lets itself be given an old index."""
    run_now("jaeger-es-index-cleaner")
    left = span_store.get("/sandbox-jaeger-span-*/_settings").raise_for_status().json()
    today = datetime.now(UTC)
    assert f"sandbox-jaeger-span-{today:%Y-%m-%d}" in left


def test_jaeger_may_not_touch_what_is_not_its_own(deployed: dict[str, Any], span_store: httpx.Client) -> None:
    users = span_store.get("/_plugins/_security/api/internalusers").raise_for_status().json()
    assert users["jaeger"]["backend_roles"] == []
    mapped = span_store.get("/_plugins/_security/api/rolesmapping").raise_for_status().json()
    assert [name for name, mapping in mapped.items() if "jaeger" in mapping["users"]] == ["jaeger-sandbox"]
    anonymous = httpx.get(deployed["span_store_url"], verify=False, trust_env=False)  # noqa: S501 - to be refused
    assert anonymous.status_code == 401


@pytest.mark.full
def test_a_wrong_password_is_a_clear_condition_and_no_crash_loop(kubectl: Kubectl) -> None:
    run = ["kubectl", "-n", "monitoring"]
    environment = stack.environment()
    before = kubectl("-n", "monitoring", "get", "secret", "span-store-login")["data"]["password"]

    def login(password: str) -> None:
        patch = json.dumps({"data": {"password": password}})
        kubectl("-n", "monitoring", "patch", "secret", "span-store-login", "--type=merge", "-p", patch)
        subprocess.run([*run, "rollout", "restart", "deployment/jaeger"], env=environment, check=True)

    def waiting() -> dict[str, Any] | None:
        pods = kubectl("-n", "monitoring", "get", "pods", "-l", "app=jaeger")["items"]
        return next((pod for pod in pods if pod["status"]["phase"] == "Pending"), None)

    login("d3Jvbmc=")
    try:
        pod = eventually(waiting, 60)
        assert pod is not None
        logs = [*run, "logs", pod["metadata"]["name"], "-c", "wait-for-span-store"]

        def said() -> bool:
            done = subprocess.run(logs, env=environment, check=False, capture_output=True, text=True)
            return "the password is wrong" in done.stdout

        eventually(said, 60)
        still = waiting()
        assert still is not None
        assert [one["restartCount"] for one in still["status"]["initContainerStatuses"]] == [0]
    finally:
        login(before)
        subprocess.run([*run, "rollout", "status", "deployment/jaeger", "--timeout=120s"], env=environment, check=True)
