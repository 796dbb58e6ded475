"""Alertmanager about itself: alerts it holds, notifications that left and failed, silences, cluster."""

from rendering.dashboards import panels
from rendering.dashboards.board import Board, Row
from rendering.dashboards.links import Uid
from rendering.dashboards.panels import GREEN, HALF, ORANGE, RED, THIRD
from rendering.dashboards.queries import EVERY, Promql
from rendering.dashboards.tools import leads, log_row, process_row, up_tile
from rendering.datasources import Folder

LINKS = leads("alertmanager")


def board() -> Board:
    return Board(
        uid=Uid.ALERTMANAGER,
        folder=Folder.OBSERVABILITY,
        title="Alertmanager",
        about="Do alerts come in, and do notifications go out to where people look?",
        rows=[_health(), _notifications(), _alerts(), process_row("alertmanager"), log_row("alertmanager")],
    )


def _health() -> Row:
    failed = "sum(increase(alertmanager_notifications_failed_total[1h]))"
    return Row(
        "Health",
        [
            up_tile("alertmanager"),
            panels.number(
                title="Active alerts",
                about="Alerts that stand and are neither silenced nor inhibited. One is normal: the Watchdog.",
                queries=[Promql('max(alertmanager_alerts{state="active"})')],
                unit="short",
                links=LINKS,
                thresholds=[(2, ORANGE)],
            ),
            panels.number(
                title="Suppressed alerts",
                about="Alerts that stand but are silenced or inhibited by a graver one.",
                queries=[Promql('max(alertmanager_alerts{state="suppressed"})')],
                unit="short",
                links=LINKS,
            ),
            panels.number(
                title="Active silences",
                about="Silences in force. Each hides alerts until it ends; forgotten ones hide real trouble.",
                queries=[Promql('max(alertmanager_silences{state="active"})')],
                unit="short",
                links=LINKS,
                thresholds=[(1, ORANGE)],
            ),
            panels.number(
                title="Failed notifications",
                about="Notifications that failed in the last hour. Anything but 0: somebody was not told.",
                queries=[Promql(failed)],
                unit="short",
                links=LINKS,
                thresholds=[(1, RED)],
                decimals=0,
            ),
            panels.number(
                title="Configuration loaded",
                about="1 when the latest configuration was accepted, 0 when an older one is in force.",
                queries=[Promql("min(alertmanager_config_last_reload_successful)")],
                unit="bool_yes_no",
                links=LINKS,
                thresholds=[(panels.FROM_BOTTOM, RED), (1, GREEN)],
                sparkline=False,
            ),
        ],
    )


def _notifications() -> Row:
    slow = f"sum by (integration, le) (rate(alertmanager_notification_latency_seconds_bucket[{EVERY}]))"
    return Row(
        "Notifications",
        [
            panels.graph(
                title="Sent, by channel",
                about="Notifications handed to each kind of channel per second. Empty while nothing is to be said.",
                queries=[
                    Promql(
                        f"sum by (integration) (rate(alertmanager_notifications_total[{EVERY}])) > 0", "{{integration}}"
                    )
                ],
                unit="cps",
                links=LINKS,
                width=THIRD,
                when_empty="Nothing was sent in this time range",
            ),
            panels.graph(
                title="Failed, by channel and reason",
                about="Failures per second. clientError is ours (address, credentials), serverError is the channel's.",
                queries=[
                    Promql(
                        f"sum by (integration, reason) (rate(alertmanager_notifications_failed_total[{EVERY}])) > 0",
                        "{{integration}} {{reason}}",
                    )
                ],
                unit="cps",
                links=LINKS,
                width=THIRD,
                when_empty="No failures in this time range",
            ),
            panels.graph(
                title="Time to hand over, 95th percentile",
                about="Duration of a notification's request. Long ones hold up the group behind them.",
                queries=[Promql(f"histogram_quantile(0.95, {slow})", "{{integration}}")],
                unit="s",
                links=LINKS,
                width=THIRD,
                thresholds=[(5, ORANGE)],
                when_empty="Nothing was sent in this time range",
            ),
        ],
    )


def _alerts() -> Row:
    return Row(
        "Alerts and cluster",
        [
            panels.graph(
                title="Alerts received",
                about="Alerts per second from Prometheus and Loki, by state. Invalid ones have labels it refuses.",
                queries=[
                    Promql(f"sum by (status) (rate(alertmanager_alerts_received_total[{EVERY}]))"),
                    Promql(f"sum(rate(alertmanager_alerts_invalid_total[{EVERY}]))", "invalid"),
                ],
                unit="cps",
                links=LINKS,
                width=THIRD,
            ),
            panels.graph(
                title="Groups",
                about="Groups of alerts that are notified together. Many groups with one alert each: grouping is off.",
                queries=[Promql("max(alertmanager_dispatcher_aggregation_groups)", "groups")],
                unit="short",
                links=LINKS,
                width=THIRD,
            ),
            panels.graph(
                title="Members of the cluster",
                about="Alertmanagers that each one sees, itself included. Fewer than run: notifications come twice.",
                queries=[Promql("min(alertmanager_cluster_members)", "seen by the worst off")],
                unit="short",
                links=LINKS,
                width=THIRD,
                when_empty="One replica, no cluster",
            ),
            panels.graph(
                title="API errors",
                about="Share of requests that Alertmanager answered 5xx.",
                queries=[
                    Promql(
                        'sum(rate(alertmanager_http_request_duration_seconds_count{code=~"5.."}[$__rate_interval])) '
                        f"/ sum(rate(alertmanager_http_request_duration_seconds_count[{EVERY}])) or vector(0)",
                        "errors",
                    )
                ],
                unit="percentunit",
                links=LINKS,
                width=HALF,
                thresholds=[(0.01, RED)],
            ),
            panels.graph(
                title="Size of kept state",
                about="Bytes of silences and of what was already notified, as written to the volume.",
                queries=[
                    Promql("max(alertmanager_silences_snapshot_size_bytes)", "silences"),
                    Promql("max(alertmanager_nflog_snapshot_size_bytes)", "notification log"),
                ],
                unit="bytes",
                links=LINKS,
                width=HALF,
            ),
        ],
    )
