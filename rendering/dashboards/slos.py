"""Objectives of all services: what is left of each error budget, how fast it burns, what spends it."""

from rendering.dashboards import panels
from rendering.dashboards.board import Board, Row, Variable
from rendering.dashboards.links import TO_ALERTS, TO_OVERVIEW, TO_SERVICE, TO_SERVICES, Uid, to
from rendering.dashboards.panels import FULL_WIDTH, GREEN, HALF, ORANGE, RED
from rendering.dashboards.queries import Promql
from rendering.datasources import Folder

WHERE = '{service=~"$service", slo=~"$slo"}'
SERVICES = '{service=~"$service"}'
LINKS = (TO_SERVICES, TO_ALERTS, TO_OVERVIEW)
OF_THE_ROW = to(Uid.SERVICE, "Details of this service", service="${__data.fields.Service}")
"""A table's cells have no labels: its columns, by their headings, say what a row is about."""
BURN_RATES = {"1h": 14.4, "6h": 6, "1d": 3, "3d": 1}
"""By window, from when ErrorBudgetBurn fires: the first two page."""
BUDGET = [(panels.FROM_BOTTOM, RED), (0.0, ORANGE), (0.25, GREEN)]


def board() -> Board:
    return Board(
        uid=Uid.SLOS,
        folder=Folder.SLOS,
        title="SLOs and error budgets",
        about="What was promised, what is left of each 30-day budget, how fast it goes and on what.",
        since="now-24h",
        variables=[
            Variable("service", "Service", "label_values(service_slo:objective:ratio, service)", several=True),
            Variable("slo", "Objective", "label_values(service_slo:objective:ratio, slo)", several=True),
        ],
        rows=[_table(), _burn(), _spent()],
    )


def _table() -> Row:
    def by(metric: str) -> str:
        return f"max by (service, slo) ({metric}{WHERE})"

    return Row(
        "Budgets",
        [
            panels.listing(
                title="Objectives and what is left",
                about="A row per service and objective: promise, what was bad in 30 days, budget left, burn rate now.",
                queries=[
                    Promql(by("service_slo:objective:ratio"), instant=True),
                    Promql(by("service_slo:error:ratio_rate30d"), instant=True),
                    Promql(by("service_slo:error_budget:remaining_ratio"), instant=True),
                    Promql(by("service_slo:error_budget:remaining_minutes"), instant=True),
                    Promql(by("service_slo:burn_rate:ratio1h"), instant=True),
                ],
                columns=["service", "slo", "Value #A", "Value #B", "Value #C", "Value #D", "Value #E"],
                renamed={
                    "service": "Service",
                    "slo": "Objective",
                    "Value #A": "Promised",
                    "Value #B": "Bad in 30 days",
                    "Value #C": "Budget left",
                    "Value #D": "Minutes left",
                    "Value #E": "Burn rate, 1 h",
                },
                units={"Minutes left": "m", "Burn rate, 1 h": "short"},
                limits={
                    "Budget left": BUDGET,
                    "Minutes left": [(panels.FROM_BOTTOM, RED), (0, GREEN)],
                    "Burn rate, 1 h": [(BURN_RATES["6h"], ORANGE), (BURN_RATES["1h"], RED)],
                },
                unit="percentunit",
                decimals=2,
                links=LINKS,
                series_link=OF_THE_ROW,
                height=12,
            ),
            panels.bars(
                title="Budget left",
                about="Share of the 30-day budget that is left, the worst first. Below 0 the promise is broken.",
                queries=[
                    Promql(
                        f"sort(max by (service, slo) (service_slo:error_budget:remaining_ratio{WHERE}))",
                        "{{service}} {{slo}}",
                        instant=True,
                    )
                ],
                unit="percentunit",
                links=LINKS,
                series_link=TO_SERVICE,
                thresholds=BUDGET,
                minimum=0,
                maximum=1,
                height=10,
            ),
            panels.graph(
                title="Budget left over time",
                about="A steady slope is planned wear; a cliff is an incident.",
                queries=[
                    Promql(
                        f"max by (service, slo) (service_slo:error_budget:remaining_ratio{WHERE})",
                        "{{service}} {{slo}}",
                    )
                ],
                unit="percentunit",
                links=LINKS,
                series_link=TO_SERVICE,
                thresholds=BUDGET,
                height=10,
            ),
        ],
    )


def _burn() -> Row:
    def ratio(window: str) -> str:
        allowed = f"(1 - service_slo:objective:ratio{WHERE})"
        return (
            f"max by (service, slo) (service_slo:error:ratio_rate{window}{WHERE} "
            f"/ on (service, namespace, slo) group_left () {allowed})"
        )

    def panel(title: str, about: str, window: str) -> panels.Panel:
        return panels.graph(
            title=title,
            about=about,
            queries=[Promql(ratio(window), "{{service}} {{slo}}")],
            unit="short",
            links=LINKS,
            series_link=TO_SERVICE,
            thresholds=[(BURN_RATES[window], RED)],
        )

    return Row(
        "Burn rates: 1 spends exactly the budget in 30 days",
        [
            panel("Over 1 hour", "At 14.4 a month's budget is gone in two days: this pages.", "1h"),
            panel("Over 6 hours", "At 6 a month's budget is gone in five days: this pages.", "6h"),
            panel("Over 1 day", "At 3 a month's budget is gone in ten days: a warning.", "1d"),
            panel("Over 3 days", "At 1 the budget just lasts the month: a warning.", "3d"),
        ],
    )


def _spent() -> Row:
    lost = f"sum by (service, method, route) (service_route:http_errors:rate5m{SERVICES})"
    return Row(
        "What spends it",
        [
            panels.graph(
                title="Errors, by endpoint",
                about="Requests per second answered 5xx: the ten endpoints that spend most.",
                queries=[Promql(f"topk(10, {lost} > 0)", "{{service}} {{method}} {{route}}")],
                unit="reqps",
                links=LINKS,
                series_link=TO_SERVICE,
                when_empty="No errors in this time range",
            ),
            panels.graph(
                title="Slowest endpoints",
                about="The ten endpoints with the highest 95th percentile.",
                queries=[
                    Promql(
                        "topk(10, max by (service, method, route) "
                        f"(service_route:http_request_duration_seconds:p95_rate5m{SERVICES}))",
                        "{{service}} {{method}} {{route}}",
                    )
                ],
                unit="s",
                links=LINKS,
                series_link=TO_SERVICE,
                width=HALF,
                thresholds=panels.above("HighLatency", "CriticalLatency"),
            ),
            panels.timeline(
                title="Objective alerts",
                about="When which promise was broken, or its budget burned too fast. Empty is good.",
                queries=[
                    Promql(
                        "max by (alertname, service) "
                        '(ALERTS{alertstate="firing", category="slo", service=~"$service"})',
                        "{{service}} {{alertname}}",
                    )
                ],
                unit="none",
                links=LINKS,
                series_link=TO_SERVICE,
                width=FULL_WIDTH,
                mappings=[(1, "firing", RED)],
                when_empty="No promise was broken in this time range",
            ),
        ],
    )
