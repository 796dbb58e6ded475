"""Spans as the platform's services send them, serialised before the clock runs: sending must cost next to nothing."""

import secrets
import time
from collections.abc import Sequence
from itertools import cycle, islice

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

SPANS_OF_A_TRACE = 6
_ROUTES = ("items", "items/:id", "search", "orders", "orders/:id", "export", "me")
_FAILED_EVERY = 200


def batch(service: str, count: int) -> tuple[bytes, list[str]]:
    """A request of one service's SDK with spans that end now, and the spans' ids as the store has them."""
    request, ids = ExportTraceServiceRequest(), []
    sent = request.resource_spans.add()
    sent.resource.attributes.extend(_attributes(_resource(service)))
    scope = sent.scope_spans.add()
    scope.scope.name = "opentelemetry.instrumentation.http"
    trace_id = b""
    for number in range(count):
        if number % SPANS_OF_A_TRACE == 0:
            trace_id = secrets.token_bytes(16)
        span = _span(trace_id, number)
        scope.spans.append(span)
        ids.append(span.span_id.hex())
    return request.SerializeToString(), ids


def batches(services: Sequence[str], count: int, spans_each: int) -> list[bytes]:
    """So many requests, from the services in turn."""
    return [batch(service, spans_each)[0] for service in islice(cycle(services), count)]


def _span(trace_id: bytes, number: int) -> Span:
    failed, route = number % _FAILED_EVERY == 0, _ROUTES[number % len(_ROUTES)]
    end_ns = time.time_ns()
    span = Span(
        trace_id=trace_id,
        span_id=secrets.token_bytes(8),
        parent_span_id=secrets.token_bytes(8),
        name=f"GET /api/v1/{route}",
        kind=Span.SPAN_KIND_SERVER if number % 2 else Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=end_ns - 1_000_000 - secrets.randbelow(80_000_000),
        end_time_unix_nano=end_ns,
        attributes=_attributes(
            {
                "http.request.method": "GET",
                "http.route": f"/api/v1/{route}",
                "url.path": f"/api/v1/{route}",
                "http.response.status_code": 500 if failed else 200,
                "server.address": "orchestrator.dharma",
                "server.port": 8080,
                "network.protocol.version": "1.1",
                "user_agent.original": "Go-http-client/1.1",
            }
        ),
    )
    if failed:
        span.status.code = Status.STATUS_CODE_ERROR
        span.status.message = "answered 500"
    return span


def _resource(service: str) -> dict[str, str | int]:
    return {
        "service.name": service,
        "service.version": "1.4.2",
        "deployment.environment.name": "bench",
        "k8s.namespace.name": "dharma",
        "k8s.pod.name": f"{service}-7c9d8f6b5-x2x4q",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.language": "go",
        "telemetry.sdk.version": "1.38.0",
    }


def _attributes(values: dict[str, str | int]) -> list[KeyValue]:
    return [
        KeyValue(key=key, value=AnyValue(string_value=value) if isinstance(value, str) else AnyValue(int_value=value))
        for key, value in values.items()
    ]
