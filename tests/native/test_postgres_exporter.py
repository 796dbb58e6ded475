"""How far behind a replica is, its own exporter says and the primary's does not: so each server has one."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from components.exporters import POSTGRES_COLLECTORS
from sandbox.toolchain import binary
from tests.native.alert_metrics import emitted, read_by, total
from tests.native.loki_process import free_port
from tests.native.postgresql_process import HOST, RunningPostgresql, running_postgresql, running_standby
from tests.waiting import eventually

[LAG], _ = read_by("DatabaseReplicationLag", "postgres-exporter")
USER, PASSWORD = "observability", "m0n-made-for-a-test"


@pytest.fixture(scope="module")
def primary() -> Iterator[RunningPostgresql]:
    with running_postgresql() as server:
        server.sql(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_monitor", "postgres")
        yield server


@contextmanager
def exporter(server: RunningPostgresql, folder: Path) -> Iterator[str]:
    """The metrics of an exporter that watches one server, with what its pod is started with."""
    password, port = folder / "password", free_port()
    password.write_text(PASSWORD)
    given = {
        "DATA_SOURCE_URI": f"{HOST}:{server.port}/postgres?sslmode=disable",
        "DATA_SOURCE_USER": USER,
        "DATA_SOURCE_PASS_FILE": str(password),
    }
    command = [str(binary("postgres_exporter")), *POSTGRES_COLLECTORS, f"--web.listen-address={HOST}:{port}"]
    with subprocess.Popen(command, env={**os.environ, **given}, stderr=subprocess.DEVNULL) as process:
        try:
            yield f"http://{HOST}:{port}/metrics"
        finally:
            process.terminate()


def test_the_replicas_own_exporter_alone_says_how_far_it_is_behind(primary: RunningPostgresql, tmp_path: Path) -> None:
    with (
        running_standby(primary) as standby,
        exporter(primary, tmp_path) as of_primary,
        exporter(standby, tmp_path) as of_standby,
    ):
        eventually(lambda: total(of_standby, "pg_up") == total(of_primary, "pg_up") == 1)
        primary.sql("CREATE TABLE replayed ()", "postgres")
        eventually(lambda: standby.sql("SELECT to_regclass('replayed') IS NOT NULL", "postgres") == ["t"])
        assert total(of_standby, LAG) == 0

        standby.sql("SELECT pg_wal_replay_pause()", "postgres")
        eventually(lambda: standby.sql("SELECT pg_get_wal_replay_pause_state()", "postgres") == ["paused"])
        primary.sql("CREATE TABLE not_replayed ()", "postgres")

        eventually(lambda: total(of_standby, LAG) > 3)
        assert total(of_primary, LAG) == 0
        assert {LAG} <= emitted(of_primary) & emitted(of_standby)
