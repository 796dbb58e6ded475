"""The first page: is the platform well, and if not, which service is it."""

from collections.abc import Collection

from rendering.dashboards import panels
from rendering.dashboards.board import LIVE, Annotation, Board, Row
from rendering.dashboards.links import (
    TO_ALERTS,
    TO_LOGS,
    TO_SERVICE,
    TO_SERVICES,
    TO_SLOS,
    TO_TRACES,
    TO_WORKLOADS,
    Uid,
    to,
)
from rendering.dashboards.panels import FULL_WIDTH, GREEN, HALF, ORANGE, QUARTER, RED
from rendering.dashboards.queries import Promql
from rendering.dashboards.slos import BUDGET
from rendering.datasources import Folder

TO_BUSINESS = to(Uid.BUSINESS, "Business")
TO_POSTGRESQL = to(Uid.POSTGRESQL, "PostgreSQL")
TO_REDIS = to(Uid.REDIS, "Redis")
TO_PROMETHEUS = to(Uid.PROMETHEUS, "Prometheus")


def board(service_count: int, absent_jobs: Collection[str] = ()) -> Board:
    """The page that Grafana opens with.

    service_count: how many services are declared, each of which has a tile.
    absent_jobs: scrape jobs that this stack does not have, such as one of a database that is not watched.
    """
    databases = _databases(absent_jobs)
    return Board(
        uid=Uid.OVERVIEW,
        folder=Folder.PLATFORM,
        title="Platform overview",
        about="Health of every service, traffic, errors, latency, resources, business and databases at a glance. "
        "Click a service for its details.",
        refresh=LIVE,
        annotations=[
            Annotation(
                "Service alerts",
                'max by (alertname, service) (ALERTS{alertstate="firing", severity="critical", service!=""})',
                "red",
                "{{alertname}} {{service}}",
            )
        ],
        rows=[
            _health(service_count),
            _traffic(),
            _resources(),
            _business(),
            *([databases] if databases.panels else []),
            _stack(),
        ],
    )


def _health(service_count: int) -> Row:
    return Row(
        "Health",
        [
            panels.tiles(
                title=f"The {service_count} services",
                about="Share of each service's instances that answer. Green: all. Orange: some. Red: none.",
                queries=[Promql("min by (service) (service:up:ratio)", "{{service}}")],
                unit="percentunit",
                links=(TO_SERVICES, TO_WORKLOADS),
                series_link=TO_SERVICE,
                thresholds=[(panels.FROM_BOTTOM, RED), (0.01, ORANGE), (1, GREEN)],
            ),
            panels.number(
                title="Critical alerts",
                about="Critical alerts that stand now. Each has paged somebody.",
                queries=[Promql('count(ALERTS{alertstate="firing", severity="critical"}) or vector(0)')],
                unit="short",
                links=(TO_ALERTS,),
                series_link=TO_ALERTS,
                thresholds=[(1, RED)],
            ),
            panels.number(
                title="Warnings",
                about="Warnings that stand now.",
                queries=[Promql('count(ALERTS{alertstate="firing", severity="warning"}) or vector(0)')],
                unit="short",
                links=(TO_ALERTS,),
                series_link=TO_ALERTS,
                thresholds=[(1, ORANGE)],
            ),
            panels.number(
                title="Requests a second",
                about="Requests to all services together; those that services make of each other count too.",
                queries=[Promql("platform:http_requests:rate5m")],
                unit="reqps",
                links=(TO_SERVICES, TO_TRACES),
            ),
            panels.number(
                title="Error rate",
                about="Share of all requests answered 5xx over five minutes.",
                queries=[Promql("platform:http_errors:ratio_rate5m")],
                unit="percentunit",
                links=(TO_SERVICES, TO_LOGS),
                thresholds=panels.near("HighErrorRate", 0.2),
                decimals=2,
            ),
            panels.number(
                title="Slowest service, p95",
                about="The 95th percentile of the slowest service over five minutes. The usual promise is 0.5 s.",
                queries=[Promql("max(service:http_request_duration_seconds:p95_rate5m)")],
                unit="s",
                links=(TO_SERVICES, TO_TRACES),
                thresholds=panels.near("HighLatency", 0.5),
            ),
            panels.number(
                title="Least budget left",
                about="The smallest share of a 30-day error budget that any service has left. At 0: stop releasing.",
                queries=[Promql("min(service_slo:error_budget:remaining_ratio)")],
                unit="percentunit",
                links=(TO_SLOS,),
                thresholds=BUDGET,
            ),
        ],
    )


def _traffic() -> Row:
    return Row(
        "Traffic, errors, latency",
        [
            panels.graph(
                title="Requests, by service",
                about="Requests per second. The top edge is the whole platform.",
                queries=[Promql("sum by (service) (service:http_requests:rate5m)", "{{service}}")],
                unit="reqps",
                links=(TO_SERVICES, TO_TRACES),
                series_link=TO_SERVICE,
                stacked=True,
                thresholds=panels.above("HighRequestRate"),
            ),
            panels.graph(
                title="Error rate, by service",
                about="Share of requests answered 5xx. Dashed: HighErrorRate (5 %) and CriticalErrorRate (10 %).",
                queries=[Promql("max by (service) (service:http_errors:ratio_rate5m)", "{{service}}")],
                unit="percentunit",
                links=(TO_SERVICES, TO_LOGS),
                series_link=TO_SERVICE,
                thresholds=panels.above("HighErrorRate", "CriticalErrorRate"),
            ),
            panels.graph(
                title="Response time p95, by service",
                about="95 of 100 requests were quicker. Dashed: HighLatency (1 s) and CriticalLatency (3 s).",
                queries=[Promql("max by (service) (service:http_request_duration_seconds:p95_rate5m)", "{{service}}")],
                unit="s",
                links=(TO_SERVICES, TO_TRACES),
                series_link=TO_SERVICE,
                thresholds=panels.above("HighLatency", "CriticalLatency"),
            ),
            panels.timeline(
                title="Alerts of services",
                about="When which alert stood for which service: orange pending, red firing. Empty is good.",
                queries=[
                    Promql(
                        'max by (alertname, service) (ALERTS{alertstate="pending", service!=""} * 1 '
                        'or ALERTS{alertstate="firing", service!=""} * 2)',
                        "{{service}} {{alertname}}",
                    )
                ],
                unit="none",
                links=(TO_ALERTS,),
                series_link=TO_SERVICE,
                width=HALF,
                mappings=[(1, "pending", ORANGE), (2, "firing", RED)],
                when_empty="No alerts of services in this time range",
            ),
        ],
    )


def _resources() -> Row:
    return Row(
        "CPU and memory against limits",
        [
            panels.graph(
                title="Memory of the limit, by service",
                about="The fullest container's share of its memory limit. At 1 it is killed.",
                queries=[
                    Promql(
                        "max by (service) (service:memory_limit:ratio and on (service) platform:service:info)",
                        "{{service}}",
                    )
                ],
                unit="percentunit",
                links=(TO_WORKLOADS, TO_SERVICES),
                series_link=TO_SERVICE,
                thresholds=panels.above("HighMemoryUsage", "CriticalMemoryUsage"),
            ),
            panels.graph(
                title="CPU of the limit, by service",
                about="The busiest container's share of its CPU limit. At 1 it is slowed down.",
                queries=[
                    Promql(
                        "max by (service) (service:cpu_limit:ratio_rate5m and on (service) platform:service:info)",
                        "{{service}}",
                    )
                ],
                unit="percentunit",
                links=(TO_WORKLOADS, TO_SERVICES),
                series_link=TO_SERVICE,
                thresholds=panels.above("HighCPUUsage", "CriticalCPUUsage"),
            ),
        ],
    )


def _business() -> Row:
    return Row(
        "Business",
        [
            panels.number(
                title="Blueprints created in the last hour",
                about="Orange for two hours: LowBlueprintCreationRate.",
                queries=[Promql("platform:blueprints_created:increase1h")],
                unit="short",
                links=(TO_BUSINESS, to(Uid.SERVICE, "blueprint-service", service="blueprint-service")),
                width=QUARTER,
                thresholds=[(panels.FROM_BOTTOM, ORANGE), (panels.Alert("LowBlueprintCreationRate"), GREEN)],
                decimals=0,
            ),
            panels.number(
                title="IaC generations that failed",
                about="Share of generations that failed, over 15 minutes. Red: HighIACGenerationFailureRate.",
                queries=[Promql("platform:iac_generation_failures:ratio_rate15m")],
                unit="percentunit",
                links=(TO_BUSINESS, to(Uid.SERVICE, "iac-generator", service="iac-generator")),
                width=QUARTER,
                thresholds=panels.near("HighIACGenerationFailureRate", 0.5),
            ),
            panels.number(
                title="Guardrail violations a second",
                about="Violations found by guardrails. Red: GuardrailsViolationSpike may fire.",
                queries=[Promql("platform:guardrails_violations:rate5m")],
                unit="cps",
                links=(TO_BUSINESS, to(Uid.SERVICE, "guardrails-engine", service="guardrails-engine")),
                width=QUARTER,
                thresholds=[(panels.Alert("GuardrailsViolationSpike"), RED)],
            ),
            panels.number(
                title="Cost estimates in the last hour",
                about="Estimates made by the costing service.",
                queries=[Promql("platform:cost_estimates:increase1h")],
                unit="short",
                links=(TO_BUSINESS, to(Uid.SERVICE, "costing-service", service="costing-service")),
                width=QUARTER,
                decimals=0,
            ),
        ],
    )


def _databases(absent_jobs: Collection[str]) -> Row:
    by_job = {"postgres-exporter": _postgresql(), "redis-exporter": _redis()}
    return Row("Databases", [panel for job, panel in by_job.items() if job not in absent_jobs])


def _postgresql() -> panels.Panel:
    return panels.graph(
        title="Database connections",
        about="Open connections of PostgreSQL, and how many it allows. Dashed: HighDatabaseConnections.",
        queries=[
            Promql("sum(pg_stat_database_numbackends)", "open"),
            Promql("sum(pg_settings_max_connections)", "allowed"),
        ],
        unit="short",
        links=(TO_POSTGRESQL, TO_ALERTS),
        series_link=TO_POSTGRESQL,
        thresholds=[(panels.Alert("HighDatabaseConnections"), RED)],
        width=HALF,
    )


def _redis() -> panels.Panel:
    return panels.graph(
        title="Redis clients and memory",
        about="Connections to Redis, and megabytes it uses.",
        queries=[
            Promql("sum(redis_connected_clients)", "clients"),
            Promql("sum(redis_memory_used_bytes) / 1e6", "megabytes"),
        ],
        unit="short",
        links=(TO_REDIS, TO_ALERTS),
        series_link=TO_REDIS,
        width=HALF,
    )


def _stack() -> Row:
    return Row(
        "Who watches",
        [
            panels.tiles(
                title="Observability stack",
                about="Share of each tool's instances that answer Prometheus. What is red here is not watched.",
                queries=[
                    Promql(
                        'avg by (job) (up{job=~"prometheus|alertmanager|grafana|loki|promtail|jaeger.*|.*-exporter'
                        '|kube-state-metrics"})',
                        "{{job}}",
                    )
                ],
                unit="percentunit",
                links=(TO_PROMETHEUS, TO_ALERTS),
                series_link=TO_PROMETHEUS,
                thresholds=[(panels.FROM_BOTTOM, RED), (0.01, ORANGE), (1, GREEN)],
                width=FULL_WIDTH - 4,  # a tile for each of a dozen tools
            ),
            panels.number(
                title="Targets down",
                about="Targets of any kind that did not answer the last scrape.",
                queries=[Promql("count(up == 0) or vector(0)", instant=True)],
                unit="short",
                sparkline=False,
                links=(TO_PROMETHEUS,),
                width=4,
                thresholds=[(1, RED)],
            ),
        ],
    )
