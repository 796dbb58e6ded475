"""A real Prometheus is started anew: what was firing goes on firing, and nobody is told that it was over."""

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from components.prometheus import FOR_GRACE_SECONDS, STATE_FLAGS
from sandbox.toolchain import binary
from tests.native.loki_process import free_port
from tests.waiting import eventually

HOST = "127.0.0.1"
# the shortest that is remembered; as long again, and it would fire anew by itself
ALERT = {"alert": "Standing", "expr": "vector(1)", "for": f"{FOR_GRACE_SECONDS}s", "labels": {"severity": "critical"}}

Sent = list[tuple[float, dict[str, Any]]]


@contextmanager
def alertmanager() -> Iterator[tuple[int, Sent]]:
    """A port that takes alerts, and what came to it, with its Unix time."""
    sent: Sent = []

    class Alerts(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            sent.extend((time.time(), alert) for alert in body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Silent."""

    with ThreadingHTTPServer((HOST, 0), Alerts) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], sent
        server.shutdown()


@contextmanager
def prometheus(folder: Path, receiver: int) -> Iterator[str]:
    """On the folder's data, with the flags that production has for the state of alerts; ended as a pod is."""
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "standing", "rules": [ALERT]}]}))
    config = {
        "global": {"evaluation_interval": "1s"},
        "rule_files": [str(folder / "rules.yaml")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"{HOST}:{receiver}"]}]}]},
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    argv = [
        str(binary("prometheus")),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={HOST}:{port}",
        *STATE_FLAGS,
    ]
    with (folder / "log").open("ab") as log, subprocess.Popen(argv, stdout=log, stderr=log) as process:
        try:
            yield f"http://{HOST}:{port}"
        finally:
            process.terminate()


def active_since(url: str) -> str:
    """When the alert became active, to the second that Prometheus remembers, once it is firing."""
    alerts = httpx.get(f"{url}/api/v1/alerts", trust_env=False).raise_for_status().json()["data"]["alerts"]
    assert [alert["state"] for alert in alerts] == ["firing"]
    return str(alerts[0]["activeAt"])[: len("2026-11-28T11:56:09")]


@pytest.mark.full
def test_an_alert_that_is_firing_is_firing_right_after_a_restart_and_was_never_over(tmp_path: Path) -> None:
    with alertmanager() as (receiver, sent):
        with prometheus(tmp_path, receiver) as url:
            before = eventually(lambda: active_since(url), FOR_GRACE_SECONDS + 60, 0.5)
            eventually(lambda: sent, 30, 0.5)
        told = len(sent)
        with prometheus(tmp_path, receiver) as url:
            eventually(lambda: httpx.get(f"{url}/-/ready", trust_env=False).is_success, 60, 0.2)
            after = eventually(lambda: active_since(url), FOR_GRACE_SECONDS / 2, 0.5)
            # what it sends before it has found its Alertmanager is lost; a minute later it sends again
            eventually(lambda: len(sent) > told, 90, 0.5)
    assert after == before
    over = [alert for at, alert in sent if datetime.fromisoformat(alert["endsAt"]).timestamp() <= at]
    assert over == []
