"""Rule files with the stack's values laid over them: overrides, profiles, links, and what must be there by name."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from rendering.declarations import load_platform
from rendering.rules import (
    Override,
    RuleError,
    RulesArgs,
    alert_names,
    check_overrides,
    load_rule_files,
    render_rules,
    threshold,
)
from rendering.slo import bucket, declared_rules

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
PLATFORM = load_platform(CONFIGS / "services.yaml")
FILES = load_rule_files(CONFIGS / "prometheus" / "rules")
LOKI_FILES = load_rule_files(CONFIGS / "loki" / "rules")

# name -> severity, for, threshold: the 28 that the task names, as its platform first used them
NAMED = {
    "ServiceDown": ("critical", "1m", None),
    "HighErrorRate": ("warning", "5m", 0.05),
    "CriticalErrorRate": ("critical", "3m", 0.1),
    "HighLatency": ("warning", "10m", 1),
    "CriticalLatency": ("critical", "5m", 3),
    "HighRequestRate": ("warning", "10m", 1000),
    "HighMemoryUsage": ("warning", "10m", 0.85),
    "CriticalMemoryUsage": ("critical", "5m", 0.95),
    "HighCPUUsage": ("warning", "15m", 0.85),
    "CriticalCPUUsage": ("critical", "10m", 0.95),
    "PodRestarting": ("warning", None, 2),
    "DatabaseDown": ("critical", "1m", None),
    "HighDatabaseConnections": ("critical", "10m", 80),
    "DatabaseSlowQueries": ("critical", "10m", 1),
    "DatabaseReplicationLag": ("critical", "5m", 60),
    "RedisDown": ("critical", "1m", None),
    "RedisHighMemoryUsage": ("warning", "10m", 0.9),
    "RedisRejectedConnections": ("critical", None, 0),
    "KubernetesNodeNotReady": ("critical", "10m", None),
    "KubernetesPodCrashLooping": ("critical", "5m", None),
    "KubernetesPVCFull": ("warning", "10m", 0.9),
    "LowBlueprintCreationRate": ("warning", "2h", 1),
    "HighIACGenerationFailureRate": ("warning", "30m", 0.1),
    "GuardrailsViolationSpike": ("warning", "30m", 10),
    "UnauthorizedAccessAttempts": ("critical", "10m", 10),
    "SuspiciousActivity": ("critical", "10m", 5),
    "APIAvailabilitySLOBreach": ("critical", "15m", None),
    "APILatencySLOBreach": ("critical", "15m", None),
}
CATEGORIES = {"service-health", "resources", "database", "redis", "kubernetes", "business", "security", "slo", "stack"}


def render(**overrides: Any) -> dict[str, dict[str, Any]]:
    minimal: dict[str, Any] = {
        "runbook_base_url": "https://runbooks.example",
        "grafana_url": "https://grafana.example",
    }
    texts = render_rules({**FILES, **LOKI_FILES}, RulesArgs(**{**minimal, **overrides}))
    return {name: yaml.safe_load(text) for name, text in texts.items()}


def alerts(documents: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        rule["alert"]: rule
        for document in documents.values()
        for group in document["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }


def test_the_28_named_alerts_have_their_severity_duration_and_threshold() -> None:
    rules = alerts(FILES)
    seen = {}
    for name in NAMED:
        rule, marked = rules[name], threshold(rules[name])
        seen[name] = (rule["labels"]["severity"], rule.get("for"), None if marked is None else marked[0])
    assert seen == NAMED


def test_there_are_at_least_80_alerts_in_nine_categories_12_of_them_on_the_stack_itself() -> None:
    rules = alerts(FILES)
    assert len(rules) >= 80
    by_category: dict[str, int] = {}
    for rule in rules.values():
        category = rule["labels"].get("category", "service-health")  # an escalated warning keeps its own
        by_category[category] = by_category.get(category, 0) + 1
    assert set(by_category) == CATEGORIES
    assert by_category["stack"] >= 12
    assert by_category["service-health"] >= 8


def test_there_are_at_least_30_recording_rules_named_level_metric_operation() -> None:
    groups = [group for document in FILES.values() for group in document["groups"]]
    records = {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}
    assert len(records) >= 30
    assert all(len(record.split(":")) == 3 for record in records)


def alert(**changes: Any) -> dict[str, Any]:
    """A rule file of one good alert, with whatever `changes` says about it."""
    good = {
        "alert": "QueueRejects",
        "expr": "sum(rate(queue_rejected_total[5m])) > 5 # threshold: rejections per second",
        "labels": {"severity": "warning", "category": "business", "condition": "queue", "team": "platform"},
        "annotations": {"summary": "The queue rejects", "description": "Work is lost."},
    }
    return {"groups": [{"name": "ours", "rules": [good | changes]}]}


def drop(folder: Path, document: dict[str, Any]) -> Path:
    (folder / "ours.yaml").write_text(yaml.safe_dump(document, width=10**6))
    return folder


def test_a_teams_rule_file_is_deployed_beside_ours_with_its_links(tmp_path: Path) -> None:
    args = RulesArgs(runbook_base_url="https://r.example", grafana_url="https://g.example")
    rendered = yaml.safe_load(render_rules(load_rule_files(drop(tmp_path, alert())), args)["ours.yaml"])
    [rule] = rendered["groups"][0]["rules"]
    assert rule["annotations"]["runbook_url"] == "https://r.example/QueueRejects.md"
    assert rule["annotations"]["dashboard_url"] == "https://g.example/d/business"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": {"category": "business"}}, "alert 'QueueRejects': label severity is None; write one of critical"),
        ({"labels": {"severity": "high"}}, "alert 'QueueRejects': label severity is 'high'; write one of critical"),
        ({"labels": {"severity": "info", "category": "sales"}}, "label category is 'sales'; write one of business"),
        ({"annotations": {"summary": "It rejects"}}, "alert 'QueueRejects' has no description; write what"),
        ({"expr": ""}, "group 'ours': a rule has no name"),
        ({"alert": ""}, "group 'ours': a rule has no name"),
    ],
)
def test_a_bad_rule_file_is_named_with_what_to_mend(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RuleError) as refused:
        load_rule_files(drop(tmp_path, alert(**changes)))
    assert str(refused.value).startswith(f"{tmp_path}/ours.yaml: ")
    assert message in str(refused.value)


def test_every_alert_says_severity_category_condition_summary_and_description() -> None:
    for name, rule in alerts({**FILES, **LOKI_FILES}).items():
        if name != "WarningEscalated":  # carries those of the warning
            assert {"severity", "category", "condition"} <= set(rule["labels"]), name
        assert {"summary", "description"} == set(rule["annotations"]), name


def test_every_rule_file_says_what_it_covers_and_leaves_out() -> None:
    for path in CONFIGS.glob("*/rules/*.yaml"):
        head = path.read_text(encoding="utf-8").split("groups:")[0]
        assert "# Covers:" in head, path.name
        assert "# Leaves out:" in head, path.name


def test_links_are_added_to_every_alert_in_one_place() -> None:
    annotations = alerts(render())["HighErrorRate"]["annotations"]
    assert annotations["runbook_url"] == "https://runbooks.example/HighErrorRate.md"
    of_service = "{{ if $labels.service }}?var-service={{ $labels.service }}{{ end }}"
    assert annotations["dashboard_url"] == f"https://grafana.example/d/service-details{of_service}"
    assert annotations["logs_url"] == f"https://grafana.example/d/logs{of_service}"
    assert annotations["threshold"] == "0.05 (ratio)"
    assert all("runbook_url" in rule["annotations"] for rule in alerts(render()).values())


@pytest.mark.parametrize(
    ("alert", "logs"),
    [
        ("DatabaseDown", "https://grafana.example/d/logs?var-service=postgresql"),
        ("RedisDown", "https://grafana.example/d/logs?var-service=redis"),
        ("PrometheusConfigReloadFailed", "https://grafana.example/d/logs?var-service=prometheus"),
        (
            "KubernetesPodCrashLooping",
            "{{ if $labels.namespace }}https://grafana.example/d/logs?var-namespace={{ $labels.namespace }}"
            "{{ if $labels.pod }}&var-pod={{ $labels.pod }}{{ end }}{{ end }}",
        ),
        ("Watchdog", None),
    ],
)
def test_an_alert_leads_to_the_logs_of_what_it_is_about(alert: str, logs: str | None) -> None:
    assert alerts(render())[alert]["annotations"].get("logs_url") == logs


def test_an_override_changes_threshold_duration_severity_and_team_and_nothing_else() -> None:
    override = Override(threshold=0.2, for_="7m", severity="info", team="security")
    before, after = alerts(render()), alerts(render(overrides={"HighErrorRate": override}))
    changed = after.pop("HighErrorRate")
    assert changed["expr"].strip() == "service:http_errors:ratio_rate5m > 0.2 # threshold: ratio"
    assert changed["for"] == "7m"
    assert (changed["labels"]["severity"], changed["labels"]["team"]) == ("info", "security")
    assert changed["annotations"]["threshold"] == "0.2 (ratio)"
    before.pop("HighErrorRate")
    assert before == after


def test_an_alert_from_log_lines_is_changed_like_any_other() -> None:
    override = Override(threshold=20, for_="1m", severity="critical", team="security")
    before, after = alerts(render()), alerts(render(overrides={"LogErrorBurst": override}))
    changed, native = after.pop("LogErrorBurst"), before.pop("LogErrorBurst")
    assert changed["expr"] == native["expr"].replace("> 1 #", "> 20 #") != native["expr"]
    assert (changed["for"], changed["labels"]["severity"], changed["labels"]["team"]) == ("1m", "critical", "security")
    assert changed["annotations"]["threshold"] == "20 (lines per second)"
    assert before == after
    gone = render(overrides={"LogErrorBurst": Override(disabled=True, reason="a known bug, ticket 7")})
    assert set(before) == set(alerts(gone))


def test_every_alert_from_log_lines_has_a_threshold_to_change() -> None:
    assert all(threshold(rule) for rule in alerts(LOKI_FILES).values())


def test_no_alert_has_a_name_that_another_tool_has_too() -> None:
    assert set(alert_names(FILES)) & set(alert_names(LOKI_FILES)) == set()


def test_a_threshold_in_the_middle_of_an_expression_is_found() -> None:
    rule = alerts(render(overrides={"GuardrailsViolationSpike": Override(threshold=99)}))["GuardrailsViolationSpike"]
    assert "platform:guardrails_violations:rate5m > 99 # threshold: violations per second\n" in rule["expr"]
    assert "> 3 * (" in rule["expr"]


def test_a_disabled_alert_is_gone() -> None:
    documents = render(overrides={"HighErrorRate": Override(disabled=True, reason="known, see ticket 7")})
    assert "HighErrorRate" not in alerts(documents)
    assert "CriticalErrorRate" in alerts(documents)


@pytest.mark.parametrize(
    ("name", "override", "message"),
    [
        ("HighErorRate", Override(threshold=1), "'HighErorRate' is not an alert; did you mean 'HighErrorRate'?"),
        ("ServiceDown", Override(threshold=1), "ServiceDown: threshold is 1, but it has none; change for, severity"),
        ("ErrorBudgetBurn", Override(threshold=1), "it has none; change the objectives in services.yaml"),
        ("ServiceDown", Override(for_="soon"), "ServiceDown: for is 'soon'; write a number and a unit, such as 10m"),
        ("ServiceDown", Override(disabled=True), "ServiceDown: disabled is true but reason is not set"),
        ("ServiceDown", Override(team="nights"), "ServiceDown: team is 'nights'; write one of platform, security"),
    ],
)
def test_an_override_that_cannot_be_is_refused(name: str, override: Override, message: str) -> None:
    with pytest.raises(RuleError) as error:
        check_overrides(FILES, {name: override}, ["platform", "security"])
    assert message in str(error.value)


def test_rules_of_a_hidden_job_go_with_it() -> None:
    rules = alerts(render(hidden_jobs=frozenset({"etcd", "redis-exporter"})))
    assert not {name for name in rules if name.startswith(("Etcd", "Redis"))}
    assert "DatabaseDown" in rules
    assert "alerts-redis.yaml" not in render(hidden_jobs=frozenset({"redis-exporter"}))


def test_every_declared_service_is_known_to_the_rules_with_its_objectives() -> None:
    rules = [rule for group in declared_rules(PLATFORM, ("loki",))["groups"] for rule in group["rules"]]
    info = [rule["labels"] for rule in rules if rule["record"] == "platform:service:info"]
    assert [labels["service"] for labels in info] == [service.name for service in PLATFORM.services]
    objectives = {
        rule["labels"]["slo"]: rule["expr"]
        for rule in rules
        if rule["record"] == "service_slo:objective:ratio" and rule["labels"]["service"] == "api-gateway"
    }
    assert objectives == {"availability": "vector(0.999)", "errors": "vector(0.99)", "latency": "vector(0.95)"}


@pytest.mark.parametrize(
    ("latency_ms", "le"), [(500, "0.5"), (1000, "1.0"), (2500, "2.5"), (5, "0.005"), (10000, "10.0")]
)
def test_a_bucket_is_written_as_prometheus_writes_it(latency_ms: int, le: str) -> None:
    assert bucket(latency_ms) == le


def test_a_rule_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_text("rules: []\n", encoding="utf-8")
    with pytest.raises(RuleError, match=r"team\.yaml: has no list `groups`"):
        load_rule_files(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="nothing would ever alert"):
        load_rule_files(tmp_path)


def test_alert_names_are_distinct_and_sorted() -> None:
    names = alert_names(FILES)
    assert list(names) == sorted(set(names))
