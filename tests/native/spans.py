"""Spans as services send them by OTLP, alone and in lots, and what Jaeger counts of them."""

import time
import uuid
from collections import defaultdict
from typing import Any

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from tests.native.jaeger_process import JaegerClient
from tests.waiting import eventually


def otlp(service: str, span_id: str, parent: str, trace_id: str, **attributes: str) -> dict[str, Any]:
    now = time.time_ns()
    span = {
        "traceId": trace_id,
        "spanId": span_id,
        "parentSpanId": parent,
        "name": attributes.get("operation", "work"),
        "kind": 2,
        "startTimeUnixNano": str(now - 10**7),
        "endTimeUnixNano": str(now),
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()],
    }
    name = {"key": "service.name", "value": {"stringValue": service}}
    return {"resource": {"attributes": [name]}, "scopeSpans": [{"spans": [span]}]}


def send(jaeger: JaegerClient, spans: list[dict[str, Any]]) -> None:
    answer = httpx.post(f"{jaeger.urls['otlp-http']}/v1/traces", json={"resourceSpans": spans}, timeout=30)
    answer.raise_for_status()


def call(*services: str) -> tuple[str, list[dict[str, Any]]]:
    """A trace in which each service calls the next; its id and spans."""
    trace_id, ids = uuid.uuid4().hex, [uuid.uuid4().hex[:16] for _ in services]
    parents = ["", *ids]
    chain = zip(services, ids, parents, strict=False)
    return trace_id, [otlp(service, span_id, parent, trace_id) for service, span_id, parent in chain]


def written_and_read(jaeger: JaegerClient, *services: str, by: JaegerClient | None = None) -> None:
    """A call from service to service goes through to the store and is found again, whole; `by` another Jaeger."""
    trace_id, spans = call(*services)
    send(jaeger, spans)
    read_whole(by or jaeger, trace_id, len(spans))


def read_whole(jaeger: JaegerClient, trace_id: str, spans: int) -> None:
    """All spans of the trace are found; those of one request may be written by two, and seen one after the other."""
    eventually(lambda: len(jaeger.trace(trace_id)) == spans, 30)


def lot(operation: str, spans: int, padding_bytes: int) -> ExportTraceServiceRequest:
    """One trace of many spans in one request."""
    request, trace_id, now = ExportTraceServiceRequest(), uuid.uuid4().bytes, time.time_ns()
    of_service = request.resource_spans.add()
    of_service.resource.attributes.append(KeyValue(key="service.name", value=AnyValue(string_value="load")))
    scope = of_service.scope_spans.add()
    padding = KeyValue(key="padding", value=AnyValue(string_value="x" * padding_bytes))
    for _ in range(spans):
        times = {"start_time_unix_nano": now - 10**7, "end_time_unix_nano": now}
        scope.spans.add(
            trace_id=trace_id, span_id=uuid.uuid4().bytes[:8], name=operation, attributes=[padding], **times
        )
    return request


def ids(request: ExportTraceServiceRequest) -> set[str]:
    """Ids of the spans of a lot, as the store has them."""
    return {span.span_id.hex() for span in request.resource_spans[0].scope_spans[0].spans}


def send_lot(jaeger: JaegerClient, request: ExportTraceServiceRequest) -> None:
    httpx.post(
        f"{jaeger.urls['otlp-http']}/v1/traces",
        content=request.SerializeToString(),
        headers={"Content-Type": "application/x-protobuf"},
        timeout=30,
    ).raise_for_status()


def figures(jaeger: JaegerClient) -> dict[str, float]:
    """Jaeger's own metrics, summed over labels."""
    found: defaultdict[str, float] = defaultdict(float)
    for line in httpx.get(f"{jaeger.urls['metrics']}/metrics", timeout=10).text.splitlines():
        if not line.startswith("#"):
            name, value = line.split("{")[0].split(" ")[0], line.rsplit(" ", 1)[1]
            found[name] += float(value)
    return found
