"""A real Jaeger on loopback, with the stack's own configuration except that it keeps spans in memory."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from rendering import documents
from rendering.declarations import load_platform
from rendering.jaeger import JaegerValues, Role, render_jaeger
from rendering.sampling import render_sampling
from sandbox.toolchain import binary
from tests.native.loki_process import free_port

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
PLATFORM = load_platform(CONFIGS / "services.yaml")
START_SECONDS = 60.0


@dataclass(frozen=True)
class JaegerClient:
    """Addresses of a running Jaeger: what listens -> its URL on loopback."""

    urls: Mapping[str, str]
    strategies: Path
    log: Path

    def trace(self, trace_id: str, within_seconds: float = 10) -> list[dict[str, Any]]:
        """Spans of a trace, as the query answers them; empty when there are none in time."""
        deadline = time.monotonic() + within_seconds
        while time.monotonic() < deadline:
            answer = httpx.get(f"{self.urls['query']}/api/traces/{trace_id}")
            if answer.status_code == 200 and answer.json()["data"]:
                spans: list[dict[str, Any]] = answer.json()["data"][0]["spans"]
                return spans
            time.sleep(0.2)
        return []

    def strategy(self, service: str) -> dict[str, Any]:
        """The sampling strategy a client of that name is given."""
        answer = httpx.get(f"{self.urls['sampling']}/sampling", params={"service": service})
        answer.raise_for_status()
        strategy: dict[str, Any] = answer.json()
        return strategy


def check(config: Path) -> None:
    """Jaeger's own checker accepts the file."""
    done = subprocess.run(
        [binary("jaeger"), "validate", f"--config={config}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def parsed(path: Path) -> dict[str, Any]:
    """A native file, as it stands."""
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    return document


def rendered(role: Role, **values: Any) -> str:
    return render_jaeger(documents.load(CONFIGS / "jaeger" / "jaeger.yaml"), JaegerValues(**values), role)


def on_loopback(text: str, folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """A rendered configuration with files in `folder` and ports of its own; and what listens where."""
    document = yaml.safe_load(text)
    extensions, receivers = document["extensions"], document["receivers"]
    listeners = {"health": extensions["healthcheckv2"]["http"]}
    if "jaeger_query" in extensions:
        extensions["jaeger_query"]["ui"]["config_file"] = str(folder / "ui.json")
        listeners |= {"query": extensions["jaeger_query"]["http"], "query-grpc": extensions["jaeger_query"]["grpc"]}
    if "remote_sampling" in extensions:
        extensions["remote_sampling"]["file"] |= {"path": str(folder / "strategies.json"), "reload_interval": "1s"}
        listeners |= {
            "sampling": extensions["remote_sampling"]["http"],
            "sampling-grpc": extensions["remote_sampling"]["grpc"],
            "otlp-grpc": receivers["otlp"]["protocols"]["grpc"],
            "otlp-http": receivers["otlp"]["protocols"]["http"],
            "jaeger-grpc": receivers["jaeger"]["protocols"]["grpc"],
            "jaeger-thrift": receivers["jaeger"]["protocols"]["thrift_http"],
            "zipkin": receivers["zipkin"],
            "spanmetrics": document["exporters"]["prometheus"],
        }
        document["connectors"]["spanmetrics"]["metrics_flush_interval"] = "1s"
    urls = {}
    for name, listener in listeners.items():
        listener["endpoint"] = f"127.0.0.1:{free_port()}"
        urls[name] = f"http://{listener['endpoint']}"
    scraped = document["service"]["telemetry"]["metrics"]["readers"][0]["pull"]["exporter"]["prometheus"]
    scraped |= {"host": "127.0.0.1", "port": free_port()}
    urls["metrics"] = f"http://127.0.0.1:{scraped['port']}"
    return document, urls


@contextmanager
def running_jaeger(folder: Path, **values: Any) -> Iterator[JaegerClient]:
    """All in one, healthy, with spans in memory; killed at the end. `values` are JaegerValues."""
    document, urls = on_loopback(rendered(Role.ALL_IN_ONE, **values), folder)
    document["extensions"]["jaeger_storage"]["backends"]["spans"] = {"memory": {"max_traces": 10_000}}
    with started(document, urls, folder) as client:
        yield client


@contextmanager
def started(
    document: Mapping[str, Any], urls: Mapping[str, str], folder: Path, env: Mapping[str, str] | None = None
) -> Iterator[JaegerClient]:
    """Jaeger, healthy; killed at the end. Raises AssertionError with its log when it does not get there."""
    config, strategies, log = folder / "jaeger.yaml", folder / "strategies.json", folder / "jaeger.log"
    config.write_text(documents.dump(document))
    strategies.write_text(render_sampling(PLATFORM.services, PLATFORM.health_checks))
    (folder / "ui.json").write_text((CONFIGS / "jaeger" / "ui.json").read_text())
    with log.open("wb") as output:
        process = subprocess.Popen(
            [binary("jaeger"), f"--config={config}"],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _healthy(urls["health"]):
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline, f"not healthy:\n{log.read_text()[-3000:]}"
            time.sleep(0.2)
        yield JaegerClient(urls, strategies, log)
    finally:
        process.kill()
        process.wait()


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/status").status_code == 200
    except httpx.TransportError:
        return False
