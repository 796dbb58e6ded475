"""Grafana about itself: requests, datasources as it sees them, people, database."""

from rendering.dashboards import panels
from rendering.dashboards.board import Board, Row
from rendering.dashboards.links import Uid
from rendering.dashboards.panels import HALF, RED, THIRD
from rendering.dashboards.queries import EVERY, Promql
from rendering.dashboards.tools import leads, log_row, process_row, ratio_tile, up_tile
from rendering.datasources import Folder

LINKS = leads("grafana")
REQUESTS = "grafana_http_request_duration_seconds"


def board() -> Board:
    return Board(
        uid=Uid.GRAFANA,
        folder=Folder.OBSERVABILITY,
        title="Grafana",
        about="Is Grafana itself quick, and do its datasources answer?",
        rows=[_health(), _requests(), _datasources(), process_row("grafana"), log_row("grafana")],
    )


def _health() -> Row:
    failed = REQUESTS + '_count{status_code=~"5.."}'
    errors = f"sum(rate({failed}[5m])) or vector(0)"
    return Row(
        "Health",
        [
            up_tile("grafana"),
            panels.number(
                title="Requests a second",
                about="All requests, pages and queries together.",
                queries=[Promql(f"sum(rate({REQUESTS}_count[5m]))")],
                unit="reqps",
                links=LINKS,
            ),
            ratio_tile(
                "Failed requests",
                "Share of requests answered 5xx in the last five minutes.",
                f"({errors}) / sum(rate({REQUESTS}_count[5m]))",
                LINKS,
                alert="GrafanaErrors",
            ),
            panels.number(
                title="Dashboards",
                about="Dashboards in the database. Fewer than provisioned: a file could not be read.",
                queries=[Promql("max(grafana_stat_totals_dashboard)")],
                unit="short",
                links=LINKS,
                sparkline=False,
            ),
            panels.number(
                title="Active people",
                about="People who used Grafana in the last 30 days.",
                queries=[Promql("max(grafana_stat_active_users)")],
                unit="short",
                links=LINKS,
                sparkline=False,
            ),
            panels.number(
                title="Requests in flight",
                about="Requests being answered now. A pile-up means a datasource is slow.",
                queries=[Promql("sum(grafana_http_request_in_flight)")],
                unit="short",
                links=LINKS,
                thresholds=[(50, RED)],
            ),
        ],
    )


def _requests() -> Row:
    slowest = f"sum by (handler, le) (rate({REQUESTS}_bucket[{EVERY}]))"
    return Row(
        "Requests",
        [
            panels.graph(
                title="Requests, by status",
                about="Requests per second by status code.",
                queries=[Promql(f"sum by (status_code) (rate({REQUESTS}_count[{EVERY}]))", "{{status_code}}")],
                unit="reqps",
                links=LINKS,
                stacked=True,
            ),
            panels.graph(
                title="Slowest handlers, 95th percentile",
                about="Time to answer for the ten slowest kinds of request. /api/ds/query is what panels ask.",
                queries=[Promql(f"topk(10, histogram_quantile(0.95, {slowest}))", "{{handler}}")],
                unit="s",
                links=LINKS,
                thresholds=[(5, RED)],
            ),
        ],
    )


def _datasources() -> Row:
    took = f"rate(grafana_datasource_request_duration_seconds_sum[{EVERY}])"
    asked = f"rate(grafana_datasource_request_duration_seconds_count[{EVERY}])"
    failed = 'grafana_datasource_request_total{code!~"2.."}'
    return Row(
        "Datasources, as Grafana sees them",
        [
            panels.graph(
                title="Requests, by datasource",
                about="Requests per second that Grafana sends to each datasource.",
                queries=[
                    Promql(f"sum by (datasource) (rate(grafana_datasource_request_total[{EVERY}]))", "{{datasource}}")
                ],
                unit="reqps",
                links=LINKS,
                width=THIRD,
            ),
            panels.graph(
                title="Failed, by datasource",
                about="Requests per second that a datasource answered with an error, or not at all.",
                queries=[Promql(f"sum by (datasource, code) (rate({failed}[{EVERY}])) > 0", "{{datasource}} {{code}}")],
                unit="reqps",
                links=LINKS,
                width=THIRD,
                when_empty="No failures in this time range",
            ),
            panels.graph(
                title="Mean time to answer, by datasource",
                about="Mean duration of Grafana's requests to each datasource.",
                queries=[Promql(f"sum by (datasource) ({took}) / sum by (datasource) ({asked})", "{{datasource}}")],
                unit="s",
                links=LINKS,
                width=THIRD,
                thresholds=[(5, RED)],
            ),
            panels.graph(
                title="Logins",
                about="Logins per second with name and password, and by single sign-on.",
                queries=[
                    Promql(f"sum(rate(grafana_api_login_post_total[{EVERY}]))", "password"),
                    Promql(f"sum(rate(grafana_api_login_oauth_total[{EVERY}]))", "single sign-on"),
                ],
                unit="cps",
                links=LINKS,
                width=HALF,
            ),
            panels.graph(
                title="Objects kept",
                about="Dashboards, folders and annotations in the database.",
                queries=[
                    Promql("max(grafana_stat_totals_dashboard)", "dashboards"),
                    Promql("max(grafana_stat_totals_folder)", "folders"),
                    Promql("max(grafana_stat_totals_annotations)", "annotations"),
                    Promql("max(grafana_stat_total_users)", "users"),
                ],
                unit="short",
                links=LINKS,
                width=HALF,
            ),
        ],
    )
