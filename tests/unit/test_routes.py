"""alertmanager.yml: compiled from teams.yaml, secrets only as files, followers held back, mute times right."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from rendering.declarations import load_teams
from rendering.receivers import Channels, Smtp
from rendering.routes import OFF_HOURS, alertmanager_config, render_alertmanager_config

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
TEAMS = load_teams(CONFIGS / "teams.yaml")
SMTP = Smtp(smarthost="mail.example:587", sender="alerts@dharma.example", username="alerts")


def channels(**overrides: Any) -> Channels:
    everything: dict[str, Any] = {"slack": True, "pagerduty": True, "webhook": True, "heartbeat": True, "smtp": SMTP}
    return Channels(**{**everything, **overrides})


def config(**overrides: Any) -> dict[str, Any]:
    return alertmanager_config(TEAMS, channels(**overrides))


def receivers(**overrides: Any) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in config(**overrides)["receivers"]}


def keys(part: Any) -> set[str]:
    """Every key of a document, at any depth."""
    if isinstance(part, dict):
        return set(part).union(*(keys(value) for value in part.values()))
    return set().union(*(keys(value) for value in part)) if isinstance(part, list) else set()


def test_the_catch_all_is_at_the_root_and_the_seven_channels_are_used() -> None:
    document = config()
    assert document["route"]["receiver"] == "catch-all"
    assert receivers()["catch-all"]["slack_configs"][0]["channel"] == "#dharma-alerts"
    used = {part["channel"] for one in document["receivers"] for part in one.get("slack_configs", [])}
    assert used >= {
        "#dharma-critical", "#dharma-warnings", "#database-alerts", "#security-alerts", "#infrastructure-alerts",
        "#business-metrics", "#performance-alerts",
    }  # fmt: skip


def test_critical_pages_by_pagerduty_and_webhook_and_nothing_else_does() -> None:
    paging = {name for name, one in receivers().items() if "pagerduty_configs" in one}
    assert paging == {"severity-critical"}
    assert receivers()["severity-critical"]["webhook_configs"][0]["send_resolved"] is True


def test_secrets_are_files_and_never_text() -> None:
    text = render_alertmanager_config(TEAMS, channels())
    document = yaml.safe_load(text)
    assert document["global"]["slack_api_url_file"] == "/etc/alertmanager/secrets/slack_api_url"
    assert document["global"]["smtp_auth_password_file"] == "/etc/alertmanager/secrets/smtp_password"
    in_plain = {"api_url", "slack_api_url", "routing_key", "service_key", "smtp_auth_password", "app_token"}
    assert not in_plain & keys(document)
    assert all("url" not in part for one in document["receivers"] for part in one.get("webhook_configs", []))
    assert "${" not in text, "Alertmanager expands no variables"


def test_a_service_that_is_down_is_told_after_ten_seconds() -> None:
    critical = next(route for route in config()["route"]["routes"] if route["receiver"] == "severity-critical")
    assert critical["routes"] == [{"matchers": ['alertname="ServiceDown"'], "group_wait": "10s"}]
    assert critical["continue"] is True


def test_a_resolved_alert_is_one_not_heard_of_for_five_minutes() -> None:
    assert config()["global"]["resolve_timeout"] == "5m"


def test_the_next_message_of_a_group_waits_five_minutes_or_as_long_as_set() -> None:
    assert config()["route"]["group_interval"] == "5m"
    assert alertmanager_config(TEAMS, channels(), group_interval_minutes=1)["route"]["group_interval"] == "1m"


def test_the_watchdog_goes_to_the_heartbeat_once_a_minute_and_to_nobody_else() -> None:
    first = config()["route"]["routes"][0]
    assert (first["receiver"], first["matchers"]) == ("heartbeat", ['alertname="Watchdog"'])
    assert (first["group_interval"], first["repeat_interval"]) == ("1m", "50s")
    assert "continue" not in first


def test_without_a_heartbeat_the_watchdog_ends_nowhere() -> None:
    document = config(heartbeat=False)
    assert document["route"]["routes"][0]["receiver"] == "nobody"
    assert {"name": "nobody"} in document["receivers"]


@pytest.mark.parametrize("missing", ["slack", "pagerduty", "webhook"])
def test_a_channel_that_is_not_there_is_used_nowhere(missing: str) -> None:
    flat = json.dumps(config(**{missing: False})["receivers"])
    assert {"slack": "slack_configs", "pagerduty": "pagerduty_configs", "webhook": "webhook_url"}[missing] not in flat


def test_without_mail_a_team_without_a_channel_has_no_route() -> None:
    routes = {route["receiver"] for route in config(smtp=None)["route"]["routes"]}
    assert "team-platform" not in routes
    assert "team-database" in routes


def test_mail_asks_for_tls_and_a_private_authority_is_named() -> None:
    section = config(smtp=Smtp(smarthost="m:25", sender="a@b.c", ca_file="/etc/alertmanager/config/ca.pem"))["global"]
    assert section["smtp_require_tls"] is True
    assert section["smtp_tls_config"] == {"ca_file": "/etc/alertmanager/config/ca.pem"}
    assert "smtp_auth_username" not in section


def test_the_endpoint_of_pagerduty_can_be_another() -> None:
    url = "https://events.eu.pagerduty.com/v2/enqueue"
    assert config(pagerduty_url=url)["global"]["pagerduty_url"] == url


def test_business_topics_wait_for_the_morning_unless_critical() -> None:
    route = next(one for one in config()["route"]["routes"] if one["receiver"] == "topic-business")
    assert route["mute_time_intervals"] == [OFF_HOURS]
    muted = {sub["matchers"][0]: "mute_time_intervals" in sub for sub in route["routes"]}
    assert muted == {'severity="critical"': False, 'severity="warning"': True, 'severity="info"': True}


def test_business_topics_wait_for_the_morning_in_the_owners_mail_too() -> None:
    route = next(one for one in config()["route"]["routes"] if one["receiver"] == "team-platform")
    muted = {tuple(sub["matchers"]): sub["repeat_interval"] for sub in route["routes"] if "mute_time_intervals" in sub}
    assert muted == {
        ('category=~"business"', 'severity="warning"'): "4h",
        ('category=~"business"', 'severity="info"'): "24h",
    }
    first = [sub["matchers"][0] for sub in route["routes"]]
    assert first.index('category=~"business"') < first.index('severity="warning"'), "the first that matches takes it"


def test_off_hours_are_the_nights_of_working_days_and_the_weekend() -> None:
    (interval,) = config()["time_intervals"]
    night = [{"start_time": "00:00", "end_time": "08:00"}, {"start_time": "18:00", "end_time": "24:00"}]
    assert interval["time_intervals"] == [
        {"times": night, "weekdays": ["monday:friday"], "location": "UTC"},
        {"weekdays": ["sunday", "saturday"], "location": "UTC"},
    ]


def test_two_severities_of_one_condition_are_told_once() -> None:
    rule = config()["inhibit_rules"][0]
    assert rule["source_matchers"] == ['severity="critical"', 'condition!=""']
    assert "condition" in rule["equal"]
    assert "service" in rule["equal"]
    assert "alertname" not in rule["equal"]


def test_what_is_held_back_is_what_is_not_escalated() -> None:
    """The rule that escalates compares by the labels by which Alertmanager does."""
    [group] = yaml.safe_load((CONFIGS / "prometheus" / "rules" / "alerts-escalation.yaml").read_text())["groups"]
    [labels] = re.findall(r"unless on \((condition,[^)]*)\)", group["rules"][0]["expr"])
    assert labels.split(", ") == config()["inhibit_rules"][0]["equal"]


def test_every_receiver_of_a_route_exists_and_every_receiver_is_used() -> None:
    document = config()

    def used(route: dict[str, Any]) -> set[str]:
        own = {route["receiver"]} if "receiver" in route else set()
        return own.union(*(used(sub) for sub in route.get("routes", [])))

    assert used(document["route"]) == {one["name"] for one in document["receivers"]}
