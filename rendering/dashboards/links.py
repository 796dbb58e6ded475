"""Names of the dashboards, and every way a panel leads on: to a dashboard, to a service, to Explore, to a runbook."""

import json
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from rendering.dashboards.queries import of_tool, where
from rendering.datasources import LOKI, Datasource


class Uid(StrEnum):
    """Uids of the dashboards: part of their URLs, so a change breaks what people bookmarked."""

    OVERVIEW = "overview"
    ALERTS = "alerts"
    SERVICE = "service-details"
    LOGS = "logs"
    TRACES = "traces"
    SLOS = "slos"
    BUSINESS = "business"
    NODES = "kubernetes-nodes"
    WORKLOADS = "kubernetes-workloads"
    VOLUMES = "kubernetes-volumes"
    POSTGRESQL = "postgresql"
    REDIS = "redis"
    PROMETHEUS = "prometheus"
    ALERTMANAGER = "alertmanager"
    GRAFANA = "grafana"
    LOKI = "loki"
    COLLECTOR = "log-collector"
    JAEGER = "jaeger"
    OPENSEARCH = "opensearch"
    S3 = "s3"
    USAGE = "usage"
    COST = "cost"


@dataclass(frozen=True)
class Link:
    """Where a panel leads. Grafana fills variables such as `${service}` in the url when it is clicked."""

    title: str
    url: str


def leads_to(url: str) -> str | None:
    """Uid of the dashboard that a link opens; None where it opens something else."""
    return url.removeprefix("/d/").partition("?")[0] if url.startswith("/d/") else None


def to(uid: Uid, title: str, *carried: str, **variables: str) -> Link:
    """Link to a dashboard at the same time range, with `variables` set: `to(Uid.LOGS, "Logs", service="$service")`.

    carried: variables of several values that both dashboards have, handed over as they are.
    """
    values = [f"var-{name}={value}" for name, value in variables.items()]
    values += [f"${{{name}:queryparam}}" for name in carried]
    return Link(title, "&".join([f"/d/{uid}?${{__url_time_range}}", *values]))


TO_SERVICE = to(Uid.SERVICE, "Details of this service", service="${__field.labels.service}")
"""For a panel with one series per service: the details of the one clicked."""

TO_OVERVIEW = to(Uid.OVERVIEW, "Overview")
TO_SERVICES = to(Uid.SERVICE, "Service details")
TO_LOGS = to(Uid.LOGS, "Logs")
TO_TRACES = to(Uid.TRACES, "Traces")
TO_ALERTS = to(Uid.ALERTS, "Alerts")
TO_SLOS = to(Uid.SLOS, "SLOs and error budgets")
TO_WORKLOADS = to(Uid.WORKLOADS, "Workloads")
TO_NODES = to(Uid.NODES, "Nodes")
TO_VOLUMES = to(Uid.VOLUMES, "Volumes")


def explore(title: str, datasource: Datasource, expression: str) -> Link:
    """Link to Explore with a query typed in; variables in `expression` are filled in when clicked."""
    kind = {"refId": "A", "datasource": {"type": datasource.type, "uid": datasource.uid}, "expr": expression}
    pane = {
        "left": {
            "datasource": datasource.uid,
            "queries": [kind],
            "range": {"from": "${__from}", "to": "${__to}"},
        }
    }
    # `$`, `{` and `}` stay readable for Grafana, which fills variables before the browser decodes the rest.
    encoded = quote(json.dumps(pane, separators=(",", ":")), safe="${}:,")
    return Link(title, f"/explore?schemaVersion=1&orgId=1&panes={encoded}")


def logs_of(tool: str) -> Link:
    """The log lines of one of the stack's own workloads, in Explore."""
    return explore(f"Logs of {tool}", LOKI, where(of_tool(tool)))
