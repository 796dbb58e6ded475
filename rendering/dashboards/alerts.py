"""Alerts: what fires, since when, what is noisy, how long things take to be mended."""

from rendering.dashboards import panels
from rendering.dashboards.board import LIVE, Board, Row, Variable
from rendering.dashboards.links import TO_OVERVIEW, TO_SERVICES, TO_SLOS, Link, Uid, to
from rendering.dashboards.panels import FULL_WIDTH, HALF, ORANGE, QUARTER, RED
from rendering.dashboards.queries import Promql
from rendering.datasources import Folder

LINKS = (to(Uid.ALERTMANAGER, "Alertmanager"), TO_SERVICES, TO_SLOS, TO_OVERVIEW)
WHERE = '{alertstate="firing", severity=~"$severity", team=~"$team", alertname!="Watchdog"}'
NOBODY = "Nothing fired in this time range"


def board(runbook_base_url: str) -> Board:
    """`runbook_base_url`: the directory that holds `<Alert>.md` for each alert."""
    runbook = Link("Runbook of this alert", f"{runbook_base_url.rstrip('/')}/${{__data.fields.Alert}}.md")
    return Board(
        uid=Uid.ALERTS,
        folder=Folder.PLATFORM,
        title="Alerts",
        about="What fires now, when what fired, which alerts are noisy, and how long they stand.",
        refresh=LIVE,
        since="now-24h",
        variables=[
            Variable("severity", "Severity", "label_values(ALERTS, severity)", several=True),
            Variable("team", "Team", "label_values(platform:service:info, team)", several=True),
        ],
        rows=[_now(runbook), _history(), _noise()],
    )


def _now(runbook: Link) -> Row:
    def count(title: str, about: str, matchers: str, color: str) -> panels.Panel:
        return panels.number(
            title=title,
            about=about,
            queries=[Promql(f"count(ALERTS{matchers}) or vector(0)")],
            unit="short",
            links=LINKS,
            width=QUARTER,
            thresholds=[(1, color)],
        )

    return Row(
        "Now",
        [
            count("Critical", "These have paged somebody.", '{alertstate="firing", severity="critical"}', RED),
            count("Warning", "These wait for working hours.", '{alertstate="firing", severity="warning"}', ORANGE),
            count("Pending", "Conditions that hold, but not yet for long.", '{alertstate="pending"}', ORANGE),
            panels.number(
                title="Watchdog",
                about="1 while the always-firing alert fires: rules are evaluated. 0: no alert can be trusted.",
                queries=[Promql('count(ALERTS{alertname="Watchdog", alertstate="firing"}) or vector(0)')],
                unit="bool_yes_no",
                links=LINKS,
                width=QUARTER,
                thresholds=[(panels.FROM_BOTTOM, RED), (1, panels.GREEN)],
            ),
            panels.listing(
                title="Firing alerts",
                about="Every alert that fires, what it is about, and for how long it has stood. Click for its runbook.",
                queries=[
                    Promql(
                        f"time() - max by (alertname, severity, service, team, namespace, pod) (ALERTS_FOR_STATE"
                        f" and on (alertname, service, pod) ALERTS{WHERE})",
                        instant=True,
                    )
                ],
                columns=["alertname", "severity", "service", "team", "namespace", "pod", "Value"],
                renamed={
                    "alertname": "Alert",
                    "severity": "Severity",
                    "service": "Service",
                    "team": "Team",
                    "namespace": "Namespace",
                    "pod": "Pod",
                    "Value": "Standing for",
                },
                sort_by="Standing for",
                unit="s",
                links=LINKS,
                series_link=runbook,
                when_empty="Nothing fires",
            ),
        ],
    )


def _history() -> Row:
    return Row(
        "What fired when",
        [
            panels.timeline(
                title="Alerts over time",
                about="A band for each alert and what it is about, while it fired.",
                queries=[
                    Promql(f"max by (alertname, service, pod) (ALERTS{WHERE})", "{{alertname}} {{service}} {{pod}}")
                ],
                unit="none",
                links=LINKS,
                width=FULL_WIDTH,
                height=12,
                mappings=[(1, "firing", RED)],
                when_empty=NOBODY,
            ),
            panels.graph(
                title="Firing, by severity",
                about="How many alerts fired at once.",
                queries=[Promql(f"count by (severity) (ALERTS{WHERE})", "{{severity}}")],
                unit="short",
                links=LINKS,
                width=HALF,
                stacked=True,
                when_empty=NOBODY,
            ),
            panels.graph(
                title="Firing, by team",
                about="Whose alerts fired.",
                queries=[Promql(f"count by (team) (ALERTS{WHERE})", "{{team}}")],
                unit="short",
                links=LINKS,
                width=HALF,
                stacked=True,
                when_empty=NOBODY,
            ),
        ],
    )


def _noise() -> Row:
    minutes = f"sum by (alertname) (sum_over_time(ALERTS{WHERE}[$__range:1m]))"
    began = f"(ALERTS{WHERE} unless ALERTS{WHERE} offset 1m)"
    times = f"sum by (alertname) (count_over_time({began}[$__range:1m]))"
    return Row(
        "Noise and time to resolve",
        [
            panels.bars(
                title="Noisiest alerts",
                about="How often each alert began to fire in the chosen time. Often and short: its `for` is too short.",
                queries=[Promql(f"sort_desc(topk(15, {times}))", "{{alertname}}", instant=True)],
                unit="short",
                links=LINKS,
                height=10,
                when_empty=NOBODY,
            ),
            panels.bars(
                title="Mean time to resolve",
                about="How long each alert stood, on average, in the chosen time.",
                queries=[Promql(f"sort_desc(topk(15, {minutes} / {times}))", "{{alertname}}", instant=True)],
                unit="m",
                links=LINKS,
                height=10,
                when_empty=NOBODY,
            ),
        ],
    )
