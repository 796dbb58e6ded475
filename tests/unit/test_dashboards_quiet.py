"""Is every panel that may be empty one that was agreed on, and will a drill fill it where one can?"""

import json
from pathlib import Path

from rendering.dashboards import all_dashboards
from rendering.declarations import load_services
from sandbox.dashboard_queries import panel_queries
from tests.quiet_panels import FILLED_BY_THE_DRILL, NOT_IN_THE_DRILL, QUIET
from tests.stack_files import costs_of

SERVICES = load_services(Path(__file__).resolve().parents[2] / "configs/services.yaml")


def test_exactly_the_panels_that_are_named_may_be_empty() -> None:
    """A text in place of "No data" exempts a panel from having any: it is not to be had by the way."""
    rendered = all_dashboards(SERVICES, runbook_base_url="https://example.org", costs=costs_of("prod"))
    found = {
        (uid, each.panel)
        for folder in rendered.values()
        for uid, text in folder.items()
        for each in panel_queries(json.loads(text), {})
        if each.may_be_empty
    }
    assert found - QUIET == set()
    assert QUIET - found == set()


def test_what_no_drill_fills_has_a_reason() -> None:
    filled = {(uid, title) for uid, titles in FILLED_BY_THE_DRILL.items() for title in titles}
    assert filled & NOT_IN_THE_DRILL.keys() == set()
    assert [panel for panel, reason in NOT_IN_THE_DRILL.items() if not reason] == []
