"""The bucket, as Loki sees it: does it answer, how fast, what is put into it, and what that costs."""

from rendering.cost import Figures
from rendering.dashboards import cost, panels
from rendering.dashboards.board import Board, Row
from rendering.dashboards.links import TO_ALERTS, Uid, logs_of, to
from rendering.dashboards.panels import RED, THIRD
from rendering.dashboards.queries import EVERY, Promql
from rendering.dashboards.tools import ratio_tile
from rendering.datasources import Folder

LINKS = (to(Uid.LOKI, "Loki"), logs_of("loki"), to(Uid.USAGE, "Usage"), TO_ALERTS)
COUNT = "loki_s3_request_duration_seconds_count"
BUCKETS = "loki_s3_request_duration_seconds_bucket"
FAILED = COUNT + '{status_code=~"5.."}'
STORED = "loki_ingester_chunk_stored_bytes_total"
NOTHING_WRITTEN = "No chunk was full or old enough yet"


def board(costs: Figures | None) -> Board:
    """costs: what requests and bytes are priced by; without it there are no prices."""
    return Board(
        uid=Uid.S3,
        folder=Folder.OBSERVABILITY,
        title="S3",
        about="Does the bucket that keeps the logs answer, how fast, what is put into it, and what does that cost?",
        rows=[_now(), _requests(), _written(), *([_cost(costs)] if costs is not None else [])],
    )


def _now() -> Row:
    return Row(
        "Now",
        [
            panels.number(
                title="Requests a second",
                about="Requests of any kind over five minutes.",
                queries=[Promql(f"sum(rate({COUNT}[5m]))")],
                unit="reqps",
                links=LINKS,
            ),
            ratio_tile(
                "Failed requests",
                "Share of requests in the last five minutes that failed. Loki asks again; see LokiStorageErrors.",
                f"(sum(rate({FAILED}[5m])) or vector(0)) / (sum(rate({COUNT}[5m])) > 0 or vector(1))",
                LINKS,
                alert="LokiStorageErrors",
            ),
            panels.number(
                title="Time, 99th percentile",
                about="99 of 100 requests in the last hour were quicker.",
                queries=[Promql(f"histogram_quantile(0.99, sum by (le) (rate({BUCKETS}[1h])))", instant=True)],
                unit="s",
                sparkline=False,
                links=LINKS,
                thresholds=[(2, RED)],
            ),
            panels.number(
                title="Written a day",
                about="Bytes of compressed chunks per day at the pace of the last hour.",
                queries=[Promql(f"sum(rate({STORED}[1h])) * 86400")],
                unit="bytes",
                links=LINKS,
                when_empty=NOTHING_WRITTEN,
            ),
            panels.number(
                title="Requests a month",
                about="Requests per month at the pace of the last hour. Writes and lists cost twelve times reads.",
                queries=[Promql(f"sum(rate({COUNT}[1h])) * {cost.MONTH}")],
                unit="short",
                links=LINKS,
            ),
            panels.number(
                title="Waiting to be written",
                about="Chunks in the queue to the bucket. A queue that only grows: S3 does not answer.",
                queries=[Promql("sum(loki_ingester_flush_queue_length)")],
                unit="short",
                links=LINKS,
            ),
        ],
    )


def _requests() -> Row:
    return Row(
        "Requests",
        [
            panels.graph(
                title="Requests, by operation",
                about="Requests per second by operation.",
                queries=[Promql(f"sum by (operation) (rate({COUNT}[{EVERY}]))", "{{operation}}")],
                unit="reqps",
                links=LINKS,
                width=THIRD,
                stacked=True,
            ),
            panels.graph(
                title="Failed, by operation and status",
                about="Requests per second that failed. Empty is good.",
                queries=[
                    Promql(
                        f"sum by (operation, status_code) (rate({FAILED}[{EVERY}])) > 0",
                        "{{operation}} {{status_code}}",
                    )
                ],
                unit="reqps",
                links=LINKS,
                width=THIRD,
                when_empty="No request failed in this time range",
            ),
            panels.graph(
                title="Time, by operation",
                about="Half, and 99 of 100, requests of each operation were quicker. Queries wait for reads.",
                queries=[
                    Promql("operation:loki_s3_request_duration_seconds:p50_rate5m", "{{operation}} median"),
                    Promql("operation:loki_s3_request_duration_seconds:p99_rate5m", "{{operation}} 99th percentile"),
                ],
                unit="s",
                links=LINKS,
                width=THIRD,
                thresholds=[(2, RED)],
            ),
        ],
    )


def _written() -> Row:
    def operations(name: str) -> str:
        return f'sum(rate({COUNT}{{operation="S3.{name}"}}[{EVERY}])) or vector(0)'

    return Row(
        "What is put in and taken out",
        [
            panels.graph(
                title="Bytes written",
                about="Bytes of compressed chunks per second. In bursts: a chunk goes when it is full or old.",
                queries=[Promql(f"sum(rate({STORED}[{EVERY}]))", "bytes")],
                unit="Bps",
                links=LINKS,
                width=THIRD,
                when_empty=NOTHING_WRITTEN,
            ),
            panels.graph(
                title="Objects written and deleted",
                about="Objects per second: chunks and index files put, and those that compaction and retention delete.",
                queries=[
                    Promql(operations("PutObject"), "written"),
                    Promql(operations("DeleteObject"), "deleted"),
                ],
                unit="ops",
                links=LINKS,
                width=THIRD,
            ),
            panels.graph(
                title="Objects read",
                about="Objects read per second, by queries and by compaction. High beside few queries: a small cache.",
                queries=[Promql(operations("GetObject"), "read")],
                unit="ops",
                links=LINKS,
                width=THIRD,
            ),
        ],
    )


def _cost(costs: Figures) -> Row:
    estimate = costs.estimate()
    bucket_usd = sum(row.usd for row in estimate.rows if row.what.startswith("bucket"))
    links = (to(Uid.COST, "Cost"), *LINKS)
    return Row(
        "What it costs a month, by list prices",
        [
            panels.number(
                title="Share of the whole stack",
                about="The bucket's share of what the stack is expected to cost, by its settings and declared load.",
                queries=[Promql(f"vector({bucket_usd / estimate.total_usd:.4f})")],
                unit="percentunit",
                decimals=1,
                sparkline=False,
                links=links,
                width=THIRD,
            ),
            *cost.bucket(costs, links),
        ],
    )
