"""Jaeger about itself: spans in, spans stored, spans lost, queue, storage, sampling, queries."""

from rendering.dashboards import panels
from rendering.dashboards.board import Board, Row
from rendering.dashboards.links import TO_TRACES, Uid, to
from rendering.dashboards.panels import GREEN, HALF, RED, THIRD
from rendering.dashboards.queries import EVERY, Promql
from rendering.dashboards.tools import leads, limits, log_row
from rendering.datasources import Folder

# One job all in one; jaeger-collector and jaeger-query where they are apart.
JAEGER = '{job=~"jaeger.*"}'
LINKS = (*leads("jaeger"), TO_TRACES, to(Uid.OPENSEARCH, "OpenSearch"))
LOST = "otelcol_exporter_enqueue_failed_spans_total" + JAEGER


def board() -> Board:
    return Board(
        uid=Uid.JAEGER,
        folder=Folder.OBSERVABILITY,
        title="Jaeger",
        about="Are spans taken in, stored and found, and is any lost on the way?",
        rows=[_health(), _spans(), _storage(), _process(), log_row("jaeger")],
    )


def _health() -> Row:
    return Row(
        "Health",
        [
            panels.number(
                title="Instances up",
                about="Jaeger processes that answered the last scrape. Red when none did.",
                queries=[Promql('sum(up{job=~"jaeger|jaeger-collector|jaeger-query"})')],
                unit="short",
                links=LINKS,
                thresholds=[(panels.FROM_BOTTOM, RED), (1, GREEN)],
            ),
            panels.number(
                title="Spans a second",
                about="Spans taken in over five minutes, after sampling.",
                queries=[Promql(f"sum(rate(otelcol_receiver_accepted_spans_total{JAEGER}[5m]))")],
                unit="ops",
                links=LINKS,
            ),
            panels.number(
                title="Spans refused",
                about="Spans refused in the last hour for want of memory. Clients try again, but not for ever.",
                queries=[Promql(f"sum(increase(otelcol_receiver_refused_spans_total{JAEGER}[1h])) or vector(0)")],
                unit="short",
                links=LINKS,
                thresholds=[(1, RED)],
                decimals=0,
            ),
            panels.number(
                title="Spans lost",
                about="Spans lost in the last hour: the queue was full, for the store was away or slow.",
                # The counter is made with the first loss, which increase() does not see.
                queries=[Promql(f"sum(({LOST} unless {LOST} offset 1h) or increase({LOST}[1h])) or vector(0)")],
                unit="short",
                links=LINKS,
                thresholds=[(1, RED)],
                decimals=0,
            ),
            panels.number(
                title="Queue used",
                about="Share of the queue in front of the store. Full: spans are lost.",
                queries=[
                    Promql(f"max(otelcol_exporter_queue_size{JAEGER} / (otelcol_exporter_queue_capacity{JAEGER} > 0))")
                ],
                unit="percentunit",
                links=LINKS,
                thresholds=panels.near("JaegerQueueAlmostFull", 0.6),
            ),
            panels.number(
                title="Refused writes",
                about="Single writes that the store refused in the last hour.",
                queries=[Promql(f"sum(increase(jaeger_storage_bulk_index_errors_total{JAEGER}[1h])) or vector(0)")],
                unit="short",
                links=LINKS,
                thresholds=[(1, RED)],
                decimals=0,
            ),
        ],
    )


def _spans() -> Row:
    return Row(
        "Spans in and out",
        [
            panels.graph(
                title="Taken in, by receiver",
                about="Spans per second by the protocol they came in.",
                queries=[
                    Promql(
                        "sum by (receiver, transport) "
                        f"(rate(otelcol_receiver_accepted_spans_total{JAEGER}[{EVERY}])) > 0",
                        "{{receiver}} {{transport}}",
                    )
                ],
                unit="ops",
                links=LINKS,
                width=THIRD,
                stacked=True,
            ),
            panels.graph(
                title="Refused and lost",
                about="Spans per second refused at the door, and dropped at a full queue.",
                queries=[
                    Promql(f"sum(rate(otelcol_receiver_refused_spans_total{JAEGER}[{EVERY}]))", "refused"),
                    Promql(f"sum(rate({LOST}[{EVERY}]))", "queue full"),
                ],
                unit="ops",
                links=LINKS,
                width=THIRD,
                thresholds=[(panels.Alert("JaegerSpansRefused"), RED)],
                when_empty="Nothing was refused or lost",
            ),
            panels.graph(
                title="Queue in front of the store",
                about="Bytes that wait for the store, and what the queue holds.",
                queries=[
                    Promql(f"sum(otelcol_exporter_queue_size{JAEGER})", "waiting"),
                    Promql(f"sum(otelcol_exporter_queue_capacity{JAEGER})", "room"),
                ],
                unit="bytes",
                links=LINKS,
                width=THIRD,
            ),
        ],
    )


def _storage() -> Row:
    # The mean: the histogram's first bucket ends at 5 s, so no percentile of it means anything.
    took = f"sum by (operation) (rate(jaeger_storage_latency_seconds_sum{JAEGER}[{EVERY}]))"
    asked = f"sum by (operation) (rate(jaeger_storage_latency_seconds_count{JAEGER}[{EVERY}]))"
    return Row(
        "Store",
        [
            panels.graph(
                title="Writes",
                about="Documents per second offered to the store in bulk, and those that failed.",
                queries=[
                    Promql(f"sum(rate(jaeger_storage_bulk_index_attempts_total{JAEGER}[{EVERY}]))", "offered"),
                    Promql(f"sum(rate(jaeger_storage_bulk_index_errors_total{JAEGER}[{EVERY}]))", "failed"),
                ],
                unit="ops",
                links=LINKS,
                width=THIRD,
            ),
            panels.graph(
                title="Reads, by operation and result",
                about="Requests per second that queries make of the store.",
                queries=[
                    Promql(
                        f"sum by (operation, result) (rate(jaeger_storage_requests_total{JAEGER}[{EVERY}]))",
                        "{{operation}} {{result}}",
                    )
                ],
                unit="reqps",
                links=LINKS,
                width=THIRD,
            ),
            panels.graph(
                title="Mean read time, by operation",
                about="How long the store takes to answer queries.",
                queries=[Promql(f"{took} / ({asked} > 0)", "{{operation}}")],
                unit="s",
                links=LINKS,
                width=THIRD,
                thresholds=panels.near("JaegerQueriesSlow", 0.5),
                when_empty="Nobody asked for traces in this time range",
            ),
        ],
    )


def _process() -> Row:
    # From 80 % of its memory limit on, Jaeger refuses spans.
    return Row("Process", limits("jaeger", LINKS, width=HALF))
