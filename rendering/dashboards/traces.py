"""Traces: search, span figures by service and operation, and who calls whom."""

from rendering.dashboards import panels
from rendering.dashboards.board import Board, Figure, Row, Variable
from rendering.dashboards.links import TO_LOGS, TO_OVERVIEW, TO_SERVICES, Uid, to
from rendering.dashboards.panels import FULL_WIDTH, HALF, THIRD
from rendering.dashboards.queries import EVERY, Promql, Traces
from rendering.datasources import Folder

TO_JAEGER = to(Uid.JAEGER, "Jaeger")
LINKS = (to(Uid.SERVICE, "Details of this service", service="$service"), TO_LOGS, TO_JAEGER)
SERVERS = '{service_name="$service", span_kind="SPAN_KIND_SERVER"}'
CLIENTS = '{span_kind="SPAN_KIND_CLIENT", server_address!=""}'
FAILED_CLIENTS = '{span_kind="SPAN_KIND_CLIENT", server_address!="", status_code="STATUS_CODE_ERROR"}'
MILLISECONDS = "traces_span_metrics_duration_milliseconds"
FAILED = '{service_name="$service", span_kind="SPAN_KIND_SERVER", status_code="STATUS_CODE_ERROR"}'


def board(slow_ms: int) -> Board:
    """`slow_ms`: from when traces count as slow that go through no declared service, which have an objective."""
    objective = 'max(service:slo_latency_objective:seconds{service="$service"}) * 1000'
    return Board(
        uid=Uid.TRACES,
        folder=Folder.SERVICES,
        title="Traces and dependencies",
        about="Who calls whom, and single requests from end to end. Figures here are of sampled spans; alerts use the "
        "services' own metrics.",
        variables=[
            Variable("service", "Service", "label_values(traces_span_metrics_calls_total, service_name)"),
            Figure("slow_ms", f"round({objective} or vector({slow_ms}))"),
        ],
        rows=[_calls(), _search(), _operations()],
    )


def _calls() -> Row:
    edges = "sum by (service_name, server_address)"
    calls = f"{edges} (rate(traces_span_metrics_calls_total{CLIENTS}[{EVERY}]))"
    failed = f"{edges} (rate(traces_span_metrics_calls_total{FAILED_CLIENTS}[{EVERY}]))"
    buckets = f"sum by (service_name, server_address, le) (rate({MILLISECONDS}_bucket{CLIENTS}[{EVERY}]))"
    links = (TO_SERVICES, TO_JAEGER, TO_OVERVIEW)
    return Row(
        "Who calls whom, from sampled spans of all services",
        [
            panels.listing(
                title="Calls between services",
                about="One row per caller and callee: calls per second, share that failed, 95 of 100 were quicker.",
                queries=[
                    Promql(calls, instant=True),
                    Promql(f"({failed} or 0 * {calls}) / ({calls} > 0)", instant=True),
                    Promql(f"histogram_quantile(0.95, {buckets})", instant=True),
                ],
                columns=["service_name", "server_address", "Value #A", "Value #B", "Value #C"],
                renamed={
                    "service_name": "Caller",
                    "server_address": "Callee",
                    "Value #A": "Calls",
                    "Value #B": "Failed",
                    "Value #C": "p95",
                },
                sort_by="Calls",
                units={"Failed": "percentunit", "p95": "ms"},
                limits={
                    "Failed": panels.above("HighErrorRate", "CriticalErrorRate"),
                    "p95": panels.above("HighLatency", "CriticalLatency", times=1000),
                },
                unit="reqps",
                links=links,
                height=10,
                when_empty="No sampled calls between services in this time range",
            )
        ],
    )


def _search() -> Row:
    return Row(
        "Traces of this service",
        [
            panels.found(
                title="Slow",
                about="Traces through this service that took longer than its objective. Click one for where time went.",
                queries=[Traces("$service", min_duration="${slow_ms}ms")],
                unit="none",
                links=LINKS,
                width=HALF,
                when_empty="No slow traces in this time range",
            ),
            panels.found(
                title="Failed",
                about="Traces through this service with an error in one of their spans.",
                queries=[Traces("$service", tags="error=true")],
                unit="none",
                links=LINKS,
                width=HALF,
                when_empty="No failed traces in this time range",
            ),
            panels.found(
                title="Latest",
                about="The latest traces through this service.",
                queries=[Traces("$service")],
                unit="none",
                links=LINKS,
                width=FULL_WIDTH,
            ),
        ],
    )


def _operations() -> Row:
    by = "sum by (span_name)"
    calls = f"{by} (rate(traces_span_metrics_calls_total{SERVERS}[{EVERY}]))"
    failed = f"{by} (rate(traces_span_metrics_calls_total{FAILED}[{EVERY}]))"
    buckets = f"sum by (span_name, le) (rate({MILLISECONDS}_bucket{SERVERS}[{EVERY}]))"
    return Row(
        "Operations of this service, from sampled spans",
        [
            panels.graph(
                title="Calls, by operation",
                about="Sampled spans per second by operation. Multiply by one over the sampling rate for all requests.",
                queries=[Promql(calls, "{{span_name}}")],
                unit="reqps",
                links=LINKS,
                width=THIRD,
                stacked=True,
            ),
            panels.graph(
                title="Share that failed, by operation",
                about="Share of sampled spans with status error.",
                queries=[Promql(f"{failed} / ({calls} > 0)", "{{span_name}}")],
                unit="percentunit",
                links=LINKS,
                width=THIRD,
                thresholds=panels.above("HighErrorRate", "CriticalErrorRate"),
                when_empty="No failed spans in this time range",
            ),
            panels.graph(
                title="Duration p95, by operation",
                about="95 of 100 sampled spans were quicker. A dot is one trace: click to open it.",
                queries=[Promql(f"histogram_quantile(0.95, {buckets})", "{{span_name}}", exemplars=True)],
                unit="ms",
                links=LINKS,
                width=THIRD,
                thresholds=panels.above("HighLatency", "CriticalLatency", times=1000),
            ),
        ],
    )
