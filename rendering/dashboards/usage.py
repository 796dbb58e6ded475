"""What is taken in and kept, and by whom: the quantities that cost money."""

from rendering.dashboards import panels
from rendering.dashboards.board import Board, Row
from rendering.dashboards.links import TO_LOGS, TO_OVERVIEW, TO_SERVICE, TO_TRACES, TO_VOLUMES, Uid, to
from rendering.dashboards.panels import HALF, QUARTER, THIRD
from rendering.dashboards.queries import EVERY, Logql, Promql
from rendering.datasources import Folder

LINKS = (
    to(Uid.PROMETHEUS, "Prometheus"),
    to(Uid.LOKI, "Loki"),
    to(Uid.OPENSEARCH, "OpenSearch"),
    to(Uid.S3, "S3"),
    TO_VOLUMES,
    TO_OVERVIEW,
)
DAY = 24 * 3600
MONTH = 30 * DAY


def board() -> Board:
    return Board(
        uid=Uid.USAGE,
        folder=Folder.OBSERVABILITY,
        title="Usage",
        about="Series, log bytes, spans and S3 requests: what the stack takes in and keeps, and who sends it.",
        since="now-24h",
        rows=[_now(), _metrics(), _logs(), _traces()],
    )


def _now() -> Row:
    return Row(
        "At the present pace",
        [
            panels.number(
                title="Series",
                about="Active series of the replica that has most. Prometheus' memory and volume follow them.",
                queries=[Promql('max(prometheus_tsdb_head_series{job="prometheus"})')],
                unit="short",
                links=LINKS,
                thresholds=panels.near("PrometheusSeriesHigh", 0.8),
            ),
            panels.number(
                title="Log bytes a day",
                about="Bytes of log taken in per day at the pace of the last hour, before compression.",
                queries=[Promql(f"sum(rate(loki_distributor_bytes_received_total[1h])) * {DAY}")],
                unit="bytes",
                links=LINKS,
            ),
            panels.number(
                title="Bytes to S3 a day",
                about="Bytes of compressed chunks written to the bucket per day at the pace of the last hour.",
                queries=[Promql(f"sum(rate(loki_ingester_chunk_stored_bytes_total[1h])) * {DAY}")],
                unit="bytes",
                links=LINKS,
                when_empty="No chunk was full or old enough yet",
            ),
            panels.number(
                title="S3 requests a month",
                about="Requests to the bucket per month at the pace of the last hour. Writes cost ten times reads.",
                queries=[Promql(f"sum(rate(loki_s3_request_duration_seconds_count[1h])) * {MONTH}")],
                unit="short",
                links=LINKS,
            ),
            panels.number(
                title="Spans a day",
                about="Spans written to the store per day at the pace of the last hour.",
                queries=[Promql(f"sum(avg_over_time(service:spans:rate5m[1h])) * {DAY}")],
                unit="short",
                links=(TO_TRACES, *LINKS),
            ),
            panels.number(
                title="Bytes of spans",
                about="Bytes that the span store holds, replicas included.",
                queries=[Promql("sum(elasticsearch_indices_store_size_bytes)")],
                unit="bytes",
                links=LINKS,
            ),
        ],
    )


def _metrics() -> Row:
    return Row(
        "Metrics",
        [
            panels.graph(
                title="Series, by job",
                about="Samples of one round of scrapes, by job: the series each job keeps alive.",
                queries=[Promql("sum by (job) (scrape_samples_post_metric_relabeling)", "{{job}}")],
                unit="short",
                links=LINKS,
                width=THIRD,
                stacked=True,
            ),
            panels.graph(
                title="Series, by service",
                about="Samples of one round of scrapes of each service. A jump is a label with too many values.",
                queries=[
                    Promql('sum by (service) (scrape_samples_post_metric_relabeling{job="services"})', "{{service}}")
                ],
                unit="short",
                links=LINKS,
                series_link=TO_SERVICE,
                width=THIRD,
                stacked=True,
            ),
            panels.graph(
                title="Left out by relabelling, by job",
                about="Samples per round of scrapes that are offered and not kept.",
                queries=[
                    Promql(
                        "sum by (job) (scrape_samples_scraped - scrape_samples_post_metric_relabeling) > 0", "{{job}}"
                    )
                ],
                unit="short",
                links=LINKS,
                width=THIRD,
                stacked=True,
            ),
        ],
    )


def _logs() -> Row:
    return Row(
        "Logs",
        [
            panels.graph(
                title="Log bytes, by service",
                about="Bytes of log per second by service: the fifteen that write most.",
                queries=[Logql('topk(15, sum by (service) (bytes_rate({service=~".+"}[$__auto])))', "{{service}}")],
                unit="Bps",
                links=(TO_LOGS, *LINKS),
                series_link=TO_SERVICE,
                width=HALF,
                stacked=True,
            ),
            panels.graph(
                title="Left out, by reason",
                about="Lines per second that agents did not send: what each filter saves.",
                queries=[Promql(f"sum by (reason) (rate(logentry_dropped_lines_total[{EVERY}]))", "{{reason}}")],
                unit="cps",
                links=(to(Uid.COLLECTOR, "Log collector"), *LINKS),
                width=QUARTER,
                when_empty="Nothing was left out",
            ),
            panels.graph(
                title="Compression",
                about="Bytes of log per byte of chunk over the last hour: what compression saves.",
                queries=[
                    Promql(
                        "sum(rate(loki_ingester_chunk_compression_ratio_sum[1h])) "
                        "/ sum(rate(loki_ingester_chunk_compression_ratio_count[1h]))",
                        "times smaller",
                    )
                ],
                unit="short",
                links=LINKS,
                width=QUARTER,
            ),
        ],
    )


def _traces() -> Row:
    return Row(
        "Traces",
        [
            panels.graph(
                title="Spans, by service",
                about="Spans per second by service, after sampling.",
                queries=[Promql("service:spans:rate5m", "{{service}}")],
                unit="ops",
                links=(TO_TRACES, *LINKS),
                width=HALF,
                stacked=True,
            ),
            panels.graph(
                title="Spans per request, by service",
                about="Spans kept per request served. Low where few are sampled; high where one request does much.",
                queries=[
                    Promql(
                        "service:spans:rate5m / on (service) (sum by (service) (service:http_requests:rate5m) > 0)",
                        "{{service}}",
                    )
                ],
                unit="short",
                links=(TO_TRACES, *LINKS),
                series_link=TO_SERVICE,
                width=HALF,
            ),
        ],
    )
