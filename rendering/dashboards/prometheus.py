"""Prometheus about itself: targets, series, rules, storage, notifications."""

from rendering.dashboards import panels
from rendering.dashboards.board import Board, Row
from rendering.dashboards.links import TO_VOLUMES, Uid
from rendering.dashboards.panels import GREEN, ORANGE, QUARTER, RED, THIRD
from rendering.dashboards.queries import EVERY, Promql
from rendering.dashboards.tools import leads, log_row, process_row, up_tile
from rendering.datasources import Folder

LINKS = leads("prometheus")


def board() -> Board:
    return Board(
        uid=Uid.PROMETHEUS,
        folder=Folder.OBSERVABILITY,
        title="Prometheus",
        about="Does Prometheus see all its targets, keep up with its rules, and have room for its data?",
        rows=[_health(), _scraping(), _rules(), _storage(), _notifications(), process_row("prometheus"), _log()],
    )


def _log() -> Row:
    return log_row("prometheus")


def _health() -> Row:
    return Row(
        "Health",
        [
            up_tile("prometheus"),
            panels.number(
                title="Targets down",
                about="Targets that did not answer the last scrape. What they measure is not seen while this lasts.",
                queries=[Promql("count(up == 0) or vector(0)", instant=True)],
                unit="short",
                sparkline=False,
                links=LINKS,
                thresholds=[(1, RED)],
            ),
            panels.number(
                title="Series in memory",
                about="Active series of the replica that has most. Memory follows it at a few KiB each.",
                queries=[Promql('max(prometheus_tsdb_head_series{job="prometheus"})')],
                unit="short",
                links=LINKS,
                thresholds=panels.near("PrometheusSeriesHigh", 0.8),
            ),
            panels.number(
                title="Samples a second",
                about="Samples taken in, all targets and recording rules together.",
                queries=[Promql('sum(rate(prometheus_tsdb_head_samples_appended_total{job="prometheus"}[5m]))')],
                unit="cps",
                links=LINKS,
            ),
            panels.number(
                title="Failed rule evaluations",
                about="Rules that could not be evaluated in the last hour: an alert among them cannot fire.",
                queries=[Promql('sum(increase(prometheus_rule_evaluation_failures_total{job="prometheus"}[1h]))')],
                unit="short",
                links=LINKS,
                thresholds=[(1, RED)],
                decimals=0,
            ),
            panels.number(
                title="Configuration loaded",
                about="1 when the latest configuration was accepted, 0 when Prometheus runs on an older one.",
                queries=[Promql('min(prometheus_config_last_reload_successful{job="prometheus"})')],
                unit="bool_yes_no",
                links=LINKS,
                thresholds=[(panels.FROM_BOTTOM, RED), (1, GREEN)],
                sparkline=False,
            ),
        ],
    )


def _scraping() -> Row:
    return Row(
        "Scraping",
        [
            panels.graph(
                title="Targets up, by job",
                about="Share of each job's targets that answer. Below 1, some of what the job measures is missing.",
                queries=[Promql("avg by (job) (up)", "{{job}}")],
                unit="percentunit",
                links=LINKS,
                width=THIRD,
                thresholds=[(panels.FROM_BOTTOM, RED), (1, GREEN)],
                maximum=1,
            ),
            panels.graph(
                title="Slowest scrape, by job",
                about="Duration of the slowest target's scrape. Near the timeout of 10 s, samples will be lost.",
                queries=[Promql("max by (job) (scrape_duration_seconds)", "{{job}}")],
                unit="s",
                links=LINKS,
                width=THIRD,
                thresholds=[(8, RED)],
            ),
            panels.graph(
                title="Samples per scrape, by job",
                about="Samples kept of one round of scrapes. A jump is a new label with many values.",
                queries=[Promql("sum by (job) (scrape_samples_post_metric_relabeling)", "{{job}}")],
                unit="short",
                links=LINKS,
                width=THIRD,
                stacked=True,
            ),
        ],
    )


def _rules() -> Row:
    busy = "prometheus_rule_group_last_duration_seconds / prometheus_rule_group_interval_seconds"
    return Row(
        "Rules and queries",
        [
            panels.bars(
                title="Busiest rule groups",
                about="Evaluation time as a share of the group's interval. At 1 a group misses its next turn.",
                queries=[Promql(f"topk(10, max by (rule_group) ({busy}))", "{{rule_group}}", instant=True)],
                unit="percentunit",
                links=LINKS,
                thresholds=panels.near("PrometheusRulesSlow", 0.5),
                minimum=0,
                maximum=1,
            ),
            panels.graph(
                title="Missed turns",
                about="Group evaluations skipped because the one before was not done. Normally none.",
                queries=[
                    Promql(
                        f"sum by (rule_group) (rate(prometheus_rule_group_iterations_missed_total[{EVERY}]))",
                        "{{rule_group}}",
                    )
                ],
                unit="cps",
                links=LINKS,
                width=QUARTER,
            ),
            panels.graph(
                title="Query time, 90th percentile",
                about="Time in the query engine by stage. `inner_eval` is the reading and computing itself.",
                queries=[
                    Promql('max by (slice) (prometheus_engine_query_duration_seconds{quantile="0.9"})', "{{slice}}")
                ],
                unit="s",
                links=LINKS,
                width=QUARTER,
                thresholds=[(1, ORANGE)],
            ),
        ],
    )


def _storage() -> Row:
    links = (*LINKS, TO_VOLUMES)
    return Row(
        "Storage",
        [
            panels.graph(
                title="Bytes on disk",
                about="Blocks, write-ahead log and head chunks. The line that ends retention is the size limit.",
                queries=[
                    Promql('sum(prometheus_tsdb_storage_blocks_bytes{job="prometheus"})', "blocks"),
                    Promql('sum(prometheus_tsdb_wal_storage_size_bytes{job="prometheus"})', "write-ahead log"),
                    Promql('sum(prometheus_tsdb_head_chunks_storage_size_bytes{job="prometheus"})', "head chunks"),
                    Promql('max(prometheus_tsdb_retention_limit_bytes{job="prometheus"})', "size limit"),
                ],
                unit="bytes",
                links=links,
                width=THIRD,
            ),
            panels.graph(
                title="Time covered",
                about="Age of the oldest sample. It should reach the retention and stay there; when it falls, size "
                "evicts data before time does.",
                queries=[
                    Promql('time() - min(prometheus_tsdb_lowest_timestamp_seconds{job="prometheus"})', "covered"),
                    Promql('max(prometheus_tsdb_retention_limit_seconds{job="prometheus"})', "retention"),
                ],
                unit="s",
                links=links,
                width=THIRD,
            ),
            panels.graph(
                title="Series created and removed",
                about="Churn per second. High churn (short-lived pods, ids in labels) costs more than many series.",
                queries=[
                    Promql(f"sum(rate(prometheus_tsdb_head_series_created_total[{EVERY}]))", "created"),
                    Promql(f"sum(rate(prometheus_tsdb_head_series_removed_total[{EVERY}]))", "removed"),
                ],
                unit="cps",
                links=links,
                width=THIRD,
            ),
        ],
    )


def _notifications() -> Row:
    return Row(
        "Alerts on their way to Alertmanager",
        [
            panels.graph(
                title="Sent and lost",
                about="Alerts sent per second; failed ones are tried again, dropped ones are lost.",
                queries=[
                    Promql(f"sum(rate(prometheus_notifications_sent_total[{EVERY}]))", "sent"),
                    Promql(f"sum(rate(prometheus_notifications_errors_total[{EVERY}]))", "failed"),
                    Promql(f"sum(rate(prometheus_notifications_dropped_total[{EVERY}]))", "dropped"),
                ],
                unit="cps",
                links=LINKS,
                width=THIRD,
            ),
            panels.graph(
                title="Queue",
                about="Alerts waiting to be sent, as a share of the queue. Full means alerts are dropped.",
                queries=[
                    Promql(
                        "max(prometheus_notifications_queue_length) / max(prometheus_notifications_queue_capacity)",
                        "queue",
                    )
                ],
                unit="percentunit",
                links=LINKS,
                width=THIRD,
                thresholds=[(0.5, RED)],
                maximum=1,
            ),
            panels.graph(
                title="Alertmanagers known",
                about="Alertmanagers that Prometheus sends to. None: alerts fire and nobody hears.",
                queries=[Promql("min(prometheus_notifications_alertmanagers_discovered)", "known")],
                unit="short",
                links=LINKS,
                width=THIRD,
                thresholds=[(panels.FROM_BOTTOM, RED), (1, GREEN)],
            ),
        ],
    )
