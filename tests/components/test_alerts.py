"""Changes to alerts by name, in one place for Prometheus and Loki."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.alerts import TOOLS, check_alerts, limits, rule_files, thresholds
from components.settings.span_store import SpanStoreSettings
from components.settings.tools import PrometheusSettings
from rendering.declarations import load_teams
from rendering.rules import RuleError
from tests.span_stores import IN_CLUSTER

TEAMS = load_teams(Path(__file__).resolve().parents[2] / "configs" / "teams.yaml")


def settings(**alerts: Any) -> PrometheusSettings:
    return PrometheusSettings.model_validate({"runbook_base_url": "https://runbooks.example", "alerts": alerts})


def alerts(tool: str, chosen: PrometheusSettings, derived: dict[str, float] | None = None) -> dict[str, dict[str, Any]]:
    return {
        rule["alert"]: rule
        for text in rule_files(tool, chosen, "https://grafana.example", derived=derived).values()
        for group in yaml.safe_load(text)["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }


@pytest.mark.parametrize(("tool", "name"), [("prometheus", "HighErrorRate"), ("loki", "LogErrorBurst")])
def test_a_change_reaches_the_tool_that_has_the_alert(tool: str, name: str) -> None:
    changed = alerts(tool, settings(**{name: {"threshold": 7, "for": "1m", "severity": "info", "team": "platform"}}))[
        name
    ]
    assert "> 7 # threshold" in changed["expr"]
    assert (changed["for"], changed["labels"]["severity"], changed["labels"]["team"]) == ("1m", "info", "platform")
    assert name not in alerts(tool, settings(**{name: {"disabled": True, "reason": "ticket 7"}}))


def in_cluster(memory_mib: int) -> SpanStoreSettings:
    return SpanStoreSettings.model_validate(
        IN_CLUSTER
        | {
            "resources": {
                "cpu_millicores": 200,
                "memory_mib": memory_mib,
                "cpu_limit_millicores": 1000,
                "memory_limit_mib": memory_mib,
            },
        }
    )


@pytest.mark.parametrize(
    ("store", "shards"),
    [
        (SpanStoreSettings(mode="external", url="https://spans.example.com:9200"), 800),
        (in_cluster(2048), 20),
        (in_cluster(4096), 40),
        (in_cluster(65536), 640),
    ],
    ids=["external", "2 GiB", "4 GiB", "64 GiB"],
)
def test_too_many_shards_are_four_fifths_of_what_preview_lets_a_node_bear(
    store: SpanStoreSettings, shards: int
) -> None:
    alert = alerts("prometheus", settings(), thresholds(settings(), store))["OpenSearchTooManyShards"]
    assert f"> {shards} # threshold: shards per node" in alert["expr"]
    assert shards < store.shards_per_node()


def test_a_threshold_in_the_settings_goes_before_one_that_follows_from_them() -> None:
    chosen = settings(OpenSearchTooManyShards={"threshold": 7, "for": "1h"})
    alert = alerts("prometheus", chosen, thresholds(chosen, in_cluster(2048)))["OpenSearchTooManyShards"]
    assert ("> 7 # threshold" in alert["expr"], alert["for"]) == (True, "1h")


def test_panels_draw_the_thresholds_that_the_alerts_have() -> None:
    chosen = settings(OpenSearchTooManyShards={"threshold": 7}, LogErrorBurst={"threshold": 3})
    drawn = limits(chosen, thresholds(chosen, in_cluster(2048)))
    assert (drawn["OpenSearchTooManyShards"], drawn["LogErrorBurst"]) == (7, 3)
    assert drawn["HighErrorRate"] == 0.05
    smaller = chosen.model_copy(update={"resources": chosen.resources.model_copy(update={"memory_limit_mib": 512})})
    assert limits(smaller, thresholds(smaller, in_cluster(2048)))["PrometheusSeriesHigh"] == 52_428


@pytest.mark.parametrize("tool", TOOLS)
def test_every_alert_links_to_its_runbook_and_a_dashboard(tool: str) -> None:
    for name, alert in alerts(tool, settings()).items():
        assert alert["annotations"]["runbook_url"] == f"https://runbooks.example/{name}.md"
        assert alert["annotations"]["dashboard_url"].startswith("https://grafana.example/d/")


def test_links_to_a_service_stand_only_at_alerts_that_name_one() -> None:
    for name, alert in alerts("loki", settings()).items():
        if "$labels.service" in alert["annotations"]["dashboard_url"]:
            assert "service" in alert["expr"].split("(")[1], name


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("link", ["dashboard_url", "logs_url"])
def test_a_link_without_a_service_sets_no_variable_to_nothing(tool: str, link: str) -> None:
    of_service = 0
    for name, alert in alerts(tool, settings()).items():
        url = alert["annotations"].get(link, "")
        without = re.sub(r"\{\{ if \$labels\.service \}\}.*?\{\{ end \}\}", "", url)
        assert "$labels.service" not in without, name
        of_service += without != url
    assert of_service > 0


def test_alerts_of_both_tools_are_known() -> None:
    check_alerts(settings(HighErrorRate={"threshold": 0.2}, StackTraceInLogs={"threshold": 3}), TEAMS)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("StackTracesInLog", {"threshold": 3}, "'StackTracesInLog' is not an alert; did you mean 'StackTraceInLogs'?"),
        ("StackTraceInLogs", {"team": "nights"}, "StackTraceInLogs: team is 'nights'; write one of platform"),
    ],
)
def test_a_change_to_an_alert_from_log_lines_that_cannot_be_is_refused(
    name: str, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(RuleError) as refused:
        check_alerts(settings(**{name: change}), TEAMS)
    assert message in str(refused.value)
