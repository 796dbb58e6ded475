"""A real Alertmanager tells real receivers: every way out, hours of work, what is held back, and peers tell once."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rendering.declarations import Teams, load_teams
from sandbox import sinks
from sandbox.paths import repo_root
from tests.native import alertmanager_process
from tests.waiting import eventually

TEAMS = load_teams(repo_root() / "configs" / "teams.yaml")
WHO = {"service": "api-gateway", "namespace": "dharma", "team": "platform"}
DOWN = {**WHO, "alertname": "ServiceDown", "severity": "critical", "category": "service-health"}
ATTACK = {**WHO, "alertname": "SuspiciousActivity", "severity": "critical", "category": "security"}
PROBE = {**WHO, "alertname": "ServiceHealthProbeFailing", "severity": "warning", "category": "service-health"}
FEW = {"alertname": "LowBlueprintCreationRate", "severity": "warning", "category": "business", "team": "platform"}
NONE = {**FEW, "alertname": "NoBlueprints", "severity": "critical"}
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def working(*weekdays: str) -> Teams:
    """The teams, at work all day on these days and on no other."""
    hours = {"timezone": "UTC", "weekdays": weekdays, "start": "00:00", "end": "24:00"}
    return TEAMS.model_copy(update={"business_hours": TEAMS.business_hours.model_copy(update=hours)})


def channels_told(alert: str) -> list[str]:
    return [body["channel"] for body in sinks.received("slack") if f"/{alert}.md" in str(body)]


def mails_about(alert: str) -> list[str]:
    return [mail["subject"] for mail in sinks.received("smtp") if f"/{alert}.md" in mail["text"]]


def test_a_page_takes_every_way_out(tmp_path: Path) -> None:
    with alertmanager_process.running(tmp_path, TEAMS) as alertmanagers:
        alertmanagers.post(DOWN)
        (mail,) = eventually(lambda: sinks.received("smtp"), 30, 0.5)
        (incident,) = eventually(lambda: sinks.received("webhook"), 30, 0.5)
        (page,) = eventually(lambda: sinks.received("pagerduty"), 30, 0.5)
        eventually(lambda: channels_told("ServiceDown"), 30, 0.5)
    assert channels_told("ServiceDown") == ["#dharma-critical"]
    assert (mail["to"], mail["tls"]) == (["platform-oncall@dharma.example"], True)
    assert "ServiceDown of a test" in mail["subject"]
    assert "https://runbooks.example/ServiceDown.md" in mail["text"]
    assert "https://runbooks.example/ServiceDown.md" in mail["html"]
    assert (incident["status"], page["event_action"]) == ("firing", "trigger")


def test_what_need_not_wake_anyone_waits_until_people_are_at_work(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    soon = {(now + timedelta(days=days)).weekday() for days in (0, 1)}  # whatever the hour, and at midnight
    elsewhen = next(day for number, day in enumerate(DAYS) if number not in soon)
    with alertmanager_process.running(tmp_path, working(elsewhen)) as alertmanagers:
        alertmanagers.post(FEW, NONE)
        eventually(lambda: "#business-metrics" in channels_told("NoBlueprints"), 30, 0.5)
        eventually(lambda: mails_about("NoBlueprints"), 30, 0.5)
        time.sleep(3)
    assert channels_told("LowBlueprintCreationRate") == []
    assert mails_about("LowBlueprintCreationRate") == []


def test_at_work_they_hear_of_it(tmp_path: Path) -> None:
    with alertmanager_process.running(tmp_path, working(*DAYS)) as alertmanagers:
        alertmanagers.post(FEW)
        eventually(lambda: channels_told("LowBlueprintCreationRate"), 30, 0.5)
        eventually(lambda: mails_about("LowBlueprintCreationRate"), 30, 0.5)
    assert channels_told("LowBlueprintCreationRate") == ["#business-metrics"]


def test_a_service_that_is_down_has_no_other_news_but_an_attack(tmp_path: Path) -> None:
    with alertmanager_process.running(tmp_path, TEAMS) as alertmanagers:
        alertmanagers.post(DOWN, PROBE, ATTACK, {**PROBE, "service": "ai-engine", "alertname": "AnotherServices"})
        eventually(lambda: channels_told("AnotherServices") and channels_told("ServiceDown"), 30, 0.5)
        time.sleep(2)
        assert alertmanagers.states() == {
            "ServiceDown": "active",
            "ServiceHealthProbeFailing": "suppressed",
            "SuspiciousActivity": "active",
            "AnotherServices": "active",
        }
    assert channels_told("ServiceHealthProbeFailing") == []


ERRORS = {**WHO, "alertname": "HighErrorRate", "severity": "warning", "condition": "errors"}
NODE = {"alertname": "KubernetesNodeNotReady", "severity": "critical", "condition": "node-ready", "node": "a"}
MEMORY = {**WHO, "alertname": "HighMemoryUsage", "severity": "warning", "condition": "memory", "pod": "api-gateway-1"}


@pytest.mark.parametrize(
    ("cause", "follower", "others"),
    [
        (
            {**ERRORS, "alertname": "CriticalErrorRate", "severity": "critical"},
            ERRORS,
            ({**ERRORS, "service": "ai-engine"}, {**ERRORS, "condition": "latency"}),
        ),
        (
            {**MEMORY, "alertname": "CriticalMemoryUsage", "severity": "critical"},
            MEMORY,
            ({**MEMORY, "pod": "api-gateway-2"}, {**MEMORY, "condition": "cpu"}),
        ),
        (NODE, {**MEMORY, "node": "a"}, ({**MEMORY, "node": "b"}, MEMORY)),
        (  # which is about the service as a whole
            {**WHO, "alertname": "WarningEscalated", "severity": "critical", "condition": "memory"},
            MEMORY,
            ({**MEMORY, "condition": "cpu"}, {**MEMORY, "service": "ai-engine"}),
        ),
    ],
    ids=["its critical form", "its critical form on the same pod", "its node", "its escalation"],
)
def test_what_follows_from_something_already_told_is_held_back(
    cause: dict[str, str], follower: dict[str, str], others: tuple[dict[str, str], ...], tmp_path: Path
) -> None:
    """And nothing else is: `others` differ from the follower in one label."""
    apart = [other | {"alertname": f"Other{number}"} for number, other in enumerate(others)]
    with alertmanager_process.running(tmp_path, TEAMS) as alertmanagers:
        alertmanagers.post(cause, follower, *apart)
        eventually(lambda: all(channels_told(alert["alertname"]) for alert in (cause, *apart)), 30, 0.5)
        time.sleep(2)
        assert alertmanagers.states() == {
            follower["alertname"]: "suppressed",
            **{alert["alertname"]: "active" for alert in (cause, *apart)},
        }
    assert channels_told(follower["alertname"]) == []


@pytest.mark.parametrize("label", ["job", "node", "escalated"])
def test_a_second_fault_of_the_kind_is_a_page_of_its_own(label: str, tmp_path: Path) -> None:
    """Not five minutes later, and not as news of the first, which somebody may have taken on already."""
    fault = {"alertname": "MonitoringTargetMissing", "severity": "critical", "category": "stack"}
    with alertmanager_process.running(tmp_path, TEAMS) as alertmanagers:
        alertmanagers.post({**fault, label: "loki"})
        eventually(lambda: len(sinks.received("pagerduty")) == 1, 30, 0.5)
        alertmanagers.post({**fault, label: "jaeger"})
        first, second = eventually(lambda: (found := sinks.received("pagerduty"))[1:] and found, 60, 0.5)
    assert first["dedup_key"] != second["dedup_key"]


def test_two_replicas_tell_of_one_fault_once(tmp_path: Path) -> None:
    with alertmanager_process.running(tmp_path, TEAMS, replicas=2) as alertmanagers:
        time.sleep(8)  # until they have found each other
        alertmanagers.post(DOWN)
        eventually(lambda: channels_told("ServiceDown"), 60, 0.5)
        time.sleep(20)  # the second waits fifteen for the first, and would tell by now
    assert channels_told("ServiceDown") == ["#dharma-critical"]
    assert [len(sinks.received(sink)) for sink in ("pagerduty", "webhook", "smtp")] == [1, 1, 1]
