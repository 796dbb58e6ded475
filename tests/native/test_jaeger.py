"""Jaeger's own checker accepts its configurations, and a running one takes, samples and counts spans as promised."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from rendering.jaeger import Role
from tests import sampling_by_grpc
from tests.native.alert_metrics import emitted, read_by_alerts
from tests.native.jaeger_process import CONFIGS, PLATFORM, JaegerClient, check, rendered, running_jaeger
from tests.span_formats import GRPC_METHOD, OPERATION, Span, jaeger_grpc, jaeger_thrift
from tests.waiting import eventually


@pytest.fixture(scope="module")
def jaeger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JaegerClient]:
    with running_jaeger(tmp_path_factory.mktemp("jaeger"), cluster="test-cluster", environment="test") as client:
        yield client


def test_the_native_file_is_valid_as_it_stands() -> None:
    check(CONFIGS / "jaeger" / "jaeger.yaml")


@pytest.mark.parametrize("kind", ["opensearch", "elasticsearch"])
@pytest.mark.parametrize("role", list(Role))
def test_what_is_rendered_is_valid(tmp_path: Path, role: Role, kind: str) -> None:
    config = tmp_path / "jaeger.yaml"
    config.write_text(rendered(role, store_kind=kind, username="jaeger", index_prefix="test", own_ca=True))
    check(config)


def test_a_misspelt_key_would_be_noticed(tmp_path: Path) -> None:
    config = tmp_path / "jaeger.yaml"
    config.write_text(rendered(Role.ALL_IN_ONE).replace("max_span_age", "max_span_agee"))
    with pytest.raises(AssertionError, match="max_span_agee"):
        check(config)


def span(trace_id: str, name: str = "GET /api/v1/blueprints", service: str = "api-gateway") -> dict[str, Any]:
    now = time.time_ns()
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
                "scopeSpans": [
                    {
                        "spans": [
                            {
                                "traceId": trace_id,
                                "spanId": trace_id[:16],
                                "name": name,
                                "kind": 2,
                                "startTimeUnixNano": str(now - 50_000_000),
                                "endTimeUnixNano": str(now),
                            }
                        ]
                    }
                ],
            }
        ]
    }


def tags(stored: dict[str, Any]) -> set[tuple[str, str]]:
    return {(tag["key"], str(tag["value"])) for tag in stored["tags"]}


def test_a_span_by_otlp_is_read_back_by_its_id(jaeger: JaegerClient) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    httpx.post(f"{jaeger.urls['otlp-http']}/v1/traces", json=span(trace_id)).raise_for_status()
    [stored] = jaeger.trace(trace_id)
    assert stored["operationName"] == "GET /api/v1/blueprints"
    assert tags(stored) >= {("cluster", "test-cluster"), ("environment", "test")}


def test_what_a_service_says_of_its_environment_stays(jaeger: JaegerClient) -> None:
    trace_id = "4af7651916cd43dd8448eb211c80319c"
    sent = span(trace_id)
    own = {"key": "environment", "value": {"stringValue": "canary"}}
    sent["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"] = [own]
    httpx.post(f"{jaeger.urls['otlp-http']}/v1/traces", json=sent).raise_for_status()
    [stored] = jaeger.trace(trace_id)
    assert tags(stored) >= {("cluster", "test-cluster"), ("environment", "canary")}


def test_a_span_by_zipkin_is_read_back_by_its_id(jaeger: JaegerClient) -> None:
    trace_id = "1af7651916cd43dd8448eb211c80319c"
    zipkin = {
        "traceId": trace_id,
        "id": trace_id[:16],
        "name": "checkout",
        "timestamp": time.time_ns() // 1000,
        "duration": 1000,
        "localEndpoint": {"serviceName": "costing-service"},
    }
    httpx.post(f"{jaeger.urls['zipkin']}/api/v2/spans", json=[zipkin]).raise_for_status()
    [stored] = jaeger.trace(trace_id)
    assert stored["operationName"] == "checkout"
    assert tags(stored) >= {("cluster", "test-cluster"), ("environment", "test")}


def test_a_span_by_jaegers_own_protocols_is_read_back_by_its_id(jaeger: JaegerClient) -> None:
    by_thrift, by_grpc = (Span(name, uuid.uuid4().hex) for name in ("by-thrift", "by-grpc"))
    headers = {"Content-Type": "application/vnd.apache.thrift.binary"}
    where = f"{jaeger.urls['jaeger-thrift']}/api/traces"
    httpx.post(where, content=jaeger_thrift(by_thrift), headers=headers).raise_for_status()
    with grpc.insecure_channel(jaeger.urls["jaeger-grpc"].removeprefix("http://")) as channel:
        post: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(GRPC_METHOD)
        post(jaeger_grpc(by_grpc), timeout=10)
    for sent in (by_thrift, by_grpc):
        [stored] = jaeger.trace(sent.trace_id)
        assert stored["operationName"] == OPERATION


def told_by_grpc(jaeger: JaegerClient, service: str) -> dict[str, Any]:
    return sampling_by_grpc.strategy(jaeger.urls["sampling-grpc"].removeprefix("http://"), service)


@pytest.mark.parametrize("ask", [JaegerClient.strategy, told_by_grpc], ids=["http", "grpc"])
def test_each_service_is_told_its_declared_share_and_health_checks_are_rare(
    jaeger: JaegerClient, ask: Callable[[JaegerClient, str], dict[str, Any]]
) -> None:
    for service in PLATFORM.services:
        told = ask(jaeger, service.name)
        assert told["probabilisticSampling"]["samplingRate"] == service.sampling_share
        operations = told["operationSampling"]
        assert operations["defaultSamplingProbability"] == service.sampling_share
        rare = {
            one["operation"]: one["probabilisticSampling"]["samplingRate"]
            for one in operations["perOperationStrategies"]
        }
        for path in PLATFORM.health_checks.paths:
            assert rare[f"GET {path}"] == PLATFORM.health_checks.sampling_share


def test_a_changed_share_is_told_without_a_restart(jaeger: JaegerClient) -> None:
    before = jaeger.strategies.read_text()
    changed = json.loads(before)
    changed["service_strategies"][0]["param"] = 0.42
    jaeger.strategies.write_text(json.dumps(changed))
    try:
        name = changed["service_strategies"][0]["service"]

        def told() -> set[float]:
            answers = (ask(jaeger, name) for ask in (JaegerClient.strategy, told_by_grpc))
            return {answer["probabilisticSampling"]["samplingRate"] for answer in answers}

        eventually(lambda: told() == {0.42}, 10, 0.3)
    finally:
        jaeger.strategies.write_text(before)


def test_rate_and_duration_of_each_operation_are_counted_from_spans(jaeger: JaegerClient) -> None:
    httpx.post(
        f"{jaeger.urls['otlp-http']}/v1/traces", json=span("2af7651916cd43dd8448eb211c80319c")
    ).raise_for_status()
    wanted = {"traces_span_metrics_calls_total", "traces_span_metrics_duration_milliseconds_bucket"}
    deadline = time.monotonic() + 20
    page = f"{jaeger.urls['spanmetrics']}/metrics"
    while not wanted <= emitted(page):
        assert time.monotonic() < deadline, emitted(page)
        time.sleep(0.5)


# Of the bulk writer to OpenSearch/Elasticsearch, which spans in memory do not have, and of spans yet to be lost: those
# exist in test_span_store_outage.py; of traces decided on at their end: test_tail_sampling.py.
NOT_HERE = {
    "otelcol_processor_tail_sampling_sampling_trace_dropped_too_early_total",
    "jaeger_storage_bulk_index_errors_total",
    "jaeger_storage_bulk_index_attempts_total",
    "jaeger_storage_bulk_index_latency_ok_seconds_sum",
    "jaeger_storage_bulk_index_latency_ok_seconds_count",
    "otelcol_exporter_enqueue_failed_spans_total",
}


def test_the_metrics_that_alerts_read_exist_in_the_running_binary(jaeger: JaegerClient) -> None:
    httpx.post(
        f"{jaeger.urls['otlp-http']}/v1/traces", json=span("3af7651916cd43dd8448eb211c80319c")
    ).raise_for_status()
    jaeger.trace("3af7651916cd43dd8448eb211c80319c")
    wanted = read_by_alerts("jaeger") - NOT_HERE
    assert wanted
    assert wanted <= emitted(f"{jaeger.urls['metrics']}/metrics")
