"""Are bad dashboards refused, and are teams' own ones taken in?"""

import json
from pathlib import Path
from typing import Any

import pytest

from rendering.dashboards import all_dashboards
from rendering.dashboards.dropped_in import DashboardError, read
from rendering.dashboards.gates import problems
from rendering.datasources import Folder
from rendering.declarations import load_services

SERVICES = load_services(Path(__file__).resolve().parents[2] / "configs/services.yaml")


def dashboard(uid: str = "ours", **panel: Any) -> dict[str, Any]:
    """A dashboard of one good panel, with whatever `panel` changes about it."""
    prometheus = {"type": "prometheus", "uid": "prometheus"}
    good = {
        "type": "timeseries",
        "title": "Requests",
        "description": "Requests per second.",
        "datasource": prometheus,
        "fieldConfig": {"defaults": {"unit": "reqps"}},
        "links": [{"title": "Overview", "url": "/d/overview"}],
        "targets": [{"refId": "A", "datasource": prometheus, "expr": "up"}],
    }
    return {"uid": uid, "title": "Ours", "panels": [good | panel]}


def drop(directory: Path, folder: str, name: str, document: object) -> None:
    (directory / folder).mkdir(parents=True, exist_ok=True)
    (directory / folder / f"{name}.json").write_text(json.dumps(document))


def test_a_good_dashboard_has_no_problems() -> None:
    assert problems(dashboard()) == []


@pytest.mark.parametrize(
    ("panel", "problem"),
    [
        ({"type": "graph"}, "panel 'Requests' is of type 'graph'; use a current one"),
        ({"type": "singlestat"}, "panel 'Requests' is of type 'singlestat'; use a current one"),
        ({"alert": {}}, "panel 'Requests' holds an alert"),
        ({"description": ""}, "panel 'Requests' has no description"),
        ({"title": ""}, "a panel has no title"),
        ({"fieldConfig": {"defaults": {}}}, "panel 'Requests' has no unit"),
        ({"links": []}, "panel 'Requests' leads nowhere"),
        ({"targets": []}, "panel 'Requests' asks nothing"),
        ({"datasource": "Prometheus"}, "panel 'Requests' refers to datasource 'Prometheus'"),
        ({"datasource": {"type": "loki", "uid": "prometheus"}}, "panel 'Requests' says type 'loki'"),
    ],
)
def test_a_bad_panel_is_refused_with_what_to_write(panel: dict[str, Any], problem: str) -> None:
    found = problems(dashboard(**panel))
    assert any(line.startswith(problem) for line in found), found


@pytest.mark.parametrize(
    ("expression", "refused"),
    [
        ('up{namespace="dharma"}', True),
        ('up{namespace=~"dharma|other"}', True),
        ('up{namespace=~"$namespace"}', False),
        ('up{service="api-gateway"}', False),
    ],
)
def test_a_fixed_namespace_is_refused(expression: str, refused: bool) -> None:
    target = {"refId": "A", "datasource": {"type": "prometheus", "uid": "prometheus"}, "expr": expression}
    assert bool(problems(dashboard(targets=[target]))) is refused


def test_panels_inside_collapsed_rows_are_checked_too() -> None:
    inner = dashboard(type="graph")["panels"]
    assert problems({"uid": "a", "title": "A", "panels": [{"type": "row", "title": "Row", "panels": inner}]})


def test_a_teams_dashboard_is_deployed_beside_ours(tmp_path: Path) -> None:
    drop(tmp_path, "business", "ours", dashboard())
    rendered = all_dashboards(SERVICES, runbook_base_url="https://example.org", team_directory=tmp_path)
    assert set(rendered[Folder.BUSINESS]) == {"business", "ours"}


def test_a_teams_dashboard_is_in_the_menus_of_all_others_and_has_them_too(tmp_path: Path) -> None:
    own = {"tags": ["queue"], "links": [{"title": "Wiki", "type": "link", "url": "https://example.org"}]}
    drop(tmp_path, "business", "ours", dashboard() | own)
    rendered = all_dashboards(SERVICES, runbook_base_url="https://example.org", team_directory=tmp_path)
    overview = json.loads(rendered[Folder.PLATFORM]["overview"])
    found = json.loads(rendered[Folder.BUSINESS]["ours"])
    menus = [set(link["tags"]) for link in overview["links"] if link["title"] == Folder.BUSINESS]
    assert [menu for menu in menus if menu <= set(found["tags"])] == menus != []
    titles = [link["title"] for link in found["links"]]
    assert titles == ["Overview", *(folder.value for folder in Folder), "Wiki"]
    assert "queue" in found["tags"]


def test_no_directory_means_no_team_dashboards(tmp_path: Path) -> None:
    assert read(tmp_path / "missing") == {}


@pytest.mark.parametrize(
    ("folder", "name", "document", "message"),
    [
        ("ours", "ours", dashboard(), "no folder 'ours'; move it to one of"),
        ("business", "other", dashboard(), "uid is 'ours'; write 'other'"),
        ("business", "overview", dashboard(uid="overview"), "uid 'overview' is taken; rename"),
        ("business", "ours", dashboard(type="graph"), "is of type 'graph'"),
    ],
)
def test_a_bad_file_is_named_with_what_to_mend(
    tmp_path: Path, folder: str, name: str, document: object, message: str
) -> None:
    drop(tmp_path, folder, name, document)
    with pytest.raises(DashboardError, match=message) as caught:
        all_dashboards(SERVICES, runbook_base_url="https://example.org", team_directory=tmp_path)
    assert f"{name}.json" in str(caught.value)


def test_a_file_that_is_not_json_is_named(tmp_path: Path) -> None:
    drop(tmp_path, "business", "ours", "")
    (tmp_path / "business/ours.json").write_text("{")
    with pytest.raises(DashboardError, match=r"ours.json: not valid JSON"):
        read(tmp_path)
