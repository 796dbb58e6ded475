"""Logs of everything, narrowed step by step: namespace, service, pod, level, text, trace."""

from rendering.dashboards import panels
from rendering.dashboards.board import Board, Choice, Row, Text, Variable
from rendering.dashboards.links import TO_OVERVIEW, TO_SERVICE, TO_SERVICES, TO_TRACES, Uid, explore, to
from rendering.dashboards.panels import FULL_WIDTH, HALF, THIRD
from rendering.dashboards.queries import Logql
from rendering.datasources import LOKI, Folder

STREAMS = '{namespace=~"$namespace", service=~"$service", pod=~"$pod"}'
CHOSEN = STREAMS + ' | level=~"$level" |~ `(?i)$text`'
IN_EXPLORE = explore(
    "In Explore", LOKI, '{namespace=~"${namespace:regex}", service=~"${service:regex}"} | level=~"${level:regex}"'
)
LINKS = (IN_EXPLORE, TO_TRACES, TO_SERVICES, TO_OVERVIEW)


def board() -> Board:
    return Board(
        uid=Uid.LOGS,
        folder=Folder.SERVICES,
        title="Logs",
        about="Every log line of every container. Narrow it at the top; a line unfolds into its fields and its trace.",
        variables=[
            Variable("namespace", "Namespace", "label_values(kube_pod_info, namespace)", several=True, everything=".*"),
            Variable(
                "service",
                "Service",
                'label_values(namespace_pod:service:info{namespace=~"$namespace", service!=""}, service)',
                several=True,
            ),
            Variable(
                "pod",
                "Pod",
                'label_values(kube_pod_info{namespace=~"$namespace"}, pod)',
                several=True,
                everything=".*",
            ),
            Choice("level", "Level", ("trace", "debug", "info", "warn", "error", "fatal")),
            Text("text", "Text", "Part of the line, as a regular expression; upper and lower case are the same"),
        ],
        rows=[_volume(), _lines(), _errors()],
    )


def _volume() -> Row:
    return Row(
        "How much",
        [
            panels.graph(
                title="Lines, by level",
                about="Log lines per second by level. A rise of errors dates the beginning of a problem.",
                queries=[Logql(f"sum by (level) (rate({STREAMS}[$__auto]))", "{{level}}")],
                unit="cps",
                links=LINKS,
                width=THIRD,
                stacked=True,
            ),
            panels.graph(
                title="Lines, by service",
                about="Log lines per second by service. At 1,000 on one node the rest is left out.",
                queries=[Logql(f"topk(15, sum by (service) (rate({STREAMS}[$__auto])))", "{{service}}")],
                unit="cps",
                links=LINKS,
                series_link=TO_SERVICE,
                width=THIRD,
                stacked=True,
            ),
            panels.graph(
                title="Bytes, by service",
                about="Bytes of log per second by service: what storage is paid for.",
                queries=[Logql(f"topk(15, sum by (service) (bytes_rate({STREAMS}[$__auto])))", "{{service}}")],
                unit="Bps",
                links=(*LINKS, to(Uid.USAGE, "Usage")),
                series_link=TO_SERVICE,
                width=THIRD,
                stacked=True,
            ),
        ],
    )


def _lines() -> Row:
    return Row(
        "Lines",
        [
            panels.lines(
                title="Lines",
                about="Latest lines that match what is chosen above.",
                queries=[Logql(CHOSEN, lines=500)],
                unit="short",
                links=LINKS,
                width=FULL_WIDTH,
                height=18,
            )
        ],
    )


def _errors() -> Row:
    errors = STREAMS + ' | level=~"error|fatal"'
    return Row(
        "Errors",
        [
            panels.graph(
                title="Errors, by service",
                about="Lines of level error and above per second, by service.",
                queries=[Logql(f"sum by (service) (rate({errors} [$__auto]))", "{{service}}")],
                unit="cps",
                links=LINKS,
                series_link=TO_SERVICE,
                width=HALF,
                stacked=True,
                thresholds=panels.above("LogErrorBurst"),
                when_empty="No errors in this time range",
            ),
            panels.lines(
                title="Latest errors",
                about="Latest lines of level error and above.",
                queries=[Logql(errors, lines=100)],
                unit="short",
                links=LINKS,
                width=HALF,
                height=8,
                when_empty="No errors in this time range",
            ),
        ],
    )
