"""A real Grafana on loopback, with the stack's own configuration and provisioning in folders of the test."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import httpx

from components import grafana_database
from components.grafana import OIDC_SECRET_KEY, single_sign_on_variables
from components.settings.grafana_database import GrafanaDatabaseSettings
from components.settings.tools import OidcSettings
from rendering.dashboards import all_dashboards
from rendering.datasources import DASHBOARDS_DIRECTORY, DatasourceUrls, render_datasources, render_providers
from rendering.declarations import load_services
from sandbox.toolchain import binary
from tests.native import postgresql_process
from tests.native.loki_process import free_port
from tests.stack_files import costs_of

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120.0
PASSWORD = "made for a test"
ENVIRONMENT = "tested"
NOWHERE = DatasourceUrls(
    prometheus="http://127.0.0.1:1",
    loki="http://127.0.0.1:1",
    jaeger="http://127.0.0.1:1",
    alertmanager="http://127.0.0.1:1",
)
# Grafana 10.1 makes its first organization, then asks for it by the second it was made in: in the next second it is
# "not there", and making it again fails. Nothing is kept of such a start.
TICKED = "failed to insert organization with provided id"


@dataclass(frozen=True)
class RunningGrafana:
    """A client logged in as the administrator, and what the process has logged."""

    api: httpx.Client
    log: Path

    def logged(self, *levels: str) -> list[dict[str, str]]:
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("level") in levels]


@contextmanager
def running_grafana(
    folder: Path,
    database: GrafanaDatabaseSettings | None = None,
    oidc: OidcSettings | None = None,
    datasources: DatasourceUrls = NOWHERE,
) -> Iterator[RunningGrafana]:
    """Starts Grafana over `configs/grafana/grafana.ini`; only paths, port and secrets are the test's own.

    database: in place of a file in `folder`; its password is postgresql_process.PASSWORD. May be run again on a folder.
    oidc: single sign-on; the client's secret is PASSWORD.
    """
    if not (folder / "provisioning").exists():
        _provision(folder, datasources)
    port, program, log = free_port(), binary("grafana"), folder / "grafana.log"
    environment = variables(folder) | (on_postgresql(folder, database) if database else {})
    environment |= with_single_sign_on(folder, oidc) if oidc else {}
    environment |= {"GF_SERVER_HTTP_ADDR": "127.0.0.1", "GF_SERVER_HTTP_PORT": str(port)}
    command = [str(program), "server", f"--homepath={program.parent}", f"--config={ROOT}/configs/grafana/grafana.ini"]
    with (
        httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=("admin", PASSWORD), trust_env=False) as client,
        log.open("w") as output,
    ):
        process = _started(client, command, environment, output)
        try:
            yield RunningGrafana(client, log)
        finally:
            process.terminate()
            process.wait()


def _started(
    client: httpx.Client, command: list[str], environment: dict[str, str], output: TextIO, *, again: bool = True
) -> "subprocess.Popen[bytes]":
    """Ready to answer; once more, as Kubernetes would, where the first start fell over the tick of a clock."""
    log = Path(output.name)
    process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd=Path(command[0]).parent)
    try:
        _wait(client, process, log)
    except AssertionError:
        process.kill()
        process.wait()
        if not again or TICKED not in log.read_text():
            raise
        output.seek(0)
        output.truncate()
        return _started(client, command, environment, output, again=False)
    return process


def variables(folder: Path) -> dict[str, str]:
    """The environment that keeps everything Grafana reads and writes in `folder`."""
    password, key = folder / "admin-password", folder / "secret-key"
    password.write_text(PASSWORD)
    key.write_text("made up for a test too")
    return {
        **os.environ,
        "GF_PATHS_DATA": str(folder / "data"),
        "GF_PATHS_LOGS": str(folder / "log"),
        "GF_PATHS_PLUGINS": str(folder / "plugins"),
        "GF_PATHS_PROVISIONING": str(folder / "provisioning"),
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": str(folder / "dashboards/platform/overview.json"),
        "GF_METRICS_ENVIRONMENT_INFO_ENVIRONMENT": ENVIRONMENT,
        "GF_SECURITY_ADMIN_PASSWORD": f"$__file{{{password}}}",
        "GF_SECURITY_SECRET_KEY": f"$__file{{{key}}}",
    }


def on_postgresql(folder: Path, database: GrafanaDatabaseSettings) -> dict[str, str]:
    """The environment that the component gives; its mounted files are in `folder`."""
    password, authority = folder / grafana_database.PASSWORD_KEY, folder / grafana_database.CA_KEY
    password.write_text(postgresql_process.PASSWORD)
    authority.write_text(database.ca or "")
    found = dict(grafana_database.server_variables(database, str(folder)))
    assert Path(found["GF_DATABASE_CA_CERT_PATH"]).name == authority.name
    return found | {"GF_DATABASE_CA_CERT_PATH": str(authority)}


def with_single_sign_on(folder: Path, oidc: OidcSettings) -> dict[str, str]:
    """The environment that the component gives to a Grafana at a plain http URL; its mounted file is in `folder`."""
    (folder / OIDC_SECRET_KEY).write_text(PASSWORD)
    at_loopback = {"GF_SERVER_DOMAIN": "127.0.0.1", "GF_SECURITY_COOKIE_SECURE": "false"}
    return single_sign_on_variables(oidc, str(folder)) | at_loopback


def _provision(folder: Path, urls: DatasourceUrls) -> None:
    """What the component's ConfigMaps hold, written to `folder`."""
    provisioning, dashboards = folder / "provisioning", folder / "dashboards"
    for name in ("datasources", "dashboards", "plugins", "alerting", "notifiers"):
        (provisioning / name).mkdir(parents=True)
    (provisioning / "datasources/datasources.yaml").write_text(render_datasources(urls))
    providers = render_providers().replace(DASHBOARDS_DIRECTORY, str(dashboards))
    (provisioning / "dashboards/providers.yaml").write_text(providers)
    services = load_services(ROOT / "configs/services.yaml")
    for kind, texts in all_dashboards(services, runbook_base_url="https://example.org", costs=costs_of("prod")).items():
        (dashboards / kind.slug).mkdir(parents=True)
        for uid, text in texts.items():
            (dashboards / kind.slug / f"{uid}.json").write_text(text)


def _wait(client: httpx.Client, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"Grafana ended:\n{log.read_text()[-2000:]}"
        try:
            if client.get("/api/health").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise AssertionError(f"Grafana did not answer within {START_SECONDS:.0f} s:\n{log.read_text()[-2000:]}")
