"""A real PostgreSQL on loopback, with TLS, out of the root filesystem that the sandbox's image of it has.

Its programs see nothing but that filesystem, as in a pod; making it needs root, as the sandbox does.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from components.settings.grafana_database import GrafanaDatabaseSettings
from sandbox import paths
from sandbox.aws import certificates
from sandbox.platform.databases import POSTGRESQL_IMAGE
from sandbox.toolchain.images import rootfs
from sandbox.toolchain.images.table import table
from tests.native.loki_process import free_port

START_SECONDS = 60.0
HOST = "127.0.0.1"
PASSWORD = "Kq7-made-for-a-test"
_IMAGE = table()[POSTGRESQL_IMAGE]
_CHROOT = shutil.which("chroot") or "/usr/sbin/chroot"  # PATH is for the programs in there
_SERVER_USER = int(_IMAGE.user)
_DEVICES = {"null": (1, 3), "zero": (1, 5), "urandom": (1, 9)}

# Of primary and replica alike.
_SERVE = """exec postgres -c port="$PORT" -c listen_addresses="$HOST" -c unix_socket_directories=/tmp -c fsync=off \\
    -c dynamic_shared_memory_type=mmap"""
_START = f"""set -eu
initdb --pgdata=/var/lib/cluster --username=postgres --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 \\
    --locale=C.UTF-8 --no-sync
cp /tls/node.pem /tls/node-key.pem /var/lib/cluster/
chmod 600 /var/lib/cluster/node-key.pem
{_SERVE} -D /var/lib/cluster -c ssl=on -c ssl_cert_file=node.pem -c ssl_key_file=node-key.pem
"""
_STANDBY = f"""set -eu
pg_basebackup --host=/tmp --port="$PRIMARY" --username=postgres --pgdata=/var/lib/standby --write-recovery-conf \\
    --checkpoint=fast --no-sync
{_SERVE} -D /var/lib/standby
"""
_SETUP = """
CREATE ROLE grafana LOGIN PASSWORD '{password}';
CREATE DATABASE grafana OWNER grafana;
"""


@dataclass(frozen=True)
class RunningPostgresql:
    """The server, and the root filesystem that it and its clients run in."""

    root: Path
    port: int

    @property
    def settings(self) -> GrafanaDatabaseSettings:
        """As a stack would have it: nothing goes in the clear, and the server proves who it is."""
        return GrafanaDatabaseSettings(host=HOST, port=self.port, ca=(self.root / "tls/ca.pem").read_text())

    def run(
        self, *argv: str, user: int = _SERVER_USER, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program of the image to its end, by default as the server's user. Never raises."""
        return subprocess.run(
            [_CHROOT, f"--userspec={user}:{user}", self.root, *argv],
            env={**_IMAGE.environment, **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def sql(self, statement: str, database: str = "grafana") -> list[str]:
        """As the server's administrator; the rows, their columns joined by `|`."""
        arguments = ("--host=/tmp", f"--port={self.port}", f"--dbname={database}", "--username=postgres")
        done = self.run("psql", *arguments, "-v", "ON_ERROR_STOP=1", "-qAtc", statement)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def empty(self) -> None:
        """The database is as on a new server."""
        self.sql("DROP DATABASE grafana WITH (FORCE)", "postgres")
        self.sql("CREATE DATABASE grafana OWNER grafana", "postgres")


@contextmanager
def running_postgresql() -> Iterator[RunningPostgresql]:
    """Starts the server with the role and the database `grafana`."""
    with tempfile.TemporaryDirectory(dir=paths.cache_dir(), prefix="postgresql-") as folder:
        root = Path(folder) / "root"
        _unpack(root)
        running = RunningPostgresql(root, free_port())
        with _server(running, _START, {}):
            for statement in _SETUP.format(password=PASSWORD).strip().splitlines():
                running.sql(statement, "postgres")
            yield running


@contextmanager
def running_standby(primary: RunningPostgresql) -> Iterator[RunningPostgresql]:
    """A replica, in the primary's root filesystem."""
    standby = RunningPostgresql(primary.root, free_port())
    with _server(standby, _STANDBY, {"PRIMARY": str(primary.port)}):
        yield standby


@contextmanager
def _server(running: RunningPostgresql, script: str, environment: Mapping[str, str]) -> Iterator[None]:
    command = [_CHROOT, f"--userspec={_SERVER_USER}:{_SERVER_USER}", str(running.root), "sh", "-c", script]
    given = {**_IMAGE.environment, **environment, "PORT": str(running.port), "HOST": HOST}
    log = running.root.parent / f"log-{running.port}"
    with (
        log.open("w") as output,
        subprocess.Popen(command, env=given, stdout=output, stderr=output) as process,
    ):
        try:
            _wait(running, process, log)
            yield
        finally:
            process.terminate()


def _unpack(root: Path) -> None:
    root.mkdir(mode=0o755)
    root.parent.chmod(0o755)
    layer = rootfs.layer(_IMAGE.base)
    subprocess.run(["tar", "-xf", layer, "-C", root, "--numeric-owner", "--same-permissions"], check=True)
    (root / "dev").mkdir(exist_ok=True)
    for name, (major, minor) in _DEVICES.items():
        os.mknod(root / "dev" / name, 0o20666, os.makedev(major, minor))
        (root / "dev" / name).chmod(0o666)
    certificates.ensure(root / "tls", HOST)
    for path in (root / "tls", *(root / "tls").iterdir()):
        os.chown(path, _SERVER_USER, _SERVER_USER)
    (root / "tls").chmod(0o755)
    (root / "tls/ca.pem").chmod(0o644)
    for name in ("cluster", "standby"):
        (root / "var/lib" / name).mkdir(mode=0o700)
        os.chown(root / "var/lib" / name, _SERVER_USER, _SERVER_USER)


def _wait(running: RunningPostgresql, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"PostgreSQL ended:\n{log.read_text()[-2000:]}"
        if running.run("pg_isready", f"--host={HOST}", f"--port={running.port}").returncode == 0:
            return
        time.sleep(0.2)
    raise AssertionError(f"PostgreSQL did not answer within {START_SECONDS:.0f} s:\n{log.read_text()[-2000:]}")
