"""The links between metrics, traces and logs, each walked with ids of real requests; and who may do what in Grafana."""

import json
import re
import time
import uuid
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from rendering.dashboards.gates import all_panels
from rendering.dashboards.links import Uid
from rendering.datasources import LOKI, TRACE_LABEL, Folder
from sandbox import platform
from sandbox.dashboard_queries import panel_queries, resolved_variables, run
from sandbox.paths import repo_root
from tests.waiting import eventually

pytestmark = pytest.mark.real_node
JAEGER = "/api/datasources/proxy/uid/jaeger/api"
PROMETHEUS = "/api/datasources/uid/prometheus/resources/api/v1"


@pytest.fixture(scope="module")
def trace(grafana: httpx.Client) -> dict[str, Any]:
    """A real request through the gateway, whole in Jaeger, fetched through Grafana."""
    trace_id = platform.request("api-gateway", "POST", "/api/v1/iac").headers["x-trace-id"]

    def whole() -> dict[str, Any] | None:
        answer = grafana.get(f"{JAEGER}/traces/{trace_id}")
        found: dict[str, Any] | None = answer.json()["data"][0] if answer.status_code == 200 else None
        services = {each["serviceName"] for each in found["processes"].values()} if found else set()
        # the gateway's own span is the last to end
        return found if len(services) >= 3 and "api-gateway" in services else None

    found = eventually(whole, 90)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def correlations(grafana: httpx.Client) -> dict[str, dict[str, Any]]:
    """What the datasources are set to, by uid, as Grafana has it."""
    sources = grafana.get("/api/datasources").raise_for_status().json()
    return {source["uid"]: source["jsonData"] for source in sources}


def frames(grafana: httpx.Client, uid: str, expression: str, **more: Any) -> list[dict[str, Any]]:
    """The frames that a query of the last 15 minutes returns."""
    query = {"refId": "A", "datasource": {"uid": uid}, "expr": expression, "intervalMs": 15000, "maxDataPoints": 100}
    body = {"queries": [query | more], "from": "now-15m", "to": "now"}
    answer = grafana.post("/api/ds/query", json=body).raise_for_status().json()
    found: list[dict[str, Any]] = answer["results"]["A"]["frames"]
    return [frame for frame in found if any(frame["data"]["values"])]


def test_an_exemplar_opens_its_trace(grafana: httpx.Client, correlations: dict[str, dict[str, Any]]) -> None:
    [destination] = correlations["prometheus"]["exemplarTraceIdDestinations"]
    assert destination["datasourceUid"] == "jaeger"

    def opens() -> bool:
        now = int(time.time())
        window: dict[str, str | int] = {"query": "http_request_duration_seconds_bucket", "start": now - 300, "end": now}
        series = grafana.get(f"{PROMETHEUS}/query_exemplars", params=window).raise_for_status().json()["data"]
        ids = [each["labels"][destination["name"]] for entry in series for each in entry["exemplars"]]
        assert ids, "no exemplars yet"
        return any(grafana.get(f"{JAEGER}/traces/{trace_id}").status_code == 200 for trace_id in ids[-20:])

    assert eventually(opens, 90)


def test_a_trace_leads_to_its_log_lines(
    grafana: httpx.Client, trace: dict[str, Any], correlations: dict[str, dict[str, Any]]
) -> None:
    settings = correlations["jaeger"]["tracesToLogsV2"]
    query = settings["query"].replace("${__trace.traceId}", trace["traceID"])

    def lines() -> list[dict[str, Any]]:
        return frames(grafana, settings["datasourceUid"], query, queryType="range", maxLines=100)

    assert eventually(lines, 90)


def test_a_trace_leads_to_the_metrics_of_the_pod_that_answered(
    grafana: httpx.Client, trace: dict[str, Any], correlations: dict[str, dict[str, Any]]
) -> None:
    settings = correlations["jaeger"]["tracesToMetrics"]
    gateway = next(each for each in trace["processes"].values() if each["serviceName"] == "api-gateway")
    tags = {tag["key"]: tag["value"] for tag in gateway["tags"]}
    matchers = ", ".join(f'{tag["value"]}="{tags[tag["key"]]}"' for tag in settings["tags"])
    for query in settings["queries"]:
        if query["name"] == "Error rate":
            continue  # rightly empty where nothing failed
        expression = query["query"].replace("$__tags", matchers)
        # of a pod that has just begun there is no rate yet
        asked = partial(frames, grafana, settings["datasourceUid"], expression, instant=True)
        assert eventually(asked, 120), expression


def test_a_log_line_leads_to_its_trace(
    grafana: httpx.Client, trace: dict[str, Any], correlations: dict[str, dict[str, Any]]
) -> None:
    [field] = correlations["loki"]["derivedFields"]
    assert (field["matcherType"], field["matcherRegex"]) == ("label", TRACE_LABEL)
    query = f'{{service="api-gateway"}} | {TRACE_LABEL}="{trace["traceID"]}"'

    def found() -> set[str]:
        answered = frames(grafana, "loki", query, queryType="range", maxLines=10)
        labels = [column for frame in answered for column in frame["data"]["values"] if isinstance(column[0], dict)]
        return {line[field["matcherRegex"]] for column in labels for line in column}

    assert eventually(found, 90) == {trace["traceID"]}


@pytest.fixture(scope="module")
def about(grafana: httpx.Client) -> dict[str, str]:
    """Labels of an alert about a pod of the gateway."""
    window: dict[str, str | int] = {
        "match[]": 'up{job="services", service="api-gateway"}',
        "start": int(time.time()) - 60,
    }
    [one, *_] = grafana.get(f"{PROMETHEUS}/series", params=window).raise_for_status().json()["data"]
    return {name: one[name] for name in ("service", "namespace", "pod")}


@pytest.fixture(scope="module")
def alerts(grafana: httpx.Client, about: dict[str, str]) -> dict[str, dict[str, str]]:
    """Annotations of every alert on metrics and on log lines, by its name, filled in as `about` the gateway."""
    found: dict[str, dict[str, str]] = {}
    for rules in (f"{PROMETHEUS}/rules", f"/api/datasources/proxy/uid/{LOKI.uid}/prometheus/api/v1/rules"):
        groups = grafana.get(rules, params={"type": "alert"}).raise_for_status().json()["data"]["groups"]
        named = {rule["name"]: rule["annotations"] for group in groups for rule in group["rules"] if _alerts(rule)}
        assert named, rules
        found |= named
    return {
        alert: {name: _filled(text, about) for name, text in annotations.items()}
        for alert, annotations in found.items()
    }


def _alerts(rule: dict[str, Any]) -> bool:
    return bool(rule["type"] == "alerting")


def _filled(text: str, labels: dict[str, str]) -> str:
    text = re.sub(r"{{ (if .*?|end) }}", "", text)
    return re.sub(r"{{ \$labels\.(\w+) }}", lambda match: labels.get(match[1], match[0]), text)


def opened(grafana: httpx.Client, link: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The dashboard that a link opens, and the variables it sets."""
    parts = urlsplit(link)
    dashboard = grafana.get(f"/api/dashboards/uid/{parts.path.split('/')[2]}").raise_for_status().json()["dashboard"]
    return dashboard, {name.removeprefix("var-"): value for name, value in parse_qsl(parts.query)}


def test_every_alert_leads_to_a_dashboard_that_knows_what_the_alert_is_about(
    grafana: httpx.Client, alerts: dict[str, dict[str, str]]
) -> None:
    links = {annotations["dashboard_url"] for annotations in alerts.values()}
    assert len(links) >= 5
    for link in links:
        dashboard, variables = opened(grafana, link)
        known = {each["name"] for each in dashboard["templating"].get("list", [])}
        assert variables.keys() <= known, link


def test_an_alert_leads_to_the_log_lines_of_what_it_is_about(
    grafana: httpx.Client, alerts: dict[str, dict[str, str]], about: dict[str, str]
) -> None:
    links = {annotations["logs_url"] for annotations in alerts.values() if "logs_url" in annotations}
    tools = ("prometheus", "alertmanager", "grafana", "loki", "promtail")
    narrowed = [
        {"service": "api-gateway"},
        {"namespace": about["namespace"], "pod": about["pod"]},
        *({"service": name} for name in ("postgresql", "redis", *tools)),
    ]
    assert sorted(str(opened(grafana, link)[1]) for link in links) == sorted(map(str, narrowed))
    for link in links:
        dashboard, chosen = opened(grafana, link)
        others, _ = resolved_variables(grafana, dashboard)
        lines = [each for each in panel_queries(dashboard, others | chosen) if each.panel == "Lines"]
        assert len(lines) == 1
        for name, value in chosen.items():
            assert f'{name}=~"{value}"' in lines[0].target["expr"]
        failed = run(grafana, lines)
        # A tool or a store in good health may have said nothing for a while; who is under traffic has not.
        if chosen.get("service") in {"postgresql", "redis", *tools}:
            failed = {name: why for name, why in failed.items() if not why.startswith("no data")}
        assert failed == {}, link


def test_the_dashboard_of_alerts_leads_to_each_ones_runbook(
    grafana: httpx.Client, alerts: dict[str, dict[str, str]]
) -> None:
    dashboard = grafana.get(f"/api/dashboards/uid/{Uid.ALERTS}").raise_for_status().json()["dashboard"]
    [table] = [panel for panel in all_panels(dashboard) if panel["title"] == "Firing alerts"]
    [link] = table["fieldConfig"]["defaults"]["links"]
    for name, annotations in alerts.items():
        url = link["url"].replace("${__data.fields.Alert}", name)
        assert url == annotations["runbook_url"]
        assert (repo_root() / "docs/runbooks" / url.rsplit("/", 1)[1]).is_file(), name


@pytest.fixture(scope="module")
def viewer(grafana: httpx.Client) -> Iterator[httpx.Client]:
    """Somebody with a login and no further rights, for the length of these tests."""
    name, password = f"viewer-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    made = grafana.post("/api/admin/users", json={"name": name, "login": name, "password": password, "OrgId": 1})
    user = made.raise_for_status().json()["id"]
    with httpx.Client(base_url=grafana.base_url, auth=(name, password), trust_env=False) as client:
        yield client
    grafana.delete(f"/api/admin/users/{user}").raise_for_status()


def test_a_viewer_sees_dashboards_and_may_not_change_them(viewer: httpx.Client) -> None:
    assert viewer.get("/api/user/orgs").json()[0]["role"] == "Viewer"
    assert viewer.get("/api/dashboards/uid/overview").status_code == 200
    refused = viewer.post("/api/dashboards/db", json={"dashboard": {"title": "mine"}, "folderUid": Folder.PLATFORM.uid})
    assert refused.status_code == 403
    for path in ("/api/datasources", "/api/folders", "/api/admin/users"):
        assert viewer.post(path, json={}).status_code == 403, path
    assert viewer.get("/api/admin/settings").status_code == 403


def test_not_even_the_administrator_overwrites_what_is_provisioned(grafana: httpx.Client) -> None:
    dashboard = grafana.get("/api/dashboards/uid/overview").raise_for_status().json()["dashboard"]
    refused = grafana.post("/api/dashboards/db", json={"dashboard": dashboard, "overwrite": True})
    assert refused.status_code == 400
    assert "provisioned" in refused.text


def test_nobody_gets_in_without_a_login(urls: dict[str, str], http: httpx.Client) -> None:
    for path in ("/api/search", "/api/dashboards/uid/overview", "/api/datasources", "/api/ds/query"):
        assert http.get(f"{urls['grafana']}{path}").status_code in (401, 404), path
    assert http.get(f"{urls['grafana']}/api/search", auth=("admin", "admin")).status_code == 401
    assert http.get(f"{urls['grafana']}/api/health").status_code == 200


def test_answers_carry_security_headers_and_cookies_fit_the_scheme(
    urls: dict[str, str], deployed: dict[str, Any]
) -> None:
    login = {"user": "admin", "password": deployed["grafana_admin_password"]}
    with httpx.Client(base_url=urls["grafana"], trust_env=False) as client:
        answer = client.post("/login", json=login)
    answer.raise_for_status()
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "deny"
    cookie = next(value for value in answer.headers.get_list("set-cookie") if value.startswith("grafana_session="))
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert ("Secure" in cookie) is urls["grafana"].startswith("https")


def test_provisioning_leaves_no_warning_in_the_log(loki: Any, prometheus: Any) -> None:
    [started] = prometheus('max(process_start_time_seconds{job="grafana"})')
    since_ns = float(started["value"][1]) * 1e9
    streams = loki('{service="grafana"} | level=~"warn|error|fatal" |= "provisioning"', minutes=60)
    assert [line for stream in streams for stamp, line in stream["values"] if int(stamp) >= since_ns] == []


def test_grafana_reports_nothing_to_the_outside(grafana: httpx.Client) -> None:
    settings = grafana.get("/api/admin/settings").raise_for_status().json()
    assert settings["analytics"]["reporting_enabled"] == "false"
    assert settings["analytics"]["check_for_updates"] == "false"
    assert settings["auth.anonymous"]["enabled"] == "false"
    assert settings["users"]["allow_sign_up"] == "false"
    assert json.dumps(settings).count("admin-password") == 0
