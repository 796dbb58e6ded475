"""Do the jobs do to a real Grafana what they say?"""

import json
import sqlite3
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from jobs import grafana_access, grafana_restore, grafana_snapshot
from rendering.access import render_access
from rendering.datasources import Folder
from rendering.declarations import load_teams
from sandbox.toolchain import binary
from tests.native.grafana_process import PASSWORD, ROOT, RunningGrafana, running_grafana, variables


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("grafana-jobs")


@pytest.fixture(scope="module")
def grafana(folder: Path) -> Iterator[RunningGrafana]:
    with running_grafana(folder) as running:
        yield running


@pytest.fixture(scope="module")
def declared() -> dict[str, Any]:
    """teams.yaml as it stands, with members for one team."""
    document: dict[str, Any] = json.loads(render_access(load_teams(ROOT / "configs/teams.yaml")))
    document["teams"][0]["members"] = ["ada", "not-here-yet"]
    return document


@pytest.fixture(scope="module")
def changes(grafana: RunningGrafana, declared: dict[str, Any]) -> list[str]:
    """What the first run of the access job changed."""
    user = {"name": "Ada", "login": "ada", "password": "made up for a test", "OrgId": 1}
    grafana.api.post("/api/admin/users", json=user).raise_for_status()
    client = grafana_access.Grafana(str(grafana.api.base_url), "admin", PASSWORD)
    grafana_access.when_ready(client, declared)
    return grafana_access.apply(client, declared)


def test_teams_are_made_and_filled_and_folders_are_theirs(changes: list[str], declared: dict[str, Any]) -> None:
    assert [line for line in changes if line.endswith(": made")] == [
        f"team {team['name']}: made" for team in declared["teams"]
    ]
    assert "team platform: ada added" in changes
    assert len([line for line in changes if line.startswith("folder ")]) == len(Folder)


def test_a_second_run_changes_nothing(
    changes: list[str], grafana: RunningGrafana, declared: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    client = grafana_access.Grafana(str(grafana.api.base_url), "admin", PASSWORD)
    assert grafana_access.apply(client, declared) == []
    assert "not-here-yet has not logged in yet" in capsys.readouterr().out


def test_what_somebody_changed_by_hand_is_put_right(
    changes: list[str], grafana: RunningGrafana, declared: dict[str, Any]
) -> None:
    everything = {"items": [{"role": "Viewer", "permission": 2}]}
    path = f"/api/folders/{Folder.PLATFORM.uid}/permissions"
    grafana.api.post(path, json=everything).raise_for_status()
    team = grafana.api.get("/api/teams/search", params={"name": "platform"}).json()["teams"][0]["id"]
    user = grafana.api.get("/api/users/lookup", params={"loginOrEmail": "ada"}).json()["id"]
    grafana.api.delete(f"/api/teams/{team}/members/{user}").raise_for_status()
    client = grafana_access.Grafana(str(grafana.api.base_url), "admin", PASSWORD)
    assert grafana_access.apply(client, declared) == [
        "team platform: ada added",
        f"folder {Folder.PLATFORM.uid}: everyone may look, may edit: platform",
    ]


@pytest.mark.parametrize("role", ["Editor", "Viewer"])
def test_a_role_alone_lets_people_look_and_nobody_write(changes: list[str], grafana: RunningGrafana, role: str) -> None:
    login = f"{role}-{uuid.uuid4().hex[:6]}"
    body = {"name": login, "login": login, "password": "made up for a test", "OrgId": 1}
    user = grafana.api.post("/api/admin/users", json=body).raise_for_status().json()["id"]
    grafana.api.patch(f"/api/org/users/{user}", json={"role": role}).raise_for_status()
    assert _writes(grafana, login, Folder.PLATFORM) == 403
    assert _reads(grafana, login, Folder.PLATFORM)


def test_a_member_writes_into_the_teams_folders_and_no_others(changes: list[str], grafana: RunningGrafana) -> None:
    assert _writes(grafana, "ada", Folder.PLATFORM) == 200
    assert _writes(grafana, "ada", Folder.INFRASTRUCTURE) == 403


def _writes(grafana: RunningGrafana, login: str, folder: Folder) -> int:
    dashboard = {"dashboard": {"title": uuid.uuid4().hex, "panels": []}, "folderUid": folder.uid}
    with httpx.Client(
        base_url=grafana.api.base_url, auth=(login, "made up for a test"), trust_env=False, timeout=30
    ) as client:
        return client.post("/api/dashboards/db", json=dashboard).status_code


def _reads(grafana: RunningGrafana, login: str, folder: Folder) -> bool:
    with httpx.Client(
        base_url=grafana.api.base_url, auth=(login, "made up for a test"), trust_env=False, timeout=30
    ) as client:
        found = client.get("/api/search", params={"folderUIDs": folder.uid}).raise_for_status().json()
    return bool(found)


def test_a_snapshot_of_a_running_database_is_whole_and_is_what_comes_back(
    changes: list[str], grafana: RunningGrafana, folder: Path, tmp_path: Path
) -> None:
    running = folder / "data/grafana.db"
    snapshot, restored = tmp_path / "grafana.db", tmp_path / "restored/grafana.db"
    grafana_snapshot.database(running, snapshot)
    restored.parent.mkdir()
    restored.write_bytes(b"another database")
    restored.with_name("grafana.db-wal").write_bytes(b"and its log")
    grafana_restore.database(snapshot, restored)
    assert not restored.with_name("grafana.db-wal").exists()
    for table in ("user", "team", "team_member", "dashboard", "permission", "annotation"):
        assert _rows(restored, table) == _rows(running, table), table
    assert len(_rows(restored, "team")) == len(load_teams(ROOT / "configs/teams.yaml").teams)


def _rows(database: Path, table: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(database)) as opened:
        # The time a person was last seen moves with every request.
        columns = [row[1] for row in opened.execute(f"PRAGMA table_info('{table}')") if row[1] != "last_seen_at"]
        names = ", ".join(f'"{name}"' for name in columns)
        return opened.execute(f'SELECT {names} FROM "{table}" ORDER BY id').fetchall()  # noqa: S608 - names of the test


def test_a_broken_snapshot_changes_nothing(tmp_path: Path) -> None:
    snapshot, running = tmp_path / "snapshot.db", tmp_path / "grafana.db"
    snapshot.write_bytes(b"SQLite format 3\0" + b"x" * 8000)
    running.write_bytes(b"what is there")
    with pytest.raises((sqlite3.DatabaseError, RuntimeError)):
        grafana_restore.database(snapshot, running)
    assert running.read_bytes() == b"what is there"


def test_a_grafana_without_a_database_is_not_given_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        grafana_snapshot.database(tmp_path / "grafana.db", tmp_path / "copy.db")
    assert not (tmp_path / "grafana.db").exists()


def test_the_admins_password_is_the_one_of_the_latest_start(tmp_path: Path) -> None:
    """As the init container does: also on an empty volume, and for a password that looks like a flag."""
    program = binary("grafana")
    home, config = f"--homepath={program.parent}", f"--config={ROOT}/configs/grafana/grafana.ini"
    command = [str(program), "cli", home, config, "admin", "reset-admin-password", "--", "-" + PASSWORD]
    subprocess.run(command, env=variables(tmp_path), check=True, capture_output=True)
    with running_grafana(tmp_path) as running:
        assert running.api.get("/api/org").status_code == 401
        found = httpx.get(f"{running.api.base_url}/api/org", auth=("admin", "-" + PASSWORD), trust_env=False)
        assert found.status_code == 200
