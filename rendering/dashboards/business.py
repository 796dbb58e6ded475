"""What the platform is for: blueprints, generated infrastructure code, guardrails, cost estimates."""

from rendering.dashboards import panels
from rendering.dashboards.board import Board, Row
from rendering.dashboards.links import TO_ALERTS, TO_OVERVIEW, Link, Uid, to
from rendering.dashboards.panels import GREEN, HALF, ORANGE, QUARTER, RED, THIRD
from rendering.dashboards.queries import Promql
from rendering.datasources import Folder


def board() -> Board:
    return Board(
        uid=Uid.BUSINESS,
        folder=Folder.BUSINESS,
        title="Business metrics",
        about="What the platform does for its users, and how well it succeeds.",
        since="now-6h",
        rows=[_now(), _blueprints(), _generations(), _guardrails(), _costs()],
    )


def _links(service: str) -> tuple[Link, ...]:
    """The service that does the work, and where its trouble shows."""
    return (to(Uid.SERVICE, f"Details of {service}", service=service), TO_ALERTS, TO_OVERVIEW)


def _now() -> Row:
    return Row(
        "Now",
        [
            panels.number(
                title="Blueprints in the last hour",
                about="Blueprints created. LowBlueprintCreationRate fires under one an hour for two hours.",
                queries=[Promql("platform:blueprints_created:increase1h")],
                unit="short",
                links=_links("blueprint-service"),
                width=QUARTER,
                thresholds=[(panels.FROM_BOTTOM, ORANGE), (panels.Alert("LowBlueprintCreationRate"), GREEN)],
                decimals=0,
            ),
            panels.number(
                title="Generations that succeeded",
                about="Share of IaC generations that succeeded over 15 minutes.",
                queries=[Promql("platform:iac_generation_successes:ratio_rate15m")],
                unit="percentunit",
                links=_links("iac-generator"),
                width=QUARTER,
                thresholds=[
                    (panels.FROM_BOTTOM, RED),
                    (panels.Alert("HighIACGenerationFailureRate", times=-1, plus=1), ORANGE),
                    (panels.Alert("HighIACGenerationFailureRate", times=-0.5, plus=1), GREEN),
                ],
            ),
            panels.number(
                title="Checks that found a violation",
                about="Share of guardrail checks that found something, over five minutes.",
                queries=[Promql("platform:guardrails_violations:rate5m / (platform:guardrails_checks:rate5m > 0)")],
                unit="percentunit",
                links=_links("guardrails-engine"),
                width=QUARTER,
            ),
            panels.number(
                title="Cost estimates in the last hour",
                about="Estimates made.",
                queries=[Promql("platform:cost_estimates:increase1h")],
                unit="short",
                links=_links("costing-service"),
                width=QUARTER,
                decimals=0,
            ),
        ],
    )


def _blueprints() -> Row:
    return Row(
        "Blueprints",
        [
            panels.graph(
                title="Blueprints created",
                about="Created within the hour before. Compare with the same hour of last week.",
                queries=[
                    Promql("platform:blueprints_created:increase1h", "this week"),
                    Promql("platform:blueprints_created:increase1h offset 1w", "a week ago"),
                ],
                unit="short",
                links=_links("blueprint-service"),
                width=HALF,
                thresholds=[(panels.FROM_BOTTOM, ORANGE), (panels.Alert("LowBlueprintCreationRate"), GREEN)],
            ),
            panels.graph(
                title="Validation time, p95",
                about="95 of 100 validations were quicker. BlueprintValidationSlow says when it is too long.",
                queries=[Promql("platform:blueprint_validation_duration_seconds:p95_rate5m", "p95")],
                unit="s",
                links=_links("blueprint-service"),
                width=HALF,
                thresholds=panels.above("BlueprintValidationSlow"),
            ),
        ],
    )


def _generations() -> Row:
    return Row(
        "Infrastructure code",
        [
            panels.graph(
                title="Generations",
                about="IaC generations per second over 15 minutes.",
                queries=[
                    Promql("platform:iac_generations:rate15m", "all"),
                    Promql("platform:iac_generation_successes:rate15m", "succeeded"),
                    Promql("platform:iac_generation_failures:rate15m", "failed"),
                ],
                unit="ops",
                links=_links("iac-generator"),
                width=HALF,
            ),
            panels.graph(
                title="Share that failed",
                about="Dashed: HighIACGenerationFailureRate, over 10 % for 30 minutes.",
                queries=[Promql("platform:iac_generation_failures:ratio_rate15m", "failed")],
                unit="percentunit",
                links=_links("iac-generator"),
                width=HALF,
                thresholds=[(panels.Alert("HighIACGenerationFailureRate"), RED)],
            ),
        ],
    )


def _guardrails() -> Row:
    return Row(
        "Guardrails",
        [
            panels.graph(
                title="Checks and violations",
                about="Checks per second and the violations they found. Dashed: GuardrailsViolationSpike.",
                queries=[
                    Promql("platform:guardrails_checks:rate5m", "checks"),
                    Promql("platform:guardrails_violations:rate5m", "violations"),
                ],
                unit="ops",
                links=_links("guardrails-engine"),
                width=HALF,
                thresholds=[(panels.Alert("GuardrailsViolationSpike"), RED)],
            ),
            panels.graph(
                title="Violations against last week",
                about="Violations per second over an hour. Three times last week's same hour raise the alert too.",
                queries=[
                    Promql("platform:guardrails_violations:rate1h", "this week"),
                    Promql("platform:guardrails_violations:rate1h offset 1w", "a week ago"),
                    Promql("3 * platform:guardrails_violations:rate1h offset 1w", "three times a week ago"),
                ],
                unit="ops",
                links=_links("guardrails-engine"),
                width=HALF,
            ),
        ],
    )


def _costs() -> Row:
    return Row(
        "Cost estimates and usage",
        [
            panels.graph(
                title="Cost estimates",
                about="Estimates made within the hour before.",
                queries=[Promql("platform:cost_estimates:increase1h", "estimates")],
                unit="short",
                links=_links("costing-service"),
                width=THIRD,
            ),
            panels.graph(
                title="Requests, by team",
                about="Requests per second to the services of each team.",
                queries=[Promql("team:http_requests:rate5m", "{{team}}")],
                unit="reqps",
                links=_links("api-gateway"),
                width=THIRD,
                stacked=True,
            ),
            panels.graph(
                title="Most used endpoints of the gateway",
                about="Requests per second by endpoint, as users call them.",
                queries=[
                    Promql(
                        'topk(10, sum by (method, route) (service_route:http_requests:rate5m{service="api-gateway"}))',
                        "{{method}} {{route}}",
                    )
                ],
                unit="reqps",
                links=_links("api-gateway"),
                width=THIRD,
            ),
        ],
    )
