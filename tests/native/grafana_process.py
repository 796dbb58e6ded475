"""A real Grafana on loopback, with the stack's own configuration and provisioning in folders of the test."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from rendering.dashboards import all_dashboards
from rendering.datasources import DASHBOARDS_DIRECTORY, DatasourceUrls, render_datasources, render_providers
from rendering.declarations import load_services
from sandbox.toolchain import binary
from tests.native.loki_process import free_port

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120.0
PASSWORD = "made for a test"


@dataclass(frozen=True)
class RunningGrafana:
    """A client logged in as the administrator, and what the process has logged."""

    api: httpx.Client
    log: Path

    def logged(self, *levels: str) -> list[dict[str, str]]:
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("level") in levels]


@contextmanager
def running_grafana(folder: Path) -> Iterator[RunningGrafana]:
    """Starts Grafana over `configs/grafana/grafana.ini`; only paths, port and password are the test's own."""
    _provision(folder)
    port, program, log = free_port(), binary("grafana"), folder / "grafana.log"
    secret = folder / "admin-password"
    secret.write_text(PASSWORD)
    environment = {
        **os.environ,
        "GF_PATHS_DATA": str(folder / "data"),
        "GF_PATHS_LOGS": str(folder / "log"),
        "GF_PATHS_PLUGINS": str(folder / "plugins"),
        "GF_PATHS_PROVISIONING": str(folder / "provisioning"),
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": str(folder / "dashboards/platform/overview.json"),
        "GF_SECURITY_ADMIN_PASSWORD": f"$__file{{{secret}}}",
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",
        "GF_SERVER_HTTP_PORT": str(port),
    }
    command = [str(program), "server", f"--homepath={program.parent}", f"--config={ROOT}/configs/grafana/grafana.ini"]
    with (
        log.open("w") as output,
        subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd=program.parent) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=("admin", PASSWORD), trust_env=False) as client,
    ):
        try:
            _wait(client, process, log)
            yield RunningGrafana(client, log)
        finally:
            process.terminate()


def _provision(folder: Path) -> None:
    """What the component's ConfigMaps hold, written to `folder`."""
    urls = DatasourceUrls(
        prometheus="http://127.0.0.1:1",
        loki="http://127.0.0.1:1",
        jaeger="http://127.0.0.1:1",
        alertmanager="http://127.0.0.1:1",
    )
    provisioning, dashboards = folder / "provisioning", folder / "dashboards"
    for name in ("datasources", "dashboards", "plugins", "alerting", "notifiers"):
        (provisioning / name).mkdir(parents=True)
    (provisioning / "datasources/datasources.yaml").write_text(render_datasources(urls))
    providers = render_providers().replace(DASHBOARDS_DIRECTORY, str(dashboards))
    (provisioning / "dashboards/providers.yaml").write_text(providers)
    services = load_services(ROOT / "configs/services.yaml")
    for kind, texts in all_dashboards(services, runbook_base_url="https://example.org").items():
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
