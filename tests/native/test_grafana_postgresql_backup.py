"""A real Grafana's PostgreSQL database, dumped, lost and put back by the scripts of the backup's jobs."""

import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from components import backup
from components.grafana import USER
from components.grafana_database import client_variables
from jobs import grafana_snapshot
from tests.native.grafana_process import RunningGrafana, running_grafana
from tests.native.postgresql_process import PASSWORD, RunningPostgresql, running_postgresql

# Anything at all in any table: name of the table -> its rows as text, sorted.
Tables = Mapping[str, list[str]]


@pytest.fixture(scope="module")
def postgresql() -> Iterator[RunningPostgresql]:
    """With the files that the jobs' pods mount."""
    with running_postgresql() as running:
        for name, text in {
            client_variables(running.settings)["PASSWORD_FILE"]: PASSWORD,
            client_variables(running.settings)["PGSSLROOTCERT"]: running.settings.ca or "",
            f"{backup.SCRIPTS_DIRECTORY}/{backup.DUMP_SCRIPT.name}": backup.DUMP_SCRIPT.read_text(),
            f"{backup.SCRIPTS_DIRECTORY}/{backup.PUT_BACK_SCRIPT.name}": backup.PUT_BACK_SCRIPT.read_text(),
        }.items():
            path = running.root / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        yield running


@pytest.fixture
def work(postgresql: RunningPostgresql) -> Path:
    """The pod's scratch space, empty."""
    folder = postgresql.root / backup.WORK.lstrip("/")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.chown(folder, USER, USER)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("grafana")


@pytest.fixture(scope="module")
def person(postgresql: RunningPostgresql, folder: Path) -> str:
    """Login of somebody who has a team, a folder, a dashboard and a mark in a Grafana that was then stopped."""
    with running_grafana(folder, postgresql.settings) as grafana:
        return somebody(grafana)


def somebody(grafana: RunningGrafana) -> str:
    def post(path: str, **body: Any) -> Any:
        return grafana.api.post(path, json=body).raise_for_status().json()

    login = f"ada-{uuid.uuid4().hex[:8]}"
    user = post("/api/admin/users", name="Ada", login=login, password="made up for a test", OrgId=1)["id"]
    team = post("/api/teams", name=f"team of {login}")["teamId"]
    post(f"/api/teams/{team}/members", userId=user)
    own = post("/api/folders", title=f"folder of {login}")["uid"]
    post("/api/dashboards/db", dashboard={"title": f"dashboard of {login}", "panels": []}, folderUid=own)
    post("/api/annotations", text=f"it's seen by {login}; $1 \\ 'quoted'", tags=[login])
    return login


def content(postgresql: RunningPostgresql) -> Tables:
    names = postgresql.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    return {name: sorted(postgresql.sql(f'SELECT t FROM "{name}" t')) for name in names}  # noqa: S608 - the server's own


def job(postgresql: RunningPostgresql, script: Path, **others: str) -> CompletedProcess[str]:
    """Runs a script as its pod would: the image's programs, the pod's user, its variables."""
    environment = {**client_variables(postgresql.settings), **others}
    command = ("sh", f"{backup.SCRIPTS_DIRECTORY}/{script.name}", backup.DUMP)
    return postgresql.run(*command, user=USER, environment=environment)


def dumped(postgresql: RunningPostgresql) -> Tables:
    """What is in the database, of which there is a dump now."""
    found = content(postgresql)
    done = job(postgresql, backup.DUMP_SCRIPT)
    assert done.returncode == 0, done.stderr + done.stdout
    return found


def test_what_was_lost_is_back_and_grafana_goes_on_with_it(
    postgresql: RunningPostgresql, work: Path, folder: Path, person: str
) -> None:
    before = dumped(postgresql)
    assert person in str(before["user"])
    postgresql.empty()
    with running_grafana(folder, postgresql.settings) as grafana:
        assert grafana.api.get("/api/users/lookup", params={"loginOrEmail": person}).status_code == 404
    assert content(postgresql) != before

    done = job(postgresql, backup.PUT_BACK_SCRIPT)

    assert done.returncode == 0, done.stderr + done.stdout
    assert content(postgresql) == before
    with running_grafana(folder, postgresql.settings) as grafana:
        found = grafana.api.get("/api/search", params={"query": f"dashboard of {person}"}).raise_for_status().json()
        assert [each["folderTitle"] for each in found] == [f"folder of {person}"]
        # Numbers go on where they were: a new row takes no old one's place.
        assert somebody(grafana) != person


def test_a_table_that_a_later_grafana_made_is_gone_again(
    postgresql: RunningPostgresql, work: Path, person: str
) -> None:
    before = dumped(postgresql)
    postgresql.sql("SET ROLE grafana; CREATE TABLE of_a_later_version (id serial)")
    assert job(postgresql, backup.PUT_BACK_SCRIPT).returncode == 0
    assert content(postgresql) == before


def test_a_broken_dump_changes_nothing(postgresql: RunningPostgresql, work: Path, person: str) -> None:
    before = dumped(postgresql)
    whole = (work / "grafana.dump").read_bytes()
    (work / "grafana.dump").write_bytes(whole[: len(whole) * 3 // 4])
    assert job(postgresql, backup.PUT_BACK_SCRIPT).returncode != 0
    assert content(postgresql) == before


def test_a_statement_that_fails_leaves_everything_as_it_was(
    postgresql: RunningPostgresql, work: Path, person: str
) -> None:
    before = dumped(postgresql)
    # Somebody else's, of a name that the dump has: it is not ours to drop, so one of the last statements fails.
    postgresql.sql("ALTER TABLE user_role OWNER TO postgres")
    try:
        done = job(postgresql, backup.PUT_BACK_SCRIPT)
        assert done.returncode != 0
        assert "user_role" in done.stderr
        assert content(postgresql) == before
    finally:
        postgresql.sql("ALTER TABLE user_role OWNER TO grafana")


def test_a_snapshot_of_a_file_is_refused_by_name(postgresql: RunningPostgresql, work: Path, person: str) -> None:
    done = job(postgresql, backup.PUT_BACK_SCRIPT)
    assert done.returncode != 0
    assert "no grafana.dump in this snapshot" in done.stdout


def test_clients_of_another_major_version_are_refused_at_the_first_backup(
    postgresql: RunningPostgresql, work: Path, person: str
) -> None:
    other = postgresql.root / "other"
    other.mkdir(exist_ok=True)
    (other / "pg_dump").write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 17.7 (Debian 17.7-1)'\n")
    (other / "pg_dump").chmod(0o755)
    done = job(postgresql, backup.DUMP_SCRIPT, PATH="/other:/usr/lib/postgresql/15/bin:/usr/bin:/bin")
    assert done.returncode != 0
    assert done.stdout == (
        "the server is PostgreSQL 15 and pg_dump is of 17; set images.tags.postgres to a tag of 15\n"
    )


def test_a_server_that_cannot_prove_itself_is_told_no_password(
    postgresql: RunningPostgresql, work: Path, person: str
) -> None:
    done = job(postgresql, backup.DUMP_SCRIPT, PGSSLROOTCERT="/etc/ssl/certs/ca-certificates.crt")
    assert done.returncode != 0
    assert "certificate verify failed" in done.stderr


def test_a_dump_becomes_the_snapshots_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dump = tmp_path / "grafana.dump"
    dump.write_bytes(b"dumped")
    monkeypatch.setattr(grafana_snapshot, "silences", lambda _url, target: target.write_text("[]"))
    monkeypatch.setattr("sys.argv", ["grafana_snapshot.py", str(dump), "http://127.0.0.1:1", str(tmp_path)])
    grafana_snapshot.main()
    [snapshot] = tmp_path.iterdir()
    assert {path.name: path.read_bytes() for path in snapshot.iterdir()} == {
        "grafana.dump": b"dumped",
        "silences.json": b"[]",
    }


def test_an_empty_database_makes_no_snapshot(postgresql: RunningPostgresql, work: Path, person: str) -> None:
    """The last of these tests: it leaves nothing."""
    postgresql.empty()
    done = job(postgresql, backup.DUMP_SCRIPT)
    assert done.returncode != 0
    assert "no Grafana has been in database grafana" in done.stdout
