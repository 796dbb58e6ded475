"""Does a real Grafana keep its state in a real PostgreSQL, and do two of them share it?"""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from rendering.dashboards.links import Uid
from tests.native.grafana_process import PASSWORD, RunningGrafana, running_grafana
from tests.native.postgresql_process import RunningPostgresql, running_postgresql
from tests.waiting import eventually


@pytest.fixture(scope="module")
def postgresql() -> Iterator[RunningPostgresql]:
    with running_postgresql() as running:
        yield running


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("other")


@pytest.fixture(scope="module")
def replicas(
    postgresql: RunningPostgresql, folders: tuple[Path, Path]
) -> Iterator[tuple[RunningGrafana, RunningGrafana]]:
    """Two processes on one database."""
    first, second = folders
    with (
        running_grafana(first, postgresql.settings) as one,
        running_grafana(second, postgresql.settings) as other,
    ):
        yield one, other


def test_nothing_is_kept_in_a_file(
    replicas: tuple[RunningGrafana, RunningGrafana], folders: tuple[Path, Path], postgresql: RunningPostgresql
) -> None:
    assert [path for folder in folders for path in folder.rglob("grafana.db*")] == []
    assert postgresql.sql("SELECT login FROM \"user\" WHERE login = 'admin'") == ["admin"]


def test_the_way_to_the_database_is_encrypted(
    replicas: tuple[RunningGrafana, RunningGrafana], postgresql: RunningPostgresql
) -> None:
    encrypted = postgresql.sql(
        "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'grafana'"
    )
    assert encrypted == ["t"]


def test_what_is_made_at_one_is_there_at_the_other(replicas: tuple[RunningGrafana, RunningGrafana]) -> None:
    one, other = replicas
    made = one.api.post("/api/dashboards/db", json={"dashboard": {"title": "made at one", "panels": []}})
    found = other.api.get(f"/api/dashboards/uid/{made.raise_for_status().json()['uid']}").raise_for_status()
    assert found.json()["dashboard"]["title"] == "made at one"


def test_a_login_at_one_is_a_login_at_the_other(replicas: tuple[RunningGrafana, RunningGrafana]) -> None:
    """So the Service may send each request to another replica."""
    one, other = replicas
    with httpx.Client(base_url=one.api.base_url, trust_env=False) as browser:
        browser.post("/login", json={"user": "admin", "password": PASSWORD}).raise_for_status()
        session = browser.cookies["grafana_session"]
    answer = httpx.get(f"{other.api.base_url}/api/user", cookies={"grafana_session": session}, trust_env=False)
    assert answer.raise_for_status().json()["login"] == "admin"


def test_both_provision_and_neither_complains(replicas: tuple[RunningGrafana, RunningGrafana]) -> None:
    one, other = replicas

    def provisioned() -> bool:
        found = other.api.get("/api/search", params={"type": "dash-db", "limit": 5000}).json()
        return {uid.value for uid in Uid} <= {each["uid"] for each in found}

    assert eventually(provisioned, 30)
    # The logger `settings` misses the web pages, which this build does not have.
    complaints = [line for each in (one, other) for line in each.logged("error") if line["logger"] != "settings"]
    assert complaints == []
