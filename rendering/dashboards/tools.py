"""Rows that the dashboards of the stack's own tools share: is it up, what does it use, what does it log."""

from collections.abc import Sequence

from rendering.dashboards import panels
from rendering.dashboards.board import Row
from rendering.dashboards.links import TO_ALERTS, TO_WORKLOADS, Link, logs_of
from rendering.dashboards.panels import GREEN, RED
from rendering.dashboards.queries import Logql, Promql, of_tool, where


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
            *limits(tool, links, width=panels.QUARTER),
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


def limits(tool: str, links: Sequence[Link], *, width: int) -> list[panels.Panel]:
    """CPU and memory of the tool's pods, as shares of their containers' limits."""
    pods = where(of_tool(tool))
    return [
        panels.graph(
            title="CPU of the limit",
            about="The busiest container's share of its CPU limit, by pod. At 1 it is slowed down.",
            queries=[Promql(f"max by (pod) (pod:cpu_limit:ratio_rate5m{pods})", "{{pod}}")],
            unit="percentunit",
            links=links,
            width=width,
            thresholds=panels.above("HighCPUUsage", "CriticalCPUUsage"),
        ),
        panels.graph(
            title="Memory of the limit",
            about="The fullest container's share of its memory limit, by pod. At 1 it is killed.",
            queries=[Promql(f"max by (pod) (pod:memory_limit:ratio{pods})", "{{pod}}")],
            unit="percentunit",
            links=links,
            width=width,
            thresholds=panels.above("HighMemoryUsage", "CriticalMemoryUsage"),
        ),
    ]


def log_row(tool: str) -> Row:
    """What the tool itself logs."""
    source = where(of_tool(tool))
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


def ratio_tile(title: str, about: str, expr: str, links: Sequence[Link], *, alert: str) -> panels.Panel:
    """A share that should be small, as a percentage: orange at a tenth of what the alert is about."""
    return panels.number(
        title=title,
        about=about,
        queries=[Promql(expr)],
        unit="percentunit",
        links=links,
        thresholds=panels.near(alert, 0.1),
        decimals=2,
    )


def _job(tool: str) -> str:
    return where(f'job="{tool}"')
