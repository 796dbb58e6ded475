"""Are datasources and folders provisioned as dashboards and people rely on?"""

from dataclasses import replace
from typing import Any

import pytest
import yaml

from rendering.datasources import (
    DATASOURCES,
    JAEGER,
    LOKI,
    PROMETHEUS,
    DatasourceUrls,
    Folder,
    render_datasources,
    render_providers,
)

URLS = DatasourceUrls(
    prometheus="http://prometheus.monitoring:9090",
    loki="http://loki.monitoring:3100",
    jaeger="http://jaeger-query.monitoring:16686",
    alertmanager="http://alertmanager.monitoring:9093",
)


def provisioned() -> dict[str, dict[str, Any]]:
    """Entries by uid, `$$` read as Grafana reads it."""
    document = yaml.safe_load(render_datasources(URLS).replace("$$", "$"))
    return {entry["uid"]: entry for entry in document["datasources"]}


def test_the_four_tools_are_provisioned_under_fixed_uids_and_prometheus_is_the_default() -> None:
    entries = provisioned()
    assert list(entries) == ["prometheus", "loki", "jaeger", "alertmanager"]
    assert [uid for uid, entry in entries.items() if entry.get("isDefault")] == ["prometheus"]
    assert {entry["url"] for entry in entries.values()} == {URLS.prometheus, URLS.loki, URLS.jaeger, URLS.alertmanager}


def test_every_correlation_points_to_a_provisioned_datasource() -> None:
    def uids(value: Any) -> set[str]:
        if isinstance(value, dict):
            own = {item for key, item in value.items() if key in ("datasourceUid", "alertmanagerUid")}
            return own.union(*(uids(item) for item in value.values()))
        return set().union(*(uids(item) for item in value)) if isinstance(value, list) else set()

    assert uids(list(provisioned().values())) == {datasource.uid for datasource in DATASOURCES}


def test_an_exemplar_leads_to_its_trace() -> None:
    destinations = provisioned()[PROMETHEUS.uid]["jsonData"]["exemplarTraceIdDestinations"]
    assert [(entry["name"], entry["datasourceUid"]) for entry in destinations] == [("trace_id", JAEGER.uid)]


def test_a_log_line_leads_to_its_trace_by_structured_metadata() -> None:
    (field,) = provisioned()[LOKI.uid]["jsonData"]["derivedFields"]
    assert (field["matcherType"], field["matcherRegex"]) == ("label", "trace_id")
    assert (field["datasourceUid"], field["url"]) == (JAEGER.uid, "${__value.raw}")


def test_a_trace_leads_to_the_log_lines_of_all_services_that_took_part() -> None:
    logs = provisioned()[JAEGER.uid]["jsonData"]["tracesToLogsV2"]
    assert logs["datasourceUid"] == LOKI.uid
    assert logs["query"] == '{service=~".+"} | trace_id="${__trace.traceId}"'


def test_a_trace_leads_to_the_metrics_of_the_pod_that_answered() -> None:
    metrics = provisioned()[JAEGER.uid]["jsonData"]["tracesToMetrics"]
    assert metrics["datasourceUid"] == PROMETHEUS.uid
    assert {"key": "k8s.pod.name", "value": "pod"} in metrics["tags"]
    assert all("${__tags}" in query["query"] or "$__tags" in query["query"] for query in metrics["queries"])


def test_each_folder_is_read_from_a_directory_of_its_own() -> None:
    providers = yaml.safe_load(render_providers())["providers"]
    assert [provider["folder"] for provider in providers] == [folder.value for folder in Folder]
    assert len({provider["options"]["path"] for provider in providers}) == len(Folder)
    assert len({provider["folderUid"] for provider in providers}) == len(Folder)


def test_dashboards_cannot_be_edited_where_the_next_rescan_would_undo_it() -> None:
    assert not any(provider["allowUiUpdates"] for provider in yaml.safe_load(render_providers())["providers"])


def test_a_url_without_scheme_is_refused() -> None:
    with pytest.raises(ValueError, match=r"datasources.loki is 'loki:3100'; write a URL that begins with http://"):
        DatasourceUrls(prometheus="http://p", loki="loki:3100", jaeger="http://j", alertmanager="http://a")


def test_rendering_is_deterministic() -> None:
    assert render_datasources(URLS) == render_datasources(URLS)


def test_loki_is_asked_as_a_tenant_only_where_it_has_any() -> None:
    [plain], [named] = (
        [one for one in yaml.safe_load(render_datasources(urls))["datasources"] if one["uid"] == LOKI.uid]
        for urls in (URLS, replace(URLS, loki_tenant="prod"))
    )
    assert named["jsonData"]["httpHeaderName1"] == "X-Scope-OrgID"
    assert named["secureJsonData"] == {"httpHeaderValue1": "prod"}
    assert "httpHeaderName1" not in plain["jsonData"]
