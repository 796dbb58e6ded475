"""Do all dashboards keep what Grafana, the rules and the people who read them rely on?"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rendering.dashboards import all_dashboards
from rendering.dashboards.board import LIVE, TAG
from rendering.dashboards.gates import all_panels, expressions, problems
from rendering.dashboards.links import Uid
from rendering.datasources import PROMETHEUS, Folder
from rendering.declarations import Platform, load_platform
from rendering.slo import declared_rules
from tests.stack_files import costs_of

ROOT = Path(__file__).resolve().parents[2]
TEAMS = ROOT / "configs/grafana/dashboards"
RUNBOOKS = "https://example.org/runbooks"
CONFIG_MAP_LIMIT_BYTES = 1024 * 1024

Document = dict[str, Any]


@pytest.fixture(scope="module")
def platform() -> Platform:
    return load_platform(ROOT / "configs/services.yaml")


@pytest.fixture(scope="module")
def ours(platform: Platform) -> dict[str, Document]:
    """Parsed dashboards by uid, without those of teams."""
    rendered = all_dashboards(platform.services, runbook_base_url=RUNBOOKS, costs=costs_of("prod"))
    return {uid: json.loads(text) for folder in rendered.values() for uid, text in folder.items()}


@pytest.fixture(scope="module")
def dashboards(platform: Platform) -> dict[str, Document]:
    """Parsed dashboards by uid, as they are deployed: those that teams have dropped in among them."""
    rendered = all_dashboards(
        platform.services, runbook_base_url=RUNBOOKS, team_directory=TEAMS, costs=costs_of("prod")
    )
    return {uid: json.loads(text) for folder in rendered.values() for uid, text in folder.items()}


@pytest.fixture(scope="module")
def recorded(platform: Platform) -> set[str]:
    """Names of all recorded series."""
    documents = [yaml.safe_load(path.read_text()) for path in (ROOT / "configs/prometheus/rules").glob("*.yaml")]
    documents.append(declared_rules(platform, ["prometheus"]))
    rules = [rule for document in documents for group in document["groups"] for rule in group["rules"]]
    return {rule["record"] for rule in rules if "record" in rule}


def test_every_dashboard_passes_the_gates(dashboards: dict[str, Document]) -> None:
    found = {uid: problems(document) for uid, document in dashboards.items()}
    assert {uid: lines for uid, lines in found.items() if lines} == {}


def test_there_are_at_least_fifteen_and_each_planned_one_exists(ours: dict[str, Document]) -> None:
    assert len(ours) >= 15
    assert set(ours) == {uid.value for uid in Uid}


def test_a_dashboards_uid_is_its_files_name_and_no_two_share_one(platform: Platform) -> None:
    rendered = all_dashboards(platform.services, runbook_base_url=RUNBOOKS, team_directory=TEAMS)
    names = [(uid, json.loads(text)["uid"]) for folder in rendered.values() for uid, text in folder.items()]
    assert all(file_name == uid for file_name, uid in names)
    assert len(names) == len(set(names))


def test_no_folder_has_the_uid_or_title_of_a_dashboard(dashboards: dict[str, Document]) -> None:
    """Grafana keeps both in one table and would refuse the dashboard."""
    assert {folder.uid for folder in Folder} & set(dashboards) == set()
    assert {folder.value for folder in Folder} & {document["title"] for document in dashboards.values()} == set()


def test_every_folder_holds_a_dashboard(platform: Platform) -> None:
    rendered = all_dashboards(platform.services, runbook_base_url=RUNBOOKS, costs=costs_of("prod"))
    assert [folder for folder in Folder if not rendered[folder]] == []


def test_rendering_is_deterministic(platform: Platform) -> None:
    first, second = (
        all_dashboards(platform.services, runbook_base_url=RUNBOOKS, costs=costs_of("prod")) for _ in range(2)
    )
    assert first == second


def test_each_folder_fits_a_config_map(platform: Platform) -> None:
    rendered = all_dashboards(platform.services, runbook_base_url=RUNBOOKS, costs=costs_of("prod"))
    sizes = {folder: sum(len(text.encode()) for text in texts.values()) for folder, texts in rendered.items()}
    assert {folder: size for folder, size in sizes.items() if size > 0.9 * CONFIG_MAP_LIMIT_BYTES} == {}


@pytest.mark.parametrize("uid", [Uid.OVERVIEW, Uid.SERVICE])
def test_what_people_watch_refreshes_every_30_seconds(dashboards: dict[str, Document], uid: Uid) -> None:
    assert dashboards[uid]["refresh"] == LIVE == "30s"


def test_every_dashboard_is_at_most_two_clicks_from_the_overview(dashboards: dict[str, Document]) -> None:
    reached = {Uid.OVERVIEW.value}
    for _ in range(2):
        reached |= {target for uid in reached for target in _targets(dashboards[uid], dashboards)}
    assert set(dashboards) - reached == set()


def test_every_link_to_a_dashboard_leads_to_one_that_exists(dashboards: dict[str, Document]) -> None:
    linked = {uid for document in dashboards.values() for uid in re.findall(r'"/d/([\w-]+)', json.dumps(document))}
    assert linked - set(dashboards) == set()


def test_links_set_only_variables_that_the_dashboard_has(dashboards: dict[str, Document]) -> None:
    variables = {uid: {each["name"] for each in _variables(document)} for uid, document in dashboards.items()}
    wrong = {
        (uid, name)
        for document in dashboards.values()
        for uid, query in re.findall(r'"/d/([\w-]+)\?([^"]*)"', json.dumps(document))
        for name in re.findall(r"var-([\w-]+)=|\$\{(\w+):queryparam\}", query)
        if (name[0] or name[1]) not in variables[uid]
    }
    assert wrong == set()


def test_every_variable_that_a_query_uses_is_defined(dashboards: dict[str, Document]) -> None:
    wrong = {}
    for uid, document in dashboards.items():
        variables = {each["name"] for each in _variables(document)}
        used = set(re.findall(r"\$\{?([a-z]\w*)", " ".join(_all_queries(document))))
        wrong[uid] = used - variables
    assert {uid: names for uid, names in wrong.items() if names} == {}


def test_every_recorded_series_that_a_panel_reads_is_recorded(
    dashboards: dict[str, Document], recorded: set[str]
) -> None:
    pattern = re.compile(r"\b[a-z][a-z0-9_]*(?::[a-z0-9_]+){1,3}\b")
    used = {
        (uid, name)
        for uid, document in dashboards.items()
        for expression in _all_queries(document)
        for name in pattern.findall(re.sub(r'"[^"]*"|\[[^\]]*\]', "", expression))
    }
    assert len(used) > 50
    assert {(uid, name) for uid, name in used if name not in recorded} == set()


def test_the_overview_has_a_tile_for_every_service(dashboards: dict[str, Document], platform: Platform) -> None:
    titles = [panel["title"] for panel in all_panels(dashboards[Uid.OVERVIEW])]
    assert f"The {len(platform.services)} services" in titles


def test_panels_do_not_overlap_and_stay_within_the_grid(dashboards: dict[str, Document]) -> None:
    for uid, document in dashboards.items():
        taken: set[tuple[int, int]] = set()
        for panel in document["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert not cells & taken, f"{uid}: panel '{panel['title']}' lies on another"
            assert at["x"] + at["w"] <= 24, f"{uid}: panel '{panel['title']}' is too wide"
            taken |= cells


def test_no_two_panels_of_a_dashboard_have_one_title(dashboards: dict[str, Document]) -> None:
    """People could not tell each other which one they mean."""
    for uid, document in dashboards.items():
        titles = [panel["title"] for panel in all_panels(document) if panel["type"] != "row"]
        assert len(titles) == len(set(titles)), uid


def test_panel_ids_are_unique(dashboards: dict[str, Document]) -> None:
    for document in dashboards.values():
        ids = [panel["id"] for panel in all_panels(document)]
        assert len(ids) == len(set(ids))


def test_only_tables_ask_for_all_series_in_one_frame(dashboards: dict[str, Document]) -> None:
    """Such a frame's value has no labels: bars would be a single one called Value, and links to what one is empty."""
    asked = {
        (panel["type"], target.get("format") == "table")
        for document in dashboards.values()
        for panel in all_panels(document)
        for target in panel.get("targets", [])
        if target["datasource"]["uid"] == PROMETHEUS.uid
    }
    assert {kind for kind, as_table in asked if as_table} == {"table"}
    assert ("table", False) not in asked


def test_a_row_of_a_table_leads_on_by_one_of_its_headings(dashboards: dict[str, Document]) -> None:
    """The cells of a table have no labels."""
    wrong = {}
    linked = 0
    for document in dashboards.values():
        for panel in all_panels(document):
            if panel["type"] != "table":
                continue
            urls = " ".join(link["url"] for link in panel["fieldConfig"]["defaults"].get("links") or [])
            named = set(re.findall(r"\$\{__data\.fields\.([^}]+)\}", urls))
            headings = {
                heading
                for step in panel.get("transformations", [])
                for heading in step["options"].get("renameByName", {}).values()
            }
            linked += bool(named)
            if "__field.labels" in urls or named - headings:
                wrong[document["uid"], panel["title"]] = urls
    assert wrong == {}
    assert linked >= 2


def _variables(document: Document) -> list[Document]:
    """Of ours and of teams', who need not have any."""
    found: list[Document] = document.get("templating", {}).get("list", [])
    return found


def _all_queries(document: Document) -> Iterator[str]:
    for datasource in ("prometheus", "loki"):
        yield from expressions(document, datasource)
    for panel in all_panels(document):
        for target in panel.get("targets", []):
            yield target.get("service") or ""
            yield target.get("minDuration") or ""
    for variable in _variables(document):
        if variable["type"] == "query":
            yield variable["query"]["query"]


def _targets(document: Document, dashboards: dict[str, Document]) -> set[str]:
    """Dashboards one click away: by panel, by a click on a series, by the menus at the top."""
    by_url = set(re.findall(r'"/d/([\w-]+)', json.dumps(document)))
    menus = [set(link["tags"]) for link in document["links"] if link["type"] == "dashboards"]
    assert all(TAG in menu for menu in menus)
    by_menu = {uid for uid, other in dashboards.items() for menu in menus if menu <= set(other["tags"])}
    return by_url | by_menu


def test_queries_of_prometheus_name_no_external_label(dashboards: dict[str, Document]) -> None:
    """`cluster` and `environment` are put on what leaves Prometheus; its own queries do not see them."""
    found = [
        expression
        for document in dashboards.values()
        for expression in expressions(document, PROMETHEUS.uid)
        if re.search(r"\b(cluster|environment)\s*=", expression)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("absent", "gone"),
    [
        ({"postgres-exporter"}, {Uid.POSTGRESQL}),
        ({"postgres-exporter", "redis-exporter"}, {Uid.POSTGRESQL, Uid.REDIS}),
    ],
)
def test_what_is_not_scraped_has_no_dashboard_and_nothing_leads_to_it(
    platform: Platform, absent: set[str], gone: set[Uid]
) -> None:
    rendered = all_dashboards(platform.services, runbook_base_url=RUNBOOKS, costs=costs_of("prod"), absent_jobs=absent)
    found = {uid: json.loads(text) for folder in rendered.values() for uid, text in folder.items()}
    assert set(Uid) - set(found) == gone
    assert {
        uid for document in found.values() for uid in re.findall(r'"/d/([\w-]+)', json.dumps(document))
    } & gone == set()
    assert [line for document in found.values() for line in problems(document)] == []
    overview = {panel["title"] for panel in all_panels(found[Uid.OVERVIEW])}
    assert ("Database connections" in overview) is (Uid.POSTGRESQL not in gone)
    assert ("Redis clients and memory" in overview) is (Uid.REDIS not in gone)
    assert ("Databases" in overview) is not ({Uid.POSTGRESQL, Uid.REDIS} <= gone)


def test_the_guide_lists_every_dashboard(ours: dict[str, Document], platform: Platform) -> None:
    rendered = all_dashboards(platform.services, runbook_base_url=RUNBOOKS, costs=costs_of("prod"))
    rows = re.findall(
        r"^\| ([^|]+) \| ([^|]+) \| `([^`]+)` \|", (ROOT / "docs/dashboards.md").read_text(), re.MULTILINE
    )
    expected = [(folder.value, ours[uid]["title"], uid) for folder, documents in rendered.items() for uid in documents]
    assert sorted(rows) == sorted(expected)
