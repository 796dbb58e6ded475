"""One service in depth: requests, latency, resources, objectives, logs and traces, its changes and alerts marked."""

from rendering.dashboards import panels
from rendering.dashboards.board import LIVE, Annotation, Board, Figure, Marks, Row, Variable
from rendering.dashboards.links import TO_ALERTS, TO_OVERVIEW, TO_SLOS, TO_WORKLOADS, Link, Uid, explore, to
from rendering.dashboards.panels import FULL_WIDTH, GREEN, HALF, ORANGE, QUARTER, RED, THIRD
from rendering.dashboards.queries import Logql, Promql, Traces, exemplars_of
from rendering.dashboards.slos import BUDGET, BURN_RATES
from rendering.datasources import LOKI, PROMETHEUS, Folder

ONE = '{namespace=~"$namespace", service="$service"}'
PODS = '{namespace=~"$namespace", service="$service", pod=~"$pod"}'
ROUTES = '{namespace=~"$namespace", service="$service", route=~"$route"}'
RAW = '{job="services", namespace=~"$namespace", service="$service", pod=~"$pod", route=~"$route"}'
LOGS = '{namespace=~"$namespace", service="$service", pod=~"$pod"}'

TO_ITS_LOGS = to(Uid.LOGS, "Logs of this service", "namespace", "pod", service="$service")
TO_ITS_TRACES = to(Uid.TRACES, "Traces of this service", service="$service")
TO_ITS_SLO = to(Uid.SLOS, "Objectives of this service", service="$service")
ERRORS_IN_EXPLORE = explore("Errors in Explore", LOKI, '{service="${service}"} | level=~"error|fatal"')
METRICS_IN_EXPLORE = explore(
    "Metrics in Explore",
    PROMETHEUS,
    'sum by (route, status) (rate(http_requests_total{service="${service}"}[$__rate_interval]))',
)
REQUESTS: tuple[Link, ...] = (TO_ITS_TRACES, TO_ITS_LOGS, METRICS_IN_EXPLORE)


def board() -> Board:
    return Board(
        uid=Uid.SERVICE,
        folder=Folder.SERVICES,
        title="Service details",
        about="One service in depth. Choose it at the top; pods and routes narrow every panel they can.",
        refresh=LIVE,
        variables=[
            # Each environment has a Grafana of its own: the only value says which one this is.
            Variable("environment", "Environment", "label_values(grafana_environment_info, environment)"),
            Variable("namespace", "Namespace", "label_values(platform:service:info, namespace)", several=True),
            Variable("service", "Service", 'label_values(platform:service:info{namespace=~"$namespace"}, service)'),
            Variable(
                "pod",
                "Pod",
                'label_values(up{job="services", namespace=~"$namespace", service="$service"}, pod)',
                several=True,
            ),
            Variable("route", "Route", f"label_values(service_route:http_requests:rate5m{ONE}, route)", several=True),
            Figure("slow_ms", f"round(max(service:slo_latency_objective:seconds{ONE}) * 1000)"),
        ],
        annotations=[
            Annotation(
                "Deployments",
                "changes(kube_deployment_status_observed_generation"
                '{namespace=~"$namespace", deployment="$service"}[$__rate_interval]) > 0',
                "blue",
                "{{deployment}} changed: rollout, rollback or scaling",
            ),
            Marks("Deliveries", ("deployment", "$service"), "purple"),
            Annotation(
                "Alerts",
                'max by (alertname, severity) (ALERTS{alertstate="firing", service="$service"})',
                "red",
                "{{alertname}} ({{severity}})",
            ),
        ],
        rows=[_now(), _requests(), _latency(), _resources(), _objectives(), _logs(), _traces()],
    )


def _now() -> Row:
    return Row(
        "Now",
        [
            panels.number(
                title="Instances up",
                about="Share of its instances that answer. 0 also when none is left.",
                queries=[Promql(f"min(service:up:ratio{ONE})")],
                unit="percentunit",
                links=(TO_WORKLOADS, TO_ALERTS),
                thresholds=[(panels.FROM_BOTTOM, RED), (0.01, ORANGE), (1, GREEN)],
            ),
            panels.number(
                title="Requests a second",
                about="Requests per second over five minutes.",
                queries=[Promql(f"sum(service:http_requests:rate5m{ONE})")],
                unit="reqps",
                links=REQUESTS,
                thresholds=panels.above("HighRequestRate"),
            ),
            panels.number(
                title="Error rate",
                about="Share of requests answered 5xx over five minutes.",
                queries=[Promql(f"max(service:http_errors:ratio_rate5m{ONE})")],
                unit="percentunit",
                links=(ERRORS_IN_EXPLORE, *REQUESTS),
                thresholds=panels.near("HighErrorRate", 0.2),
                decimals=2,
            ),
            panels.number(
                title="Response time p95",
                about="95 of 100 requests over five minutes were quicker.",
                queries=[Promql(f"max(service:http_request_duration_seconds:p95_rate5m{ONE})")],
                unit="s",
                links=REQUESTS,
                thresholds=panels.near("HighLatency", 0.5),
            ),
            panels.number(
                title="Budget left",
                about="What is left of the 30-day budget of the objective that is worst off.",
                queries=[Promql(f"min(service_slo:error_budget:remaining_ratio{ONE})")],
                unit="percentunit",
                links=(TO_ITS_SLO,),
                thresholds=BUDGET,
            ),
            panels.number(
                title="Alerts",
                about="Alerts of this service that stand now.",
                queries=[Promql('count(ALERTS{alertstate="firing", service="$service"}) or vector(0)')],
                unit="short",
                links=(TO_ALERTS, TO_OVERVIEW),
                thresholds=[(1, RED)],
            ),
        ],
    )


def _requests() -> Row:
    by_route = f"sum by (method, route) (service_route:http_requests:rate5m{ROUTES})"
    failing = '{namespace=~"$namespace", service="$service", status=~"[45].."}'
    return Row(
        "Requests and errors",
        [
            panels.graph(
                title="Requests, by endpoint",
                about="Requests per second for each method and route.",
                queries=[Promql(by_route, "{{method}} {{route}}")],
                unit="reqps",
                links=REQUESTS,
                width=THIRD,
                stacked=True,
                thresholds=panels.above("HighRequestRate"),
            ),
            panels.graph(
                title="4xx and 5xx, by status",
                about="Failed requests per second. 4xx: the caller's doing; 5xx: ours.",
                queries=[Promql(f"sum by (status) (service_status:http_requests:rate5m{failing})", "{{status}}")],
                unit="reqps",
                links=(ERRORS_IN_EXPLORE, *REQUESTS),
                width=THIRD,
                when_empty="No failed requests in this time range",
            ),
            panels.graph(
                title="Error rate, by endpoint",
                about="Share of each endpoint's requests answered 5xx.",
                queries=[
                    Promql(
                        f"max by (method, route) (service_route:http_errors:ratio_rate5m{ROUTES})",
                        "{{method}} {{route}}",
                    )
                ],
                unit="percentunit",
                links=(ERRORS_IN_EXPLORE, *REQUESTS),
                width=THIRD,
                thresholds=[(panels.Alert("RouteErrorRateHigh"), RED)],
                when_empty="No errors in this time range",
            ),
        ],
    )


def _latency() -> Row:
    def recorded(percentile: str) -> str:
        return f"max(service:http_request_duration_seconds:{percentile}_rate5m{ONE})"

    return Row(
        "Latency",
        [
            panels.graph(
                title="Response time percentiles",
                about="Half, 95, 99 and 99.9 of 100 requests were quicker, all endpoints together.",
                queries=[
                    Promql(recorded("p50"), "p50"),
                    Promql(recorded("p95"), "p95"),
                    Promql(recorded("p99"), "p99"),
                    Promql(recorded("p999"), "p99.9"),
                    Promql(f"max(service:slo_latency_objective:seconds{ONE})", "objective"),
                ],
                unit="s",
                links=REQUESTS,
                width=HALF,
            ),
            panels.graph(
                title="Response time p95, by endpoint",
                about="95 of 100 requests to this endpoint were quicker.",
                queries=[
                    Promql(
                        f"max by (method, route) (service_route:http_request_duration_seconds:p95_rate5m{ROUTES})",
                        "{{method}} {{route}}",
                    )
                ],
                unit="s",
                links=REQUESTS,
                width=HALF,
                thresholds=panels.above("HighLatency", "CriticalLatency"),
            ),
            panels.latency_heatmap(
                title="Request durations, with traces",
                about="How many requests of the whole service took how long; darker is more. "
                "A dot is one request to the chosen pods and routes: click for its trace.",
                queries=[
                    exemplars_of(f"http_request_duration_seconds_bucket{RAW}"),
                    Promql(
                        f"sum by (le) (service_le:http_request_duration_seconds_bucket:rate5m{ONE})",
                        heatmap=True,
                    ),
                ],
                unit="s",
                links=REQUESTS,
            ),
        ],
    )


def _resources() -> Row:
    links = (TO_WORKLOADS, TO_ITS_LOGS, TO_ALERTS)
    return Row(
        "Resources",
        [
            panels.graph(
                title="Memory",
                about="Memory that counts against the limit, by pod, and that limit. At the limit it is killed.",
                queries=[
                    Promql(f"sum by (pod) (pod:memory_working_set_bytes:sum{PODS})", "{{pod}}"),
                    Promql(f"max(pod:memory_limit_bytes:sum{PODS})", "limit"),
                ],
                unit="bytes",
                links=links,
                width=QUARTER,
            ),
            panels.graph(
                title="CPU",
                about="Cores used, by pod, and the limit of one pod. At the limit it is slowed down.",
                queries=[
                    Promql(f"sum by (pod) (pod:cpu_usage_cores:rate5m{PODS})", "{{pod}}"),
                    Promql(f"max(pod:cpu_limit_cores:sum{PODS})", "limit"),
                ],
                unit="short",
                links=links,
                width=QUARTER,
            ),
            panels.graph(
                title="Network",
                about="Bytes per second received and sent, by pod.",
                queries=[
                    Promql(f"sum by (pod) (pod:network_receive_bytes:rate5m{PODS})", "{{pod}} in"),
                    Promql(f"sum by (pod) (pod:network_transmit_bytes:rate5m{PODS})", "{{pod}} out"),
                ],
                unit="Bps",
                links=links,
                width=QUARTER,
            ),
            panels.graph(
                title="Restarts",
                about="Restarts within 15 minutes, by pod. More than two raise PodRestarting.",
                queries=[Promql(f"max by (pod) (pod:restarts:increase15m{PODS})", "{{pod}}")],
                unit="short",
                links=links,
                width=QUARTER,
                thresholds=[(panels.Alert("PodRestarting"), RED)],
            ),
        ],
    )


def _objectives() -> Row:
    band = '{{service="$service", namespace=~"$namespace", signal="{}"}}'.format
    return Row(
        "Objectives and what is usual",
        [
            panels.graph(
                title="Budget left, by objective",
                about="Minutes of the 30-day budget that are left, by objective. Falling fast means it burns now.",
                queries=[Promql(f"max by (slo) (service_slo:error_budget:remaining_minutes{ONE})", "{{slo}}")],
                unit="m",
                links=(TO_ITS_SLO, TO_SLOS),
                width=THIRD,
                thresholds=[(panels.FROM_BOTTOM, RED), (0, GREEN)],
            ),
            panels.graph(
                title="Burn rate",
                about="How many times faster than allowed the budget is spent, over an hour. Dashed: 6 and 14.4 page.",
                queries=[Promql(f"max by (slo) (service_slo:burn_rate:ratio1h{ONE})", "{{slo}}")],
                unit="short",
                links=(TO_ITS_SLO, TO_ALERTS),
                width=THIRD,
                thresholds=[(BURN_RATES["6h"], ORANGE), (BURN_RATES["1h"], RED)],
            ),
            panels.graph(
                title="Requests and their usual band",
                about="Requests per second between what is usual at this hour of the week. No band before two weeks.",
                queries=[
                    Promql(f"max(service_signal:value:current{band('request_rate')})", "now"),
                    Promql(f"max(service_signal:band:upper{band('request_rate')})", "usually at most"),
                    Promql(f"max(service_signal:band:lower{band('request_rate')})", "usually at least"),
                ],
                unit="reqps",
                links=REQUESTS,
                width=THIRD,
            ),
        ],
    )


def _logs() -> Row:
    links = (TO_ITS_LOGS, ERRORS_IN_EXPLORE)
    return Row(
        "Logs",
        [
            panels.graph(
                title="Lines, by level",
                about="Log lines per second by level.",
                queries=[Logql(f"sum by (level) (rate({LOGS}[$__auto]))", "{{level}}")],
                unit="cps",
                links=links,
                width=THIRD,
                stacked=True,
            ),
            panels.lines(
                title="Latest errors",
                about="Latest lines of level error and above. Unfold one for the link to its trace.",
                queries=[Logql(f'{LOGS} | level=~"error|fatal"', lines=100)],
                unit="short",
                links=links,
                width=2 * THIRD,
                height=8,
                when_empty="No errors in this time range",
            ),
            panels.lines(
                title="Its log",
                about="Latest lines of the chosen pods.",
                queries=[Logql(LOGS)],
                unit="short",
                links=links,
                width=FULL_WIDTH,
            ),
        ],
    )


def _traces() -> Row:
    return Row(
        "Traces",
        [
            panels.found(
                title="Slow traces",
                about="Traces through this service that took longer than its objective. Click one for where time went.",
                queries=[Traces("$service", min_duration="${slow_ms}ms")],
                unit="none",
                links=(TO_ITS_TRACES,),
                width=HALF,
                when_empty="No slow traces in this time range",
            ),
            panels.found(
                title="Failed traces",
                about="Traces through this service with an error in one of their spans.",
                queries=[Traces("$service", tags="error=true")],
                unit="none",
                links=(TO_ITS_TRACES, ERRORS_IN_EXPLORE),
                width=HALF,
                when_empty="No failed traces in this time range",
            ),
        ],
    )
