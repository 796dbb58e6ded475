"""Rows that the dashboards of the stack's own tools share: is it up, what does it use, what does it log."""

from collections.abc import Sequence

from rendering.dashboards import panels
from rendering.dashboards.board import Row
from rendering.dashboards.links import TO_ALERTS, TO_WORKLOADS, Link, logs_of
from rendering.dashboards.panels import GREEN, RED
from rendering.dashboards.queries import Logql, Promql, where


def leads(tool: str) -> tuple[Link, ...]:
    """Where every panel about `tool` leads: its log, its alerts, its workload."""
    return (logs_of(tool), TO_ALERTS, TO_WORKLOADS)


def up_tile(tool: str) -> panels.Panel:
    """How many of the tool's instances answer Prometheus."""
    return panels.number(
        title="Instances up",
        about=f"Instances of {tool} that answered the last scrape. Red when none did.",
        queries=[Promql(f"sum(up{_job(tool)})")],
        unit="short",
        links=leads(tool),
        thresholds=[(panels.FROM_BOTTOM, RED), (1, GREEN)],
    )


def process_row(tool: str) -> Row:
    """CPU, memory, goroutines and open files of the process, by instance."""
    links, job = leads(tool), _job(tool)
    share = f"process_open_fds{job} / process_max_fds{job}"
    return Row(
        "Process",
        [
            panels.graph(
                title="CPU",
                about="Cores used, by pod. A plateau at the container's limit means it is being throttled.",
                queries=[
                    Promql(
                        f'sum by (pod) (rate(process_cpu_seconds_total{{job="{tool}"}}[$__rate_interval]))', "{{pod}}"
                    )
                ],
                unit="short",
                links=links,
                width=panels.QUARTER,
            ),
            panels.graph(
                title="Memory",
                about="Resident memory, by pod. Compare with the container's limit on the workloads dashboard.",
                queries=[Promql(f"sum by (pod) (process_resident_memory_bytes{job})", "{{pod}}")],
                unit="bytes",
                links=links,
                width=panels.QUARTER,
            ),
            panels.graph(
                title="Goroutines",
                about="Concurrent tasks, by pod. Growth without end is a leak or a peer that does not answer.",
                queries=[Promql(f"sum by (pod) (go_goroutines{job})", "{{pod}}")],
                unit="short",
                links=links,
                width=panels.QUARTER,
            ),
            panels.graph(
                title="Open files",
                about="Share of the file descriptors that the process may open. At 1 it refuses connections.",
                queries=[Promql(f"max by (pod) ({share})", "{{pod}}")],
                unit="percentunit",
                links=links,
                width=panels.QUARTER,
                thresholds=[(0.8, RED)],
                maximum=1,
            ),
        ],
    )


def log_row(tool: str) -> Row:
    """What the tool itself logs."""
    source = where(f'service="{tool}"')
    links = leads(tool)
    return Row(
        "Its own log",
        [
            panels.graph(
                title="Lines by level",
                about="Log lines per second by level. A rise of errors dates the beginning of a problem.",
                queries=[Logql(f"sum by (level) (rate({source}[$__auto]))", "{{level}}")],
                unit="cps",
                links=links,
                width=panels.THIRD,
                stacked=True,
                when_empty="Nothing was logged in this time range",
            ),
            panels.lines(
                title="Warnings and errors",
                about="Latest lines of level warn and above. Empty is good.",
                queries=[Logql(f'{source} | level=~"warn|error|fatal"', lines=100)],
                unit="short",
                links=links,
                width=2 * panels.THIRD,
                height=8,
                when_empty="No warnings or errors in this time range",
            ),
        ],
    )


def ratio_tile(title: str, about: str, expr: str, links: Sequence[Link], *, red_from: float) -> panels.Panel:
    """A share that should be small, as a percentage."""
    return panels.number(
        title=title,
        about=about,
        queries=[Promql(expr)],
        unit="percentunit",
        links=links,
        thresholds=[(red_from, RED)],
        decimals=2,
    )


def _job(tool: str) -> str:
    return where(f'job="{tool}"')
