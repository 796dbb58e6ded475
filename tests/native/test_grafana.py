"""Does a real Grafana take our configuration, datasources and dashboards without a word of complaint?"""

from collections.abc import Iterator

import httpx
import pytest

from rendering.dashboards.links import Uid
from rendering.datasources import DATASOURCES, Folder
from tests.native.grafana_process import ENVIRONMENT, RunningGrafana, running_grafana
from tests.waiting import eventually


@pytest.fixture(scope="module")
def grafana(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGrafana]:
    with running_grafana(tmp_path_factory.mktemp("grafana")) as running:
        yield running


def test_all_datasources_are_there_and_read_only(grafana: RunningGrafana) -> None:
    found = grafana.api.get("/api/datasources").raise_for_status().json()
    assert {(each["uid"], each["type"]) for each in found} == {(each.uid, each.type) for each in DATASOURCES}
    assert all(each["readOnly"] for each in found)


def test_variables_of_grafana_survive_its_own_expansion(grafana: RunningGrafana) -> None:
    """Grafana fills in `$NAME` when it reads the file; the links need their `${__value.raw}` whole."""
    loki = grafana.api.get("/api/datasources/uid/loki").json()["jsonData"]
    jaeger = grafana.api.get("/api/datasources/uid/jaeger").json()["jsonData"]
    assert loki["derivedFields"][0]["url"] == "${__value.raw}"
    assert jaeger["tracesToLogsV2"]["query"] == '{service=~".+"} | trace_id="${__trace.traceId}"'
    assert "{$__tags}" in jaeger["tracesToMetrics"]["queries"][0]["query"]


def test_all_dashboards_are_there_in_their_folders(grafana: RunningGrafana) -> None:
    def provisioned() -> bool:
        found = grafana.api.get("/api/search", params={"type": "dash-db", "limit": 5000}).json()
        assert {each["uid"] for each in found} == {uid.value for uid in Uid}
        assert {each["folderTitle"] for each in found} == {folder.value for folder in Folder}
        return True

    assert eventually(provisioned, 30)


def test_the_home_page_is_the_overview(grafana: RunningGrafana) -> None:
    assert grafana.api.get("/api/dashboards/home").raise_for_status().json()["dashboard"]["uid"] == Uid.OVERVIEW


def test_metrics_say_which_environment_this_is(grafana: RunningGrafana) -> None:
    """The variable Environment is filled from it; Grafana reads such a setting only over a key that its file has."""
    metrics = grafana.api.get("/metrics").raise_for_status().text
    assert f'grafana_environment_info{{environment="{ENVIRONMENT}"}} 1' in metrics


def test_nothing_is_logged_that_needs_a_look(grafana: RunningGrafana) -> None:
    complaints = [line for line in grafana.logged("warn", "error") if "provisioning" in line.get("logger", "")]
    assert complaints == []


def test_a_stranger_gets_nothing(grafana: RunningGrafana) -> None:
    url = grafana.api.base_url
    assert httpx.get(f"{url}/api/search", trust_env=False).status_code == 401
    assert httpx.get(f"{url}/api/search", auth=("admin", "admin"), trust_env=False).status_code == 401


def test_answers_carry_the_security_headers(grafana: RunningGrafana) -> None:
    headers = grafana.api.get("/api/org").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "deny"
    assert headers["strict-transport-security"].startswith("max-age=31536000")


def test_the_session_cookie_is_secure_as_grafana_ini_stands(grafana: RunningGrafana) -> None:
    login = {"user": "admin", "password": "made for a test"}
    answer = httpx.post(f"{grafana.api.base_url}/login", json=login, trust_env=False).raise_for_status()
    [cookie] = [each for each in answer.headers.get_list("set-cookie") if each.startswith("grafana_session=")]
    assert {"Secure", "HttpOnly", "SameSite=Lax"} <= {part.strip() for part in cookie.split(";")}
