"""Stand-ins for the outside world that alerts are sent to: they answer as it would, and record what arrives."""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from sandbox import processes
from sandbox.paths import state_dir

PORT = 5080
_NAME = "sinks"


def up(host: str) -> None:
    """Starts the sinks on `host`, an address that pods can reach; does nothing while they run."""
    _host_file().write_text(host)
    processes.start(_NAME, [sys.executable, "-m", "sandbox.sinks", host])
    processes.wait_http(f"http://{host}:{PORT}/health", 15, _NAME)


def down() -> None:
    processes.stop(_NAME)


def status() -> str | None:
    return f"alert sinks: http://{_host_file().read_text()}:{PORT}" if processes.alive(_NAME) else None


def slack_url() -> str:
    return f"http://{_host_file().read_text()}:{PORT}/slack"


def pagerduty_url() -> str:
    return f"http://{_host_file().read_text()}:{PORT}/pagerduty/v2/enqueue"


def received(channel: str, since: float = 0.0) -> list[dict[str, Any]]:
    """Bodies that arrived at `channel` (slack, pagerduty, webhook, heartbeat) after the Unix time `since`, in order."""
    if not _record().exists():
        return []
    entries = [json.loads(line) for line in _record().read_text().splitlines()]
    return [entry["body"] for entry in entries if entry["channel"] == channel and entry["time"] > since]


def _record() -> Path:
    return state_dir() / "sinks.jsonl"


def _host_file() -> Path:
    return state_dir() / "sinks-host"


class _Sink(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(200, "ok")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        channel = self.path.strip("/").split("/")[0]
        entry = {"time": time.time(), "channel": channel, "body": json.loads(body or "null")}
        with _record().open("a") as record:
            record.write(json.dumps(entry) + "\n")
        self._answer(202 if channel == "pagerduty" else 200, '{"status":"success"}' if channel == "pagerduty" else "ok")

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: the record says it all."""


if __name__ == "__main__":
    ThreadingHTTPServer((sys.argv[1], PORT), _Sink).serve_forever()
