"""Does every panel say what is too much, by the numbers that the alerts have, or why it does not?"""

import json
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from rendering.dashboards import all_dashboards
from rendering.dashboards.gates import TEXT_ONLY, all_panels
from rendering.dashboards.links import Uid
from rendering.dashboards.panels import FROM_BOTTOM, Alert
from rendering.dashboards.slos import BURN_RATES
from rendering.declarations import load_services
from rendering.rules import load_rule_files, thresholds
from tests.stack_files import costs_of
from tests.unlimited_panels import BY_NAME, BY_TITLE, BY_TYPE, BY_UNIT

ROOT = Path(__file__).resolve().parents[2]
SERVICES = load_services(ROOT / "configs/services.yaml")
NAMED = {(uid, title) for boards in BY_NAME.values() for uid, titles in boards.items() for title in titles}
LIMITS = {
    alert: bound
    for tool in ("prometheus", "loki")
    for alert, bound in thresholds(load_rule_files(ROOT / "configs" / tool / "rules"), {}).items()
}

Panel = dict[str, Any]


@cache
def panels(all_limits: float | None = None) -> list[tuple[str, Panel]]:
    """all_limits: the threshold of every alert, in place of those of the rule files."""
    limits = None if all_limits is None else dict.fromkeys(LIMITS, all_limits)
    rendered = all_dashboards(SERVICES, runbook_base_url="https://example.org", costs=costs_of("prod"), limits=limits)
    return [
        (uid, panel)
        for folder in rendered.values()
        for uid, text in folder.items()
        for panel in all_panels(json.loads(text))
        if panel["type"] not in TEXT_ONLY
    ]


def unlimited() -> list[tuple[str, Panel]]:
    return [(uid, panel) for uid, panel in panels() if all(len(steps) < 2 for steps in scales(panel))]


def scales(panel: Panel) -> Iterator[list[dict[str, Any]]]:
    """Of the whole panel, and of single columns of a table."""
    config = panel["fieldConfig"]
    yield config["defaults"]["thresholds"]["steps"]
    for override in config["overrides"]:
        yield from (each["value"]["steps"] for each in override["properties"] if each["id"] == "thresholds")


def bounds(panel: Panel) -> list[float]:
    return [step["value"] for steps in scales(panel) for step in steps if step["value"] is not None]


def panel_of(uid: Uid, title: str, all_limits: float | None = None) -> Panel:
    [found] = [panel for board, panel in panels(all_limits) if (board, panel["title"]) == (uid, title)]
    return found


def by_kind(panel: Panel) -> bool:
    unit = panel["fieldConfig"]["defaults"]["unit"]
    return panel["type"] in BY_TYPE or unit in BY_UNIT or panel["title"] in BY_TITLE


def test_every_panel_has_thresholds_or_a_reason() -> None:
    assert {(uid, panel["title"]) for uid, panel in unlimited() if not by_kind(panel)} - NAMED == set()


def test_each_reason_is_still_needed() -> None:
    found = unlimited()
    assert NAMED - {(uid, panel["title"]) for uid, panel in found if not by_kind(panel)} == set()
    assert set(BY_TYPE) - {panel["type"] for _, panel in found} == set()
    assert set(BY_TITLE) - {panel["title"] for _, panel in found} == set()
    assert set(BY_UNIT) - {panel["fieldConfig"]["defaults"]["unit"] for _, panel in found} == set()


def test_thresholds_rise() -> None:
    """Grafana takes the last step that a value has reached."""
    for uid, panel in panels():
        for steps in scales(panel):
            values = [FROM_BOTTOM if step["value"] is None else step["value"] for step in steps]
            assert steps[0]["value"] is None, (uid, panel["title"])
            assert all(lower < upper for lower, upper in pairwise(values)), (uid, panel["title"], values)


@pytest.mark.parametrize(
    ("uid", "title", "bound"),
    [
        (Uid.OVERVIEW, "Error rate, by service", 0.2),
        (Uid.TRACES, "Calls between services", 0.2),
        (Uid.TRACES, "Duration p95, by operation", 200),
        (Uid.PROMETHEUS, "Series in memory", 0.2),
        (Uid.OPENSEARCH, "Disk free", 0.8),
    ],
)
def test_an_alerts_threshold_that_a_stack_changes_is_drawn_where_it_then_is(uid: Uid, title: str, bound: float) -> None:
    assert bound not in bounds(panel_of(uid, title))
    assert bound in bounds(panel_of(uid, title, 0.2))


def test_a_bound_may_stand_for_what_is_left() -> None:
    assert Alert("Full", times=-1, plus=1).bound({"Full": 0.85}) == 0.15


def test_burn_rates_are_those_that_the_alerts_fire_at() -> None:
    document = yaml.safe_load((ROOT / "configs/prometheus/rules/alerts-slo.yaml").read_text())
    rules = [rule for group in document["groups"] for rule in group["rules"] if rule["alert"] == "ErrorBudgetBurn"]
    fires = {}
    for rule in rules:
        window = rule["labels"]["window"]
        [factor] = re.findall(rf"ratio_rate{window} > on \([^)]+\) group_left \(\) \((?:([\d.]+) \*)?", rule["expr"])
        fires[window] = float(factor or 1)
    assert fires == BURN_RATES
