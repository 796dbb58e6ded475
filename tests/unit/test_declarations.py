"""services.yaml and teams.yaml: understood as meant, and every mistake told with field, value and remedy."""

from pathlib import Path

import pytest

from rendering.declarations import (
    DeclarationError,
    Severity,
    Tier,
    check_owners,
    load_platform,
    load_services,
    load_teams,
)

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SERVICES, TEAMS = CONFIGS / "services.yaml", CONFIGS / "teams.yaml"


def edited(original: Path, tmp_path: Path, old: str, new: str) -> Path:
    text = original.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / original.name
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def test_the_nine_services_are_declared_as_the_platform_runs_them() -> None:
    facts = {s.name: (s.port, s.team, s.tier, s.sampling_share) for s in load_services(SERVICES)}
    assert facts == {
        "api-gateway": (3000, "platform", Tier.CRITICAL, 1.0),
        "blueprint-service": (3001, "platform", Tier.STANDARD, 0.5),
        "iac-generator": (3002, "platform", Tier.CRITICAL, 1.0),
        "guardrails-engine": (3003, "security", Tier.CRITICAL, 0.8),
        "costing-service": (3004, "platform", Tier.STANDARD, 0.3),
        "orchestrator-service": (3005, "platform", Tier.CRITICAL, 1.0),
        "automation-engine": (3006, "platform", Tier.STANDARD, 0.5),
        "monitoring-service": (3007, "infrastructure", Tier.STANDARD, 0.1),
        "ai-engine": (3008, "platform", Tier.STANDARD, 0.7),
    }


def test_health_checks_are_sampled_alike_for_every_service() -> None:
    checks = load_platform(SERVICES).health_checks
    assert checks.sampling_share == 0.01
    assert checks.paths == ("/health", "/ready", "/live", "/metrics")


def test_an_entry_overrides_single_defaults_and_keeps_the_others(tmp_path: Path) -> None:
    entry = "    tier: critical\n    sampling_share: 1.0\n    slo: { latency_ms: 250 }\n    health_path: /alive\n"
    path = edited(SERVICES, tmp_path, "    tier: critical\n    sampling_share: 1.0\n", entry)
    gateway = load_services(path)[0]
    assert (gateway.slo.latency_ms, gateway.slo.availability_percent) == (250, 99.9)
    assert gateway.health_url == "http://api-gateway.dharma.svc:3000/alive"


def test_a_tenth_service_is_one_entry_of_at_most_ten_lines(tmp_path: Path) -> None:
    entry = "  - name: tenth\n    port: 3009\n    team: platform\n    tier: standard\n    sampling_share: 0.5\n"
    path = tmp_path / "services.yaml"
    path.write_text(SERVICES.read_text(encoding="utf-8") + entry, encoding="utf-8")
    assert len(load_services(path)) == 10


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "port: 3000",
            "port: 70000",
            "services.api-gateway.port is 70000; input should be less than or equal to 65535",
        ),
        ("port: 3000", "", "services.api-gateway.port is missing; write it"),
        ("port: 3000", "prot: 3000", "services.api-gateway.prot is not a known key; remove it or mend its spelling"),
        (
            "tier: critical",
            "tier: gold",
            "services.api-gateway.tier is 'gold'; input should be 'critical' or 'standard'",
        ),
        ("name: ai-engine", "name: api-gateway", "services: name: 'api-gateway' occurs twice; write each once"),
        ("sampling_share: 0.5", "sampling_share: 50", "sampling_share is 50; input should be less than or equal to 1"),
        (
            "latency_ms: 500",
            "latency_ms: 600",
            "api-gateway: slo.latency_ms is 600; write one of [5, 10, 25, 50, 100, ",
        ),
        (
            "availability_percent: 99.9",
            "availability_percent: 100",
            "availability_percent is 100; input should be less",
        ),
        ("[5, 10, 25,", "[10, 5, 25,", "latency_buckets_ms is [10, 5, 25, "),
        ("services:\n", "servics:\n", "services is missing; write it"),
    ],
)
def test_a_mistake_in_services_says_where_and_what_to_write(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(DeclarationError) as error:
        load_platform(edited(SERVICES, tmp_path, old, new))
    assert message in str(error.value)
    assert str(error.value).startswith("services.yaml: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [("services: [", "not valid YAML"), ("- a", "holds list; write a map of keys and values")],
)
def test_a_file_that_is_no_declaration_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "services.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DeclarationError, match=message):
        load_platform(path)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(DeclarationError, match=r"nowhere\.yaml: cannot be read"):
        load_teams(Path("nowhere.yaml"))


def test_critical_pages_and_each_team_has_an_address() -> None:
    teams = load_teams(TEAMS)
    assert [severity for severity, place in teams.severities.items() if place.pages] == [Severity.CRITICAL]
    assert {team.name for team in teams.teams} == {"platform", "database", "security", "infrastructure"}
    assert teams.team("database").slack == "#database-alerts"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('slack: "#business-metrics"', "slack: business", "topics.business.slack is 'business'; string should match"),
        ("    categories: [business]\n", "", "topics.business: claims nothing; write at least one of categories"),
        ("  info:\n", "  note:\n", "severities.note"),
        ("email: platform-oncall@dharma.example", "email: nobody", "teams.platform.email is 'nobody'"),
        ("name: security", "name: platform", "teams: name: 'platform' occurs twice; write each once"),
        ('start: "08:00"', 'start: "8"', "business_hours.start is '8'; write a time of day as HH:MM"),
        ('start: "08:00"', 'start: "19:00"', "start is 19:00 and end is 18:00; write a start before the end"),
    ],
)
def test_a_mistake_in_teams_says_where_and_what_to_write(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(DeclarationError) as error:
        load_teams(edited(TEAMS, tmp_path, old, new))
    assert message in str(error.value)


def test_a_missing_severity_is_named(tmp_path: Path) -> None:
    info = '  info:\n    slack: "#dharma-alerts"\n    repeat_hours: 24\n'
    with pytest.raises(DeclarationError, match="severities: info missing; write a slack channel and repeat_hours"):
        load_teams(edited(TEAMS, tmp_path, info, ""))


def test_a_service_of_an_unknown_team_is_refused(tmp_path: Path) -> None:
    platform = load_platform(edited(SERVICES, tmp_path, "team: security", "team: secruity"))
    with pytest.raises(DeclarationError, match="guardrails-engine: team is 'secruity'; write one of"):
        check_owners(platform, load_teams(TEAMS))
