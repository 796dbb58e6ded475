"""The deployment as a trace: one span for all of it, one for each part, sent to the stack by OpenTelemetry's SDK."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

SERVICE = "deploy-gate"
"""The service to look for in Jaeger."""


@contextmanager
def deployment(otlp: str, attributes: Mapping[str, str]) -> Iterator[tuple[Tracer, Span]]:
    """The span of one deployment, as the current one; sent when it ends. A store that is away is logged, no more.

    It joins the trace of the pipeline where TRACEPARENT names one.
    """
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: SERVICE}))
    exporter = OTLPSpanExporter(endpoint=otlp, insecure=otlp.startswith("http://"), timeout=10)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
    tracer = provider.get_tracer(SERVICE)
    pipeline = TraceContextTextMapPropagator().extract({"traceparent": os.environ.get("TRACEPARENT", "")})
    try:
        with tracer.start_as_current_span("deployment", context=pipeline, attributes=dict(attributes)) as span:
            yield tracer, span
    finally:
        provider.shutdown()


def trace_id(span: Span) -> str:
    return trace.format_trace_id(span.get_span_context().trace_id)
