"""A metric, a log line and a trace of the platform, each through its whole way; and an alert at the receiver."""

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import yaml

from rendering.declarations import load_services
from sandbox import platform, sinks
from sandbox.paths import repo_root
from sandbox.platform.program import CALLS
from tests.waiting import eventually

pytestmark = pytest.mark.real_node
Query = Callable[..., list[dict[str, Any]]]
CRITICAL_PATH = {"api-gateway", "orchestrator-service", "iac-generator"}
SERVICES = {service.name for service in load_services(repo_root() / "configs" / "services.yaml")}


def test_nine_of_nine_services_are_up(prometheus: Query) -> None:
    def up() -> set[str]:
        return {series["metric"]["service"] for series in prometheus('up{job="services"} == 1')}

    assert eventually(lambda: up() == SERVICES and up(), 90) == SERVICES
    assert len(SERVICES) == 9


def test_every_service_is_found_in_loki(loki: Query) -> None:
    def logging() -> set[str]:
        return {stream["stream"]["service"] for stream in loki('{namespace="dharma"}')} & SERVICES

    assert eventually(lambda: logging() == SERVICES and logging(), 120) == SERVICES


@pytest.fixture(scope="module")
def trace(urls: dict[str, str], http: httpx.Client) -> dict[str, Any]:
    """One real request through the gateway, found in Jaeger by the id that the gateway answered."""
    answer = platform.request("api-gateway", "POST", "/api/v1/iac")
    trace_id = answer.headers["x-trace-id"]

    def whole() -> dict[str, Any] | None:
        found = http.get(f"{urls['jaeger']}/api/traces/{trace_id}")
        if found.status_code == 404:
            return None
        data: dict[str, Any] = found.raise_for_status().json()["data"][0]
        return data if _services(data) >= CRITICAL_PATH else None

    found = eventually(whole, 90)
    assert found is not None
    return found


def _services(trace: dict[str, Any]) -> set[str]:
    return {process["serviceName"] for process in trace["processes"].values()}


def test_a_request_is_one_trace_over_four_services_and_more(trace: dict[str, Any]) -> None:
    assert _services(trace) >= CRITICAL_PATH
    assert len(_services(trace)) >= 4


def test_every_span_says_its_cluster_and_environment(trace: dict[str, Any]) -> None:
    for span in trace["spans"]:
        said = {tag["key"]: tag["value"] for tag in span["tags"]}
        assert (said.get("cluster"), said.get("environment")) == ("sandbox", "sandbox"), span["operationName"]


def test_the_trace_id_finds_the_lines_of_the_same_request(trace: dict[str, Any], loki: Query) -> None:
    selector = f'{{namespace="dharma"}} | trace_id="{trace["traceID"]}"'

    def services() -> set[str]:
        return {stream["stream"]["service"] for stream in loki(selector)}

    assert eventually(lambda: services() >= {"api-gateway", "iac-generator"} and services(), 90)


def test_each_of_the_nine_finds_its_own_line_by_the_trace_id_that_it_answered(loki: Query) -> None:
    served = yaml.safe_load(CALLS.read_text(encoding="utf-8"))["services"]
    trace_ids = {
        service: platform.request(service, *next(iter(served[service])).split(" ", 1)).headers["x-trace-id"]
        for service in SERVICES
    }
    assert len(set(trace_ids.values())) == 9

    def without_a_line() -> list[str]:
        lines = '{{namespace="dharma", service="{}"}} | trace_id="{}"'
        return [service for service, trace_id in trace_ids.items() if not loki(lines.format(service, trace_id))]

    eventually(lambda: without_a_line() == [], 90)


def test_the_trace_id_is_no_label(urls: dict[str, str], http: httpx.Client, loki: Query) -> None:
    labels = http.get(f"{urls['loki']}/loki/api/v1/labels").raise_for_status().json()["data"]
    assert "service" in labels
    assert "trace_id" not in labels


def test_loki_writes_its_objects_to_the_bucket(
    deployed: dict[str, Any], loki_itself: Callable[[str], str], s3: Any
) -> None:
    loki_itself("/flush")

    def keys() -> list[str]:
        return [entry["Key"] for entry in s3.list_objects_v2(Bucket=deployed["bucket"]).get("Contents", [])]

    assert eventually(lambda: [key for key in keys() if key.startswith("fake/")], 90)


def test_spans_are_documents_in_the_store(span_store: httpx.Client, trace: dict[str, Any]) -> None:
    found = span_store.post(
        "/*jaeger-span-*/_count",
        json={"query": {"term": {"traceID": trace["traceID"]}}},
    )
    assert found.raise_for_status().json()["count"] >= len(trace["spans"])


def test_every_datasource_of_grafana_answers(grafana: httpx.Client) -> None:
    sources = {source["uid"]: source for source in grafana.get("/api/datasources").raise_for_status().json()}
    assert sources.keys() == {"prometheus", "loki", "jaeger", "alertmanager"}
    assert sources["prometheus"]["isDefault"]
    # This Grafana (10.1) answers health for Prometheus only; the others are asked what people would ask them.
    health = grafana.get("/api/datasources/uid/prometheus/health").raise_for_status().json()
    assert health["status"] == "OK", health
    pages = {"loki": "loki/api/v1/labels", "jaeger": "api/services", "alertmanager": "api/v2/status"}
    for uid, page in pages.items():
        grafana.get(f"/api/datasources/proxy/uid/{uid}/{page}").raise_for_status()


def test_a_hand_made_alert_arrives_at_the_receiver(urls: dict[str, str], http: httpx.Client) -> None:
    started, mark = time.time(), f"HandMade{uuid.uuid4().hex[:8]}"
    now = datetime.now(UTC)
    alert = {
        "labels": {"alertname": mark, "severity": "critical", "team": "platform", "service": "api-gateway"},
        "annotations": {"summary": "made by a test", "description": "made by a test"},
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(minutes=5)).isoformat(),
    }
    http.post(f"{urls['alertmanager']}/api/v2/alerts", json=[alert]).raise_for_status()
    active = http.get(f"{urls['alertmanager']}/api/v2/alerts", params={"filter": f"alertname={mark}"})
    assert [entry["labels"]["alertname"] for entry in active.json()] == [mark]

    def arrived(channel: str) -> list[dict[str, Any]]:
        return [body for body in sinks.received(channel, since=started) if mark in str(body)]

    slack = eventually(lambda: arrived("slack"), 90)
    assert {message["channel"] for message in slack} >= {"#dharma-critical"}
    assert eventually(lambda: arrived("pagerduty"), 90)


def test_prometheus_sends_its_alerts_to_alertmanager(
    prometheus: Query, urls: dict[str, str], http: httpx.Client
) -> None:
    def watchdog() -> list[Any]:
        found = http.get(f"{urls['alertmanager']}/api/v2/alerts", params={"filter": "alertname=Watchdog"})
        alerts: list[Any] = found.raise_for_status().json()
        return alerts

    assert eventually(watchdog, 120)
