"""A real Jaeger decides on traces when they are over: what failed or was slow is kept, and a share of the rest."""

import math
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from rendering.declarations import Service
from rendering.jaeger import Role
from rendering.tail_sampling import TailSampling
from tests.native.alert_metrics import read_by, total
from tests.native.jaeger_process import PLATFORM, JaegerClient, check, rendered, running_jaeger
from tests.waiting import eventually

SHARE = 0.2
WAIT_SECONDS = 2
MANY = 400
FAILED = 2  # OTLP's status code
GATEWAY, SLOWER = "api-gateway", "ai-engine"
GATEWAY_MS = next(service.slo.latency_ms for service in PLATFORM.services if service.name == GATEWAY)


def promised(service: Service) -> Service:
    """One that is declared to be slower than the others."""
    slo = service.slo.model_copy(update={"latency_ms": 4 * GATEWAY_MS})
    return service.model_copy(update={"slo": slo}) if service.name == SLOWER else service


TAIL = {
    "tail_sampling": TailSampling(share=SHARE, wait_seconds=WAIT_SECONDS, max_traces=5_000),
    "services": tuple(promised(service) for service in PLATFORM.services),
}


def span(trace_id: str, service: str, took_ms: float, *, status: int = 0) -> dict[str, Any]:
    end = time.time_ns()
    own = {
        "traceId": trace_id,
        "spanId": uuid.uuid4().hex[:16],
        "name": "GET /api/v1/blueprints",
        "kind": 2,
        "startTimeUnixNano": str(end - int(took_ms * 1e6)),
        "endTimeUnixNano": str(end),
        "status": {"code": status},
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return {"resource": resource, "scopeSpans": [{"spans": [own]}]}


@pytest.fixture(scope="module")
def jaeger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JaegerClient]:
    with running_jaeger(tmp_path_factory.mktemp("jaeger"), **TAIL) as client:
        yield client


def sent(jaeger: JaegerClient, *spans: dict[str, Any]) -> None:
    httpx.post(f"{jaeger.urls['otlp-http']}/v1/traces", json={"resourceSpans": spans}).raise_for_status()


def decided() -> None:
    """It looks once a second at what has waited long enough."""
    time.sleep(WAIT_SECONDS + 3)


def kept(jaeger: JaegerClient, *trace_ids: str) -> list[str]:
    with httpx.Client(base_url=jaeger.urls["query"]) as client:
        return [trace_id for trace_id in trace_ids if client.get(f"/api/traces/{trace_id}").is_success]


@pytest.mark.parametrize("role", [Role.ALL_IN_ONE, Role.COLLECTOR])
def test_what_is_rendered_is_valid(tmp_path: Path, role: Role) -> None:
    config = tmp_path / "jaeger.yaml"
    config.write_text(rendered(role, **TAIL))
    check(config)


def test_every_trace_that_failed_or_was_slow_is_kept_whole_and_a_share_of_the_rest(jaeger: JaegerClient) -> None:
    between_ms = 2 * GATEWAY_MS  # too long for one of them, well within what the other promises
    failed, slow, well, well_at_the_other = ([uuid.uuid4().hex for _ in range(count)] for count in (30, 30, MANY, 100))
    sent(jaeger, *(span(trace_id, GATEWAY, 5) for trace_id in failed))
    sent(jaeger, *(span(trace_id, "costing-service", 3, status=FAILED) for trace_id in failed))
    sent(jaeger, *(span(trace_id, GATEWAY, between_ms) for trace_id in slow))
    sent(jaeger, *(span(trace_id, "costing-service", 3) for trace_id in slow))
    sent(jaeger, *(span(trace_id, GATEWAY, 5) for trace_id in well))
    sent(jaeger, *(span(trace_id, SLOWER, between_ms) for trace_id in well_at_the_other))
    decided()

    assert kept(jaeger, *failed, *slow) == [*failed, *slow]
    assert {len(jaeger.trace(trace_id)) for trace_id in (*failed, *slow)} == {2}
    # Five standard deviations of a binomial: wrong once in two million runs.
    for traces in (well, well_at_the_other):
        slack = 5 * math.sqrt(len(traces) * SHARE * (1 - SHARE))
        assert abs(len(kept(jaeger, *traces)) - len(traces) * SHARE) < slack


def test_a_span_that_comes_late_follows_what_was_decided(jaeger: JaegerClient) -> None:
    failed = uuid.uuid4().hex
    sent(jaeger, span(failed, GATEWAY, 5, status=FAILED))
    decided()

    sent(jaeger, span(failed, "costing-service", 3))
    time.sleep(2)

    assert len(jaeger.trace(failed)) == 2


def test_what_is_counted_of_spans_is_counted_of_all(jaeger: JaegerClient) -> None:
    name = f"service-{uuid.uuid4().hex[:6]}"
    sent(jaeger, *(span(uuid.uuid4().hex, name, 5) for _ in range(100)))
    time.sleep(3)

    lines = httpx.get(f"{jaeger.urls['spanmetrics']}/metrics").text.splitlines()
    [count] = [line for line in lines if line.startswith("traces_span_metrics_calls_total") and name in line]
    assert float(count.split()[-1]) == 100


def test_traces_that_are_let_go_undecided_are_counted_where_the_alert_looks(tmp_path: Path) -> None:
    [counted], limit = read_by("JaegerTracesUndecided", "jaeger")
    held, begun = 10, 30
    small = TAIL | {"tail_sampling": TailSampling(share=1, wait_seconds=WAIT_SECONDS, max_traces=held)}
    with running_jaeger(tmp_path, **small) as jaeger:
        # All at once: what has waited its two seconds is decided on, and makes room.
        sent(jaeger, *(span(uuid.uuid4().hex, GATEWAY, 1) for _ in range(begun)))
        page = f"{jaeger.urls['metrics']}/metrics"
        eventually(lambda: total(page, counted) == begun - held > limit, 30, 0.5)
