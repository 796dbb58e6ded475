"""Loki about itself: what comes in, what is refused, chunks and S3, queries and cache, retention."""

from rendering.dashboards import panels
from rendering.dashboards.board import Board, Row
from rendering.dashboards.links import TO_LOGS, TO_VOLUMES, Uid, to
from rendering.dashboards.panels import ORANGE, RED, THIRD
from rendering.dashboards.queries import EVERY, Promql
from rendering.dashboards.tools import leads, log_row, process_row, ratio_tile, up_tile
from rendering.datasources import Folder

LINKS = (*leads("loki"), TO_LOGS, to(Uid.S3, "S3"))
PUSHES = '{route="loki_api_v1_push"}'
# The name is older than the TSDB index, and stayed.
COMPACTED = "loki_boltdb_shipper_compact_tables_operation_last_successful_run_timestamp_seconds"


def board() -> Board:
    return Board(
        uid=Uid.LOKI,
        folder=Folder.OBSERVABILITY,
        title="Loki",
        about="Are log lines taken in, kept in S3, found again by queries, and deleted when their time is over?",
        rows=[_health(), _writing(), _chunks(), _reading(), _retention(), process_row("loki"), log_row("loki")],
    )


def _health() -> Row:
    requests = "loki_request_duration_seconds_count"
    failed = requests + '{status_code=~"5.."}'
    return Row(
        "Health",
        [
            up_tile("loki"),
            panels.number(
                title="Lines a second",
                about="Log lines taken in.",
                queries=[Promql("sum(rate(loki_distributor_lines_received_total[5m]))")],
                unit="cps",
                links=LINKS,
            ),
            panels.number(
                title="Bytes a second",
                about="Log volume taken in, before compression.",
                queries=[Promql("sum(rate(loki_distributor_bytes_received_total[5m]))")],
                unit="Bps",
                links=LINKS,
            ),
            panels.number(
                title="Refused lines",
                about="Lines refused in the last hour, over a limit or too old. Refused is lost.",
                queries=[Promql("sum(increase(loki_discarded_samples_total[1h])) or vector(0)")],
                unit="short",
                links=LINKS,
                thresholds=[(1, RED)],
                decimals=0,
            ),
            ratio_tile(
                "Failed requests",
                "Share of requests answered 5xx in the last five minutes.",
                f"(sum(rate({failed}[5m])) or vector(0)) / sum(rate({requests}[5m]))",
                LINKS,
                alert="LokiRequestErrors",
            ),
            panels.number(
                title="Streams in memory",
                about="Streams (sets of labels) being written. A label with many values makes this explode.",
                queries=[Promql("sum(loki_ingester_memory_streams)")],
                unit="short",
                links=LINKS,
                thresholds=[(5000, ORANGE), (10000, RED)],
            ),
        ],
    )


def _writing() -> Row:
    return Row(
        "Taking lines in",
        [
            panels.graph(
                title="Bytes taken in",
                about="Bytes per second, before compression. The task's limit is 5 MB/s for each stream.",
                queries=[Promql(f"sum(rate(loki_distributor_bytes_received_total[{EVERY}]))", "bytes")],
                unit="Bps",
                links=LINKS,
                width=THIRD,
            ),
            panels.graph(
                title="Refused, by reason",
                about="Lines per second that Loki refused. rate_limited and per_stream_rate_limit mean a flood.",
                queries=[Promql(f"sum by (reason) (rate(loki_discarded_samples_total[{EVERY}])) > 0", "{{reason}}")],
                unit="cps",
                links=LINKS,
                width=THIRD,
                thresholds=[(panels.Alert("LokiDiscardingLines"), RED)],
                when_empty="Nothing was refused in this time range",
            ),
            panels.graph(
                title="Time to accept a push",
                about="How long an agent waits for its batch to be accepted.",
                queries=[
                    Promql(f"route:loki_request_duration_seconds:p50_rate5m{PUSHES}", "median"),
                    Promql(f"route:loki_request_duration_seconds:p99_rate5m{PUSHES}", "99th percentile"),
                ],
                unit="s",
                links=LINKS,
                width=THIRD,
                thresholds=[(1, RED)],
            ),
        ],
    )


def _chunks() -> Row:
    calls = f"rate(loki_s3_request_duration_seconds_count[{EVERY}])"
    ratio = "rate(loki_ingester_chunk_compression_ratio_{}[1h])"
    return Row(
        "Chunks and S3",
        [
            panels.graph(
                title="S3 requests",
                about="Requests per second to the bucket, by operation and status. 5xx: the store is in trouble.",
                queries=[Promql(f"sum by (operation, status_code) ({calls})", "{{operation}} {{status_code}}")],
                unit="reqps",
                links=LINKS,
                width=THIRD,
            ),
            panels.graph(
                title="S3 time, 99th percentile",
                about="Duration of requests to the bucket, by operation.",
                queries=[Promql("operation:loki_s3_request_duration_seconds:p99_rate5m", "{{operation}}")],
                unit="s",
                links=LINKS,
                width=THIRD,
                thresholds=[(2, RED)],
            ),
            panels.graph(
                title="Chunks written, by reason",
                about="Chunks flushed to S3 per second. `full` ones are cheap; `idle` ones are many small objects.",
                queries=[Promql(f"sum by (reason) (rate(loki_ingester_chunks_flushed_total[{EVERY}]))", "{{reason}}")],
                unit="cps",
                links=LINKS,
                width=THIRD,
                when_empty="No chunk was full or old enough yet",
            ),
            panels.graph(
                title="Chunks in memory and waiting",
                about="Chunks not yet in S3, and those in the queue. A queue that only grows: S3 does not answer.",
                queries=[
                    Promql("sum(loki_ingester_memory_chunks)", "in memory"),
                    Promql("sum(loki_ingester_flush_queue_length)", "waiting"),
                ],
                unit="short",
                links=LINKS,
                width=THIRD,
            ),
            panels.graph(
                title="Write-ahead log",
                about="Bytes per second written to the log that survives a crash, and writes lost to a full disk.",
                queries=[
                    Promql(f"sum(rate(loki_ingester_wal_logged_bytes_total[{EVERY}]))", "written"),
                    Promql(f"sum(rate(loki_ingester_wal_disk_full_failures_total[{EVERY}]))", "lost, disk full"),
                ],
                unit="Bps",
                links=(*LINKS, TO_VOLUMES),
                width=THIRD,
            ),
            panels.graph(
                title="Compression",
                about="Bytes of log per byte of chunk, mean of the last hour. Falls when lines are already compressed.",
                queries=[Promql(f"sum({ratio.format('sum')}) / sum({ratio.format('count')})", "times smaller")],
                unit="short",
                links=LINKS,
                width=THIRD,
            ),
        ],
    )


def _reading() -> Row:
    hits, asked = (f"sum by (name) (rate(loki_cache_{kind}[{EVERY}]))" for kind in ("hits", "fetched_keys"))
    return Row(
        "Queries",
        [
            panels.graph(
                title="Query time, 95th percentile",
                about="Duration of LogQL queries, by kind.",
                queries=[Promql("type:loki_logql_querystats_latency_seconds:p95_rate5m", "{{type}}")],
                unit="s",
                links=LINKS,
                width=THIRD,
                thresholds=[(panels.Alert("LokiRequestsSlow"), RED)],
            ),
            panels.graph(
                title="Requests, by route",
                about="Requests per second for the ten busiest routes.",
                queries=[
                    Promql(
                        f"topk(10, sum by (route) (rate(loki_request_duration_seconds_count[{EVERY}])))", "{{route}}"
                    )
                ],
                unit="reqps",
                links=LINKS,
                width=THIRD,
            ),
            panels.graph(
                title="Cache hits",
                about="Share of look-ups that the cache answered, by cache. Dashboards on refresh should mostly hit.",
                queries=[Promql(f"{hits} / ({asked} > 0)", "{{name}}")],
                unit="percentunit",
                links=LINKS,
                width=THIRD,
                maximum=1,
            ),
        ],
    )


def _retention() -> Row:
    return Row(
        "Compaction and retention",
        [
            panels.number(
                title="Since the last compaction",
                about="Runs every ten minutes. Longer than an hour: the index grows and nothing is deleted.",
                queries=[Promql(f"time() - max({COMPACTED})")],
                unit="s",
                links=LINKS,
                width=THIRD,
                thresholds=panels.near("LokiCompactionStalled", 0.5),
                sparkline=False,
            ),
            panels.number(
                title="Since retention last ran",
                about="When expired lines were last marked for deletion.",
                queries=[
                    Promql("time() - max(loki_compactor_apply_retention_last_successful_run_timestamp_seconds > 0)")
                ],
                unit="s",
                links=LINKS,
                width=THIRD,
                thresholds=[(7200, RED)],
                sparkline=False,
                when_empty="Not yet run since the start",
            ),
            panels.number(
                title="Waiting for deletion",
                about="Files of marks that the sweeper has yet to work off. Grows without end: deletion is stuck.",
                queries=[Promql("sum(loki_boltdb_shipper_retention_sweeper_marker_files_current)")],
                unit="short",
                links=LINKS,
                width=THIRD,
            ),
        ],
    )
