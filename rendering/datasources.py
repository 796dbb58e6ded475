"""Grafana's provisioned datasources and the correlations between them, and the providers of its dashboard folders.

Every datasource is one of the constants below: dashboards and provisioning refer to the object, so that a uid is
written once. The correlations are a contract that people rely on: an exemplar opens its trace, a trace its logs and its
metrics, a log line its trace.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rendering.documents import dump

TRACE_LABEL = "trace_id"
"""Name of the trace id on exemplars (label) and on log lines (structured metadata)."""

DASHBOARDS_DIRECTORY = "/etc/grafana/dashboards"
RESCAN_SECONDS = 30


@dataclass(frozen=True)
class Datasource:
    """Identity of a provisioned datasource: `uid` in every reference, `type` is Grafana's plugin id."""

    uid: str
    type: str
    name: str


PROMETHEUS = Datasource(uid="prometheus", type="prometheus", name="Prometheus")
LOKI = Datasource(uid="loki", type="loki", name="Loki")
JAEGER = Datasource(uid="jaeger", type="jaeger", name="Jaeger")
ALERTMANAGER = Datasource(uid="alertmanager", type="alertmanager", name="Alertmanager")
DATASOURCES = (PROMETHEUS, LOKI, JAEGER, ALERTMANAGER)


class Folder(StrEnum):
    """Dashboard folders, in the order people meet them."""

    PLATFORM = "Platform"
    SERVICES = "Services"
    SLOS = "SLOs"
    BUSINESS = "Business"
    INFRASTRUCTURE = "Infrastructure"
    OBSERVABILITY = "Observability"

    @property
    def slug(self) -> str:
        """Name of the folder's directory and ending of its ConfigMap's name."""
        return self.value.lower()

    @property
    def uid(self) -> str:
        """Never that of a dashboard: Grafana keeps both in one table."""
        return f"folder-{self.slug}"


@dataclass(frozen=True, kw_only=True)
class DatasourceUrls:
    """Where Grafana's server (not the browser) reaches each tool, for example `http://prometheus.monitoring:9090`."""

    prometheus: str
    loki: str
    jaeger: str
    alertmanager: str
    loki_tenant: str | None = None
    """Whose lines are shown, where Loki has tenants."""
    scrape_interval_seconds: int = 15
    """Lower limit of a panel's resolution: a finer one would show gaps."""

    def __post_init__(self) -> None:
        for name in ("prometheus", "loki", "jaeger", "alertmanager"):
            url = getattr(self, name)
            if not url.startswith(("http://", "https://")):
                raise ValueError(f"datasources.{name} is {url!r}; write a URL that begins with http:// or https://")
        if self.scrape_interval_seconds < 1:
            raise ValueError(
                f"datasources.scrape_interval_seconds is {self.scrape_interval_seconds}; write 1 or more (seconds)"
            )


def render_datasources(urls: DatasourceUrls) -> str:
    """The file for provisioning/datasources. Grafana expands `$NAME` in it, so a literal `$` is written `$$`."""
    entries = [
        _entry(PROMETHEUS, urls.prometheus, _prometheus(urls.scrape_interval_seconds), isDefault=True),
        _loki_entry(urls),
        _entry(JAEGER, urls.jaeger, _jaeger()),
        _entry(ALERTMANAGER, urls.alertmanager, {"implementation": "prometheus", "handleGrafanaManagedAlerts": False}),
    ]
    # Without `prune`, a datasource that is renamed here would stay in Grafana's database for ever.
    return dump({"apiVersion": 1, "prune": True, "datasources": entries})


def render_providers() -> str:
    """The file for provisioning/dashboards: one provider per folder, each reading one directory."""
    providers = [
        {
            "name": folder.slug,
            "orgId": 1,
            "folder": folder.value,
            "folderUid": folder.uid,
            "type": "file",
            "disableDeletion": False,
            # An edit in the browser would be overwritten by the next rescan: the source is the repository.
            "allowUiUpdates": False,
            "updateIntervalSeconds": RESCAN_SECONDS,
            "options": {"path": f"{DASHBOARDS_DIRECTORY}/{folder.slug}"},
        }
        for folder in Folder
    ]
    return dump({"apiVersion": 1, "providers": providers})


def _entry(datasource: Datasource, url: str, json_data: dict[str, Any], **extra: Any) -> dict[str, Any]:
    return {
        "name": datasource.name,
        "uid": datasource.uid,
        "type": datasource.type,
        "access": "proxy",
        "url": url,
        "editable": False,
        "jsonData": json_data,
        **extra,
    }


def _prometheus(scrape_interval_seconds: int) -> dict[str, Any]:
    return {
        "httpMethod": "POST",  # long expressions do not fit a URL
        "prometheusType": "Prometheus",
        "timeInterval": f"{scrape_interval_seconds}s",
        "manageAlerts": True,
        "alertmanagerUid": ALERTMANAGER.uid,
        "incrementalQuerying": True,
        "incrementalQueryOverlapWindow": "10m",
        "exemplarTraceIdDestinations": [
            {"name": TRACE_LABEL, "datasourceUid": JAEGER.uid, "urlDisplayLabel": "Open the trace"}
        ],
    }


def _loki_entry(urls: DatasourceUrls) -> dict[str, Any]:
    if urls.loki_tenant is None:
        return _entry(LOKI, urls.loki, _loki())
    header = {"httpHeaderName1": "X-Scope-OrgID"}
    return _entry(LOKI, urls.loki, _loki() | header, secureJsonData={"httpHeaderValue1": urls.loki_tenant})


def _loki() -> dict[str, Any]:
    return {
        "maxLines": 1000,
        "manageAlerts": True,
        "alertmanagerUid": ALERTMANAGER.uid,
        "derivedFields": [
            {
                "name": "Trace",
                # Structured metadata reaches Grafana among the labels of a line.
                "matcherType": "label",
                "matcherRegex": TRACE_LABEL,
                "datasourceUid": JAEGER.uid,
                "url": "$${__value.raw}",
                "urlDisplayLabel": "Open the trace",
            }
        ],
    }


def _jaeger() -> dict[str, Any]:
    return {
        "nodeGraph": {"enabled": True},
        "spanBar": {"type": "Duration"},
        "tracesToLogsV2": {
            "datasourceUid": LOKI.uid,
            # Lines are written around the span, not exactly within it; clocks of nodes differ.
            "spanStartTimeShift": "-5m",
            "spanEndTimeShift": "5m",
            # Jaeger moves service.name out of the tags, so a tag mapping could not name the service: the query asks
            # by trace id alone and shows the lines of every service that took part.
            "customQuery": True,
            "query": '{service=~".+"} | ' + TRACE_LABEL + '="$${__trace.traceId}"',
        },
        "tracesToMetrics": {
            "datasourceUid": PROMETHEUS.uid,
            "spanStartTimeShift": "-30m",
            "spanEndTimeShift": "30m",
            "tags": [
                {"key": "k8s.namespace.name", "value": "namespace"},
                {"key": "k8s.pod.name", "value": "pod"},
            ],
            "queries": [
                {"name": "Request rate", "query": "sum by (service) (rate(http_requests_total{$$__tags}[5m]))"},
                {
                    "name": "Error rate",
                    "query": 'sum by (service) (rate(http_requests_total{$$__tags, status=~"5.."}[5m]))',
                },
                {
                    "name": "p95 latency",
                    "query": "histogram_quantile(0.95, sum by (service, le) "
                    "(rate(http_request_duration_seconds_bucket{$$__tags}[5m])))",
                },
            ],
        },
    }
