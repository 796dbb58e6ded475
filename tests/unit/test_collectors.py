"""Where Alloy collects logs, all that is said of Promtail is said of Alloy: rules, dashboards, scrape job."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from rendering import documents
from rendering.collectors import ALLOYS_METRICS, Collector, in_names_of, metric_of
from rendering.dashboards import all_dashboards
from rendering.declarations import load_services
from rendering.documents import Document
from rendering.jobs import stack_jobs
from rendering.promtail import NODE_PLACEHOLDER, PromtailValues, render_alloy
from rendering.rules import RuleError, RulesArgs, load_rule_files, render_rules
from sandbox import images
from tests.stack_files import costs_of

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
ALLOYS = RulesArgs(runbook_base_url="https://r.example", grafana_url="https://g.example", collector="alloy")


def dashboards(**overrides: Any) -> dict[str, str]:
    services = load_services(CONFIGS / "services.yaml")
    found = all_dashboards(services, runbook_base_url="https://r.example", costs=costs_of("prod"), **overrides)
    return {uid: text for folder in found.values() for uid, text in folder.items()}


def test_no_rule_and_no_dashboard_speaks_of_promtail_where_alloy_collects() -> None:
    rules = render_rules(load_rule_files(CONFIGS / "prometheus" / "rules"), ALLOYS)
    texts = {**rules, **dashboards(collector="alloy")}
    found = {name: re.findall(r".{30}(?:promtail|logentry).{30}", text, re.IGNORECASE) for name, text in texts.items()}
    assert {name: lines for name, lines in found.items() if lines} == {}
    assert "var-service=alloy" in rules["alerts-signals.yaml"]


def test_the_dashboards_are_the_same_but_for_names() -> None:
    usual, alloys = dashboards(), dashboards(collector="alloy")
    assert {uid: in_names_of("alloy", text) for uid, text in usual.items()} == alloys
    assert {uid for uid in usual if usual[uid] != alloys[uid]} == {"overview", "log-collector", "usage", "cost"}


def test_alloy_is_scraped_in_promtails_place() -> None:
    names = {collector: [job.name for job in stack_jobs("m", "a", collector)] for collector in get_args(Collector)}
    assert [name.replace("promtail", "alloy") for name in names["promtail"]] == names["alloy"]
    assert "alloy" in names["alloy"]


def test_a_metric_keeps_its_part_and_words_around_it() -> None:
    text = 'rate(promtail_request_duration_seconds_bucket{job="promtail", condition="promtails"}[5m]) # Promtail'
    assert in_names_of("promtail", text) == text
    assert in_names_of("alloy", text) == (
        'rate(loki_write_request_duration_seconds_bucket{job="alloy", condition="promtails"}[5m]) # Promtail'
    )


def test_a_metric_of_promtail_alone_is_refused_by_name() -> None:
    rule = {"alert": "A", "expr": "promtail_custom_total > 0", "labels": {"severity": "warning"}}
    files: dict[str, Document] = {"ours.yaml": {"groups": [{"name": "g", "rules": [rule]}]}}
    with pytest.raises(RuleError, match=r"ours\.yaml: promtail_custom_total is a metric of Promtail's alone"):
        render_rules(files, ALLOYS)


def test_every_name_in_the_table_is_read_somewhere() -> None:
    rules = [path.read_text() for path in (CONFIGS / "prometheus" / "rules").glob("*.yaml")]
    text = " ".join([*rules, *dashboards().values()])
    assert {name for name in ALLOYS_METRICS if not re.search(rf"\b{name}(_bucket|_count|_sum)?\b", text)} == set()
    assert metric_of("alloy", "promtail_read_lines_total") != metric_of("promtail", "promtail_read_lines_total")


def test_no_line_of_alloys_configuration_names_the_node_twice() -> None:
    """For the pod puts the name in once a line."""
    base = documents.load(CONFIGS / "promtail" / "promtail.yaml")
    text = render_alloy(base, PromtailValues(cluster="c", environment="test", services=()))
    assert [line.count(NODE_PLACEHOLDER) for line in text.splitlines() if NODE_PLACEHOLDER in line] == [1, 1]


@pytest.mark.parametrize(("collector", "other"), [("promtail", "alloy"), ("alloy", "promtail")])
def test_the_sandbox_makes_the_image_of_the_collector_that_its_stack_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, collector: str, other: str
) -> None:
    (tmp_path / "configs").symlink_to(CONFIGS)
    stack = (CONFIGS.parent / "Pulumi.sandbox.yaml").read_text()
    changed = re.sub(r"collector: \w+", f"collector: {collector}", stack)
    assert f"collector: {collector}" in changed
    (tmp_path / "Pulumi.sandbox.yaml").write_text(changed)
    monkeypatch.setattr(images, "repo_root", lambda: tmp_path)
    names = [reference.rsplit("/", 1)[-1].partition(":")[0] for reference in images.references()]
    assert collector in names
    assert other not in names


def test_the_guide_lists_every_name_in_both() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \|$", (CONFIGS.parent / "docs" / "logs.md").read_text(), re.MULTILINE)
    assert dict(rows) == ALLOYS_METRICS
