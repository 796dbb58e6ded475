"""Real Alertmanagers on loopback, with the stack's own configuration, which tell the sinks of the sandbox."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import yaml

from rendering.declarations import Teams
from rendering.receivers import Channels, Smtp
from rendering.routes import alertmanager_config
from sandbox import sink_server, sinks
from sandbox.paths import repo_root, state_dir
from sandbox.toolchain import binary
from tests.native.loki_process import free_port
from tests.waiting import eventually

HOST = "127.0.0.1"
TEMPLATES = repo_root() / "configs" / "alertmanager" / "templates" / "*.tmpl"


@dataclass(frozen=True)
class Alertmanagers:
    """The APIs of all replicas."""

    urls: tuple[str, ...]

    def post(self, *alerts: dict[str, str], minutes: int = 10) -> None:
        """Sends alerts with these labels to every replica, as each Prometheus does."""
        until = (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()
        bodies = [
            {
                "labels": labels,
                "annotations": {
                    "summary": f"{labels['alertname']} of a test",
                    "description": "made by a test",
                    "runbook_url": f"https://runbooks.example/{labels['alertname']}.md",
                },
                "endsAt": until,
            }
            for labels in alerts
        ]
        for url in self.urls:
            httpx.post(f"{url}/api/v2/alerts", json=bodies, trust_env=False).raise_for_status()

    def states(self) -> dict[str, str]:
        """Alert name -> active or suppressed, as the first replica has it."""
        found = httpx.get(f"{self.urls[0]}/api/v2/alerts", trust_env=False).raise_for_status().json()
        return {alert["labels"]["alertname"]: alert["status"]["state"] for alert in found}


@contextmanager
def running(folder: Path, teams: Teams, replicas: int = 1) -> Iterator[Alertmanagers]:
    """Alertmanagers that know each other, and the sinks. XDG_STATE_HOME says where the sinks keep their record.

    The first message of a group waits for a second in place of half a minute.
    """
    (state_dir() / "sinks-host").write_text(HOST)
    http, mail = free_port(), free_port()
    config = folder / "alertmanager.yml"
    config.write_text(yaml.safe_dump(_configuration(folder, teams, http, mail)))
    with ExitStack() as running:
        mail_server = sink_server.mail_server(HOST, mail)
        mail_server.start()
        running.callback(mail_server.stop)
        server = running.enter_context(sink_server.http_server(HOST, http))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.callback(server.shutdown)
        peers = [free_port() for _ in range(replicas)]
        urls = []
        for number, peer in enumerate(peers):
            port = free_port()
            urls.append(f"http://{HOST}:{port}")
            argv = [
                str(binary("alertmanager")),
                f"--config.file={config}",
                f"--storage.path={folder / str(number)}",
                f"--web.listen-address={HOST}:{port}",
                f"--cluster.listen-address={f'{HOST}:{peer}' if replicas > 1 else ''}",
                *(f"--cluster.peer={HOST}:{other}" for other in peers if other != peer),
                "--cluster.settle-timeout=5s",
            ]
            with (folder / f"{number}.log").open("wb") as log:
                process = running.enter_context(subprocess.Popen(argv, stdout=log, stderr=log))
            running.callback(process.kill)
        for url in urls:
            eventually(lambda url=url: httpx.get(f"{url}/-/ready", trust_env=False).is_success, 60, 0.2)  # type: ignore[misc]
        yield Alertmanagers(tuple(urls))


def _configuration(folder: Path, teams: Teams, http: int, mail: int) -> dict[str, Any]:
    secrets = {
        "slack_api_url": f"http://{HOST}:{http}/slack",
        "webhook_url": f"http://{HOST}:{http}/webhook",
        "heartbeat_url": f"http://{HOST}:{http}/heartbeat",
        "pagerduty_routing_key": "0" * 32,
        "smtp_password": sinks.mail_login(),
        "smtp_ca": (sinks.mail_certificates() / "ca.pem").read_text(),
    }
    for name, value in secrets.items():
        (folder / name).write_text(value)
    smtp = Smtp(
        smarthost=f"{HOST}:{mail}",
        sender="alerts@sandbox.example",
        username=sinks.SMTP_USER,
        ca_file=str(folder / "smtp_ca"),
    )
    channels = Channels(
        slack=True,
        pagerduty=True,
        pagerduty_url=f"http://{HOST}:{http}/pagerduty/v2/enqueue",
        webhook=True,
        heartbeat=True,
        smtp=smtp,
        secrets_folder=str(folder),
    )
    document = alertmanager_config(teams, channels, templates=str(TEMPLATES))
    _hurry(document["route"])
    return document


def _hurry(route: dict[str, Any]) -> None:
    if "group_wait" in route:
        route["group_wait"] = "1s"
    for child in route.get("routes", []):
        _hurry(child)
