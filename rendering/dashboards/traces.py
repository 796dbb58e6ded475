"""Traces: search, span figures by service and operation, and who calls whom."""

from rendering.dashboards import panels
from rendering.dashboards.board import Board, Row, Variable
from rendering.dashboards.links import TO_LOGS, TO_OVERVIEW, TO_SERVICES, Uid, to
from rendering.dashboards.panels import FULL_WIDTH, HALF, ORANGE, RED, THIRD
from rendering.dashboards.queries import Dependencies, Promql, Traces
from rendering.datasources import Folder

TO_JAEGER = to(Uid.JAEGER, "Jaeger")
LINKS = (to(Uid.SERVICE, "Details of this service", service="$service"), TO_LOGS, TO_JAEGER)
EVERY = "$__rate_interval"
SERVERS = '{service_name="$service", span_kind="SPAN_KIND_SERVER"}'
FAILED = '{service_name="$service", span_kind="SPAN_KIND_SERVER", status_code="STATUS_CODE_ERROR"}'


def board(slow_from: str) -> Board:
    """`slow_from`: traces at least this long (such as `500ms`) count as slow."""
    return Board(
        uid=Uid.TRACES,
        folder=Folder.SERVICES,
        title="Traces and dependencies",
        about="Who calls whom, and single requests from end to end. Figures here are of sampled spans; alerts use the "
        "services' own metrics.",
        variables=[Variable("service", "Service", "label_values(traces_span_metrics_calls_total, service_name)")],
        rows=[_graph(), _search(slow_from), _operations()],
    )


def _graph() -> Row:
    return Row(
        "Who calls whom",
        [
            panels.node_graph(
                title="Dependencies",
                about="Services and the calls between them, from the traces of the last day.",
                queries=[Dependencies()],
                unit="short",
                links=(TO_SERVICES, TO_JAEGER, TO_OVERVIEW),
                height=12,
            )
        ],
    )


def _search(slow_from: str) -> Row:
    return Row(
        "Traces of this service",
        [
            panels.found(
                title=f"Slow, {slow_from} and longer",
                about="Traces through this service that took long. Click a trace id for where the time went.",
                queries=[Traces("$service", min_duration=slow_from)],
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
    buckets = f"sum by (span_name, le) (rate(traces_span_metrics_duration_milliseconds_bucket{SERVERS}[{EVERY}]))"
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
                thresholds=[(0.05, ORANGE), (0.1, RED)],
                when_empty="No failed spans in this time range",
            ),
            panels.graph(
                title="Duration p95, by operation",
                about="95 of 100 sampled spans were quicker. A dot is one trace: click to open it.",
                queries=[Promql(f"histogram_quantile(0.95, {buckets})", "{{span_name}}", exemplars=True)],
                unit="ms",
                links=LINKS,
                width=THIRD,
            ),
        ],
    )
