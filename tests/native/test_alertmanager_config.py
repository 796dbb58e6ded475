"""amtool accepts the configuration and templates, and sends each kind of alert where teams.yaml says."""

import itertools
import subprocess
from pathlib import Path

import pytest

from rendering.declarations import load_teams
from rendering.receivers import Channels, Smtp
from rendering.routes import render_alertmanager_config
from sandbox.toolchain import binary

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
TEAMS = load_teams(CONFIGS / "teams.yaml")
CATEGORIES = ("service-health", "resources", "database", "redis", "kubernetes", "business", "security", "slo", "stack")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    channels = Channels(
        slack=True,
        pagerduty=True,
        webhook=True,
        heartbeat=True,
        smtp=Smtp(smarthost="mail.example:587", sender="alerts@dharma.example", username="alerts"),
    )
    path = tmp_path_factory.mktemp("alertmanager") / "alertmanager.yml"
    templates = CONFIGS / "alertmanager" / "templates" / "*.tmpl"
    path.write_text(render_alertmanager_config(TEAMS, channels, templates=str(templates)), encoding="utf-8")
    return path


def receivers(config: Path, **labels: str) -> set[str]:
    """Where amtool says an alert with these labels goes."""
    pairs = [f"{name}={value}" for name, value in labels.items()]
    argv = [str(binary("amtool")), "config", "routes", "test", f"--config.file={config}", *pairs]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {name.strip() for name in done.stdout.strip().split(",")}


def test_alertmanager_accepts_its_configuration_and_templates(config: Path) -> None:
    done = subprocess.run([binary("amtool"), "check-config", config], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("team", [team.name for team in TEAMS.teams])
def test_every_pair_of_severity_and_category_reaches_whom_teams_yaml_names(config: Path, team: str) -> None:
    own_channel = TEAMS.team(team).slack is not None
    for severity, category in itertools.product(("critical", "warning", "info"), CATEGORIES):
        topic = {"business": "topic-business", "resources": "topic-performance"}.get(category)
        expected = {f"team-{team}"}
        if topic:
            expected.add(topic)
        if severity == "critical" or not (own_channel or topic):
            expected.add(f"severity-{severity}")
        assert receivers(config, alertname="A", team=team, severity=severity, category=category) == expected


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"alertname": "Watchdog", "severity": "none"}, {"heartbeat"}),
        ({"alertname": "Unlabelled"}, {"catch-all"}),
        ({"alertname": "A", "severity": "warning", "team": "unknown"}, {"severity-warning"}),
        (
            {"alertname": "HighLatency", "severity": "warning", "team": "platform", "condition": "latency"},
            {"team-platform", "topic-performance"},
        ),
        (
            {"alertname": "ServiceDown", "severity": "critical", "team": "security", "category": "service-health"},
            {"team-security", "severity-critical"},
        ),
    ],
    ids=lambda value: value["alertname"] if isinstance(value, dict) else "",
)
def test_what_has_a_way_of_its_own_takes_it(config: Path, labels: dict[str, str], expected: set[str]) -> None:
    assert receivers(config, **labels) == expected
