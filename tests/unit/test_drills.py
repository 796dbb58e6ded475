"""Drills as they are declared: about alerts that exist, in channels that exist, and told apart from each other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from rendering.declarations import load_teams
from rendering.rules import alert_names, load_rule_files
from sandbox import drills, platform
from sandbox.drills import catalogue
from sandbox.drills.signs import Mail, Slack, StillAnswers
from sandbox.errors import SandboxError
from sandbox.platform.client import Burst

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
ALERTS = alert_names(load_rule_files(CONFIGS / "prometheus" / "rules"))


def drill(name: str, wave: int, log: list[str], alert_seen: bool = True) -> drills.Drill:
    class Seen:
        def told(self, since: float) -> bool:  # noqa: ARG002
            log.append(f"{name} looked")
            return alert_seen

        def over(self, since: float) -> bool:  # noqa: ARG002
            log.append(f"{name} over")
            return True

    return drills.Drill(
        name=name,
        what="nothing",
        begin=lambda: log.append(f"{name} begun"),
        end=lambda: log.append(f"{name} mended"),
        signs=(Seen(),),
        seconds=0,
        alert=None,
        subject="",
        wave=wave,
    )


@pytest.mark.parametrize("name", drills.names())
def test_a_drill_is_about_an_alert_that_exists(name: str) -> None:
    alert = drills.get(name).alert
    assert alert in ALERTS or name == "prometheus-killed"


def test_channels_and_addresses_are_declared_ones() -> None:
    text = (CONFIGS / "teams.yaml").read_text()
    teams = load_teams(CONFIGS / "teams.yaml")
    signs = [sign for each in drills.DRILLS for sign in each.signs]
    assert {sign.to for sign in signs if isinstance(sign, Mail)} == {team.email for team in teams.teams}
    assert all(f'"{sign.channel}"' in text for sign in signs if isinstance(sign, Slack))


def test_durations_are_shortened_by_settings_and_only_for_drills() -> None:
    stack = yaml.safe_load((CONFIGS.parent / "Pulumi.sandbox.yaml").read_text())
    overrides = stack["config"]["observability-stack:prometheus"]["alerts"]
    shortened = {name for name, override in overrides.items() if "for" in override}
    assert shortened - {each.alert for each in drills.DRILLS} == {"HighLatency"}  # which the escalation begins with


def burst(statuses: dict[str, int]) -> Callable[..., Burst]:
    return lambda *_, **__: Burst(sent=sum(statuses.values()), statuses=statuses, sampled=0, seconds=1)


def test_clients_of_whom_one_is_failed_are_no_clients_who_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    clients = StillAnswers("api-gateway", "/api/v1/blueprints")
    monkeypatch.setattr(platform, "burst", burst({"200": 100}))
    assert clients.told(0)
    assert clients.over(0)
    monkeypatch.setattr(platform, "burst", burst({"200": 99, "503": 1}))
    with pytest.raises(
        SandboxError, match=r"GET /api/v1/blueprints: of 100 requests \{'200': 99, '503': 1\} by status"
    ):
        clients.told(0)


def test_jaeger_is_killed_only_once_clients_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    served = iter([{"none": 100}, {"200": 100}])
    done: list[str] = []

    def asked(path: str, count: int, **_: Any) -> Burst:
        done.append("asked")
        return burst(next(served))(path, count)

    monkeypatch.setattr(platform, "burst", asked)
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(
        catalogue, "kubectl", lambda *words, **_: done.append(next(word for word in words if word in ("scale", "wait")))
    )
    drills.get("jaeger-killed").begin()
    assert done == ["asked", "asked", "scale", "wait"]
    drills.get("jaeger-killed").end()
    assert done[-1] == "scale"


def test_an_unknown_drill_is_refused_with_all_names() -> None:
    with pytest.raises(SandboxError, match=r"there is no drill 'fire'; choose of: scale-to-zero, "):
        drills.get("fire")


def test_the_next_wave_begins_when_the_faults_of_the_last_are_mended() -> None:
    log: list[str] = []
    played = drills.play([drill("later", 2, log), drill("first", 1, log)], lambda _: None)
    assert log.index("first mended") < log.index("later begun")
    assert all(isinstance(outcome, drills.Outcome) for outcome in played.values())


def test_a_drill_that_sees_nothing_fails_by_name_and_is_mended() -> None:
    log: list[str] = []
    played = drills.play([drill("blind", 1, log, alert_seen=False), drill("seeing", 2, log)], lambda _: None)
    assert "drill blind: within 0 s there was no" in str(played["blind"])
    assert log.index("blind mended") < log.index("seeing begun")
    assert isinstance(played["seeing"], drills.Outcome)
