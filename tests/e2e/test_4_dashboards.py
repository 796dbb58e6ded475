"""Every query of every dashboard, asked through the running Grafana, returns data."""

import json

import httpx
import pytest

from rendering.dashboards import all_dashboards
from rendering.dashboards.links import Uid
from rendering.datasources import Folder
from rendering.declarations import load_services
from sandbox.dashboard_queries import annotation_queries, panel_queries, resolved_variables, run
from sandbox.paths import repo_root
from tests.quiet_panels import QUIET
from tests.stack_files import costs_of
from tests.waiting import eventually

pytestmark = pytest.mark.real_node

# Empty in a sandbox of some minutes, each for its reason. Panels that are empty when all is well are in
# tests/quiet_panels.py.
WEEKS_OF_PAST = "compares with last week"
EMPTY_HERE = {
    (Uid.BUSINESS, "Blueprints created [B]"): WEEKS_OF_PAST,
    (Uid.BUSINESS, "Violations against last week [B]"): WEEKS_OF_PAST,
    (Uid.BUSINESS, "Violations against last week [C]"): WEEKS_OF_PAST,
    (Uid.SERVICE, "Requests and their usual band [B]"): "a band needs two weeks of past",
    (Uid.SERVICE, "Requests and their usual band [C]"): "a band needs two weeks of past",
    (Uid.REDIS, "Memory [C]"): "the sandbox's Redis has no memory limit",
}
# Long windows are recorded every five minutes.
PATIENCE_SECONDS = 360


def rendered() -> dict[Folder, dict[str, str]]:
    services = load_services(repo_root() / "configs" / "services.yaml")
    return all_dashboards(services, runbook_base_url="https://example.org", costs=costs_of("sandbox"))


def test_every_dashboard_is_provisioned_in_its_folder(grafana: httpx.Client) -> None:
    found = grafana.get("/api/search", params={"type": "dash-db", "limit": 5000}).raise_for_status().json()
    expected = {(uid, folder.value) for folder, dashboards in rendered().items() for uid in dashboards}
    assert {(entry["uid"], entry["folderTitle"]) for entry in found} >= expected
    assert {uid for uid, _ in expected} == set(Uid)


@pytest.mark.parametrize("uid", list(Uid))
def test_every_variable_offers_something_and_every_query_returns_data(grafana: httpx.Client, uid: Uid) -> None:
    dashboard = grafana.get(f"/api/dashboards/uid/{uid}").raise_for_status().json()["dashboard"]

    def nothing_missing() -> bool:
        variables, empty = resolved_variables(grafana, dashboard)
        assert empty == [], f"variables of {uid} without a value"
        asked = [each for each in panel_queries(dashboard, variables) if (uid, each.panel) not in QUIET]
        failed = {name: why for name, why in run(grafana, asked).items() if (uid, name) not in EMPTY_HERE}
        assert failed == {}
        return True

    assert eventually(nothing_missing, PATIENCE_SECONDS, every_seconds=15)


@pytest.mark.parametrize("uid", list(Uid))
def test_no_query_is_refused(grafana: httpx.Client, uid: Uid) -> None:
    """Also of panels that are empty when all is well, and of marks: nothing is not an error."""
    dashboard = grafana.get(f"/api/dashboards/uid/{uid}").raise_for_status().json()["dashboard"]
    variables, _ = resolved_variables(grafana, dashboard)
    failed = run(grafana, [*panel_queries(dashboard, variables), *annotation_queries(dashboard, variables)])
    assert {name: why for name, why in failed.items() if not why.startswith(("no data", "no traces"))} == {}


def test_each_exception_is_still_needed() -> None:
    """An exception that names a query that is gone would hide the next one of that name."""
    documents = {uid: json.loads(text) for dashboards in rendered().values() for uid, text in dashboards.items()}
    names = {(uid, each.name) for uid, document in documents.items() for each in panel_queries(document, {})}
    assert set(EMPTY_HERE) - names == set()
