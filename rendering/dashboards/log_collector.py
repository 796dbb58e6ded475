"""The collector of logs on every node: what it reads, sends and drops; for Alloy, its names are put in afterwards."""

from rendering.dashboards import panels
from rendering.dashboards.board import Board, Row, Variable
from rendering.dashboards.links import TO_LOGS, TO_NODES, TO_SERVICE, Uid
from rendering.dashboards.panels import ORANGE, RED, THIRD
from rendering.dashboards.queries import EVERY, Promql
from rendering.dashboards.tools import leads, log_row, process_row, up_tile
from rendering.datasources import Folder

LINKS = (*leads("promtail"), TO_LOGS, TO_NODES)
WHERE = '{job="promtail", node=~"$node"}'


def board() -> Board:
    return Board(
        uid=Uid.COLLECTOR,
        folder=Folder.OBSERVABILITY,
        title="Log collector",
        about="Does every node's agent read its logs and get rid of them, and what does it leave out?",
        variables=[Variable("node", "Node", 'label_values(up{job="promtail"}, node)', several=True)],
        rows=[_health(), _flow(), _left_out(), process_row("promtail"), log_row("promtail")],
    )


def _health() -> Row:
    return Row(
        "Health",
        [
            up_tile("promtail"),
            panels.number(
                title="Lines a second",
                about="Lines read, all nodes together.",
                queries=[Promql(f"sum(rate(promtail_read_lines_total{WHERE}[5m]))")],
                unit="cps",
                links=LINKS,
            ),
            panels.number(
                title="Files followed",
                about="Log files being read. About one per container.",
                queries=[Promql(f"sum(promtail_files_active_total{WHERE})")],
                unit="short",
                links=LINKS,
            ),
            panels.number(
                title="Behind by",
                about="Bytes not yet read, on the node most behind. Rises while Loki does not accept, and falls after.",
                queries=[
                    Promql(f"max(sum by (node) (promtail_file_bytes_total{WHERE} - promtail_read_bytes_total{WHERE}))")
                ],
                unit="bytes",
                links=LINKS,
                thresholds=panels.near("LogCollectorLagging", 0.2),
            ),
            panels.number(
                title="Lines lost",
                about="Lines given up in the last hour on the way to Loki. Anything but 0 is a loss.",
                queries=[Promql(f"sum(increase(promtail_dropped_entries_total{WHERE}[1h])) or vector(0)")],
                unit="short",
                links=LINKS,
                thresholds=[(1, RED)],
                decimals=0,
            ),
            panels.number(
                title="Retries",
                about="Batches sent again in the last hour. Retries lose nothing; many mean Loki is slow or away.",
                queries=[Promql(f"sum(increase(promtail_batch_retries_total{WHERE}[1h])) or vector(0)")],
                unit="short",
                links=LINKS,
                thresholds=[(100, ORANGE)],
                decimals=0,
            ),
        ],
    )


def _flow() -> Row:
    took = 'sum by (le) (node_le:promtail_request_duration_seconds_bucket:rate5m{node=~"$node"})'
    return Row(
        "From file to Loki",
        [
            panels.graph(
                title="Read and sent, by node",
                about="Lines per second read and sent. They differ by what is left out on purpose.",
                queries=[
                    Promql(f"sum by (node) (rate(promtail_read_lines_total{WHERE}[{EVERY}]))", "{{node}} read"),
                    Promql(f"sum by (node) (rate(promtail_sent_entries_total{WHERE}[{EVERY}]))", "{{node}} sent"),
                ],
                unit="cps",
                links=LINKS,
                width=THIRD,
            ),
            panels.graph(
                title="Time to hand over a batch",
                about="Duration of a push to Loki.",
                queries=[
                    Promql(f"histogram_quantile(0.5, {took})", "median"),
                    Promql(f"histogram_quantile(0.99, {took})", "99th percentile"),
                ],
                unit="s",
                links=LINKS,
                width=THIRD,
                thresholds=[(5, RED)],
            ),
            panels.graph(
                title="Pushes, by answer",
                about="Pushes per second by Loki's status. 429 is a limit, 5xx is trouble; both are tried again.",
                queries=[
                    Promql(
                        f"sum by (status_code) (rate(promtail_request_duration_seconds_count{WHERE}[{EVERY}]))",
                        "{{status_code}}",
                    )
                ],
                unit="reqps",
                links=LINKS,
                width=THIRD,
            ),
        ],
    )


def _left_out() -> Row:
    return Row(
        "Left out",
        [
            panels.graph(
                title="Left out on purpose, by reason",
                about="Lines per second not sent: answered health checks, debug lines (production), floods.",
                queries=[Promql(f"sum by (reason) (rate(logentry_dropped_lines_total{WHERE}[{EVERY}]))", "{{reason}}")],
                unit="cps",
                links=LINKS,
                width=THIRD,
                when_empty="Nothing was left out",
            ),
            panels.graph(
                title="Over the limit, by service",
                about="Lines per second dropped because a service wrote more than its 1,000 a second.",
                queries=[
                    Promql(
                        f"sum by (label_value) (rate(logentry_dropped_lines_by_label_total{WHERE}[{EVERY}])) > 0",
                        "{{label_value}}",
                    )
                ],
                unit="cps",
                links=(*LINKS, TO_SERVICE),
                width=THIRD,
                when_empty="No service was over its limit",
            ),
            panels.graph(
                title="Sent, in bytes",
                about="Bytes per second sent to Loki, by node.",
                queries=[Promql(f"sum by (node) (rate(promtail_sent_bytes_total{WHERE}[{EVERY}]))", "{{node}}")],
                unit="Bps",
                links=LINKS,
                width=THIRD,
            ),
        ],
    )
