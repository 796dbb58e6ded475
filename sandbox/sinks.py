"""Stand-ins for the outside world that alerts are sent to: they answer as it would, and record what arrives.

Slack, PagerDuty, an incident webhook and a heartbeat service over HTTP, and a mail server. `sandbox/sink_server.py` is
the process.
"""

import json
import sys
from pathlib import Path
from typing import Any

from sandbox import processes, secret_file
from sandbox.aws import certificates, ports
from sandbox.paths import state_dir

PORT = 5080
SMTP_PORT = 5025
SMTP_USER = "alerts"
_NAME = "sinks"


def up(host: str) -> None:
    """Starts the sinks on `host`, an address that pods can reach; does nothing while they run.

    Raises SandboxError when another process has one of their ports: its answers would pass for theirs.
    """
    if not processes.alive(_NAME):
        ports.require_free(host, PORT, _NAME)
        ports.require_free(host, SMTP_PORT, _NAME)
    _host_file().write_text(host)
    mail_login()
    processes.start(_NAME, [sys.executable, "-m", "sandbox.sink_server", host])
    processes.wait_http(f"http://{host}:{PORT}/health", 15, _NAME)


def down() -> None:
    processes.stop(_NAME)


def status() -> str | None:
    return f"alert sinks: http://{_host_file().read_text()}:{PORT}" if processes.alive(_NAME) else None


def url(path: str) -> str:
    """Of one sink: slack, pagerduty/v2/enqueue, webhook, heartbeat."""
    return f"http://{_host_file().read_text()}:{PORT}/{path}"


def mail_login() -> str:
    """The password of SMTP_USER at the mail sink, made at its first start."""
    return secret_file.made_once(state_dir() / "sinks-smtp-password", 18)


def mail_certificates() -> Path:
    """Folder with ca.pem, and node.pem and node-key.pem of the mail sink; made at its first start."""
    folder = state_dir() / "sinks-tls"
    certificates.ensure(folder, _host_file().read_text())
    return folder


def received(channel: str, since: float = 0.0) -> list[dict[str, Any]]:
    """Bodies that arrived at `channel` after the Unix time `since`, in order.

    Channels are slack, pagerduty, webhook, heartbeat, smtp (with `to`, `subject`, `text`, `html` and `tls`), and
    heartbeat-stopped, which the heartbeat service says itself when it has heard nothing for too long.
    """
    if not record().exists():
        return []
    entries = [json.loads(line) for line in record().read_text().splitlines()]
    return [entry["body"] for entry in entries if entry["channel"] == channel and entry["time"] > since]


def record() -> Path:
    """The file that the sinks append to, a JSON object per line."""
    return state_dir() / "sinks.jsonl"


def _host_file() -> Path:
    return state_dir() / "sinks-host"
