"""A real Loki on loopback, with the stack's own configuration except for where it stores."""

import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from components.loki_process import GRPC_PORT, arguments
from rendering import documents
from rendering.loki import SINGLE_TENANT, LokiValues, render_loki
from rendering.rules import RulesArgs, load_rule_files, render_rules
from sandbox.toolchain import binary

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "loki"
START_SECONDS = 60.0


_GIVEN: set[int] = set()


def free_port() -> int:
    """Where nobody listens, and never one again; below the ports that the system takes for connections to others."""
    while True:
        port = 20_000 + secrets.randbelow(10_000)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            if port not in _GIVEN:
                _GIVEN.add(port)
                return port


@dataclass(frozen=True)
class Entry:
    """One log line as Loki returns it."""

    labels: Mapping[str, str]
    timestamp_ns: int
    line: str


@dataclass(frozen=True)
class LokiClient:
    url: str
    tenant: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Of every request; none where Loki has no tenants."""
        return {} if self.tenant is None else {"X-Scope-OrgID": self.tenant}

    def push(
        self, labels: Mapping[str, str], lines: Mapping[int, str], metadata: Mapping[str, str] | None = None
    ) -> None:
        """Sends `lines` (timestamp in ns -> text) as one stream, `metadata` with each of them."""
        values = [[str(stamp), line, dict(metadata or {})] for stamp, line in sorted(lines.items())]
        answer = httpx.post(
            f"{self.url}/loki/api/v1/push",
            json={"streams": [{"stream": dict(labels), "values": values}]},
            headers=self.headers,
        )
        answer.raise_for_status()

    def flush(self, settle_seconds: float = 1) -> None:
        """Writes what is in memory to the store; lines of hours ago are found only there."""
        httpx.post(f"{self.url}/flush").raise_for_status()
        time.sleep(settle_seconds)

    def instant(self, query: str, at_seconds: float) -> list[dict[str, Any]]:
        """The vector that `query` gives at that time."""
        params: dict[str, str | float] = {"query": query, "time": at_seconds}
        answer = httpx.get(f"{self.url}/loki/api/v1/query", params=params, headers=self.headers, timeout=30)
        assert answer.status_code == 200, f"{query}: {answer.text}"
        result: list[dict[str, Any]] = answer.json()["data"]["result"]
        return result

    def entries(self, query: str, start_ns: int, end_ns: int, limit: int = 5000) -> list[Entry]:
        """All lines of a log query, oldest first; structured metadata stands among the labels."""
        params: dict[str, str | int] = {
            "query": query,
            "start": start_ns,
            "end": end_ns,
            "limit": limit,
            "direction": "forward",
        }
        answer = httpx.get(f"{self.url}/loki/api/v1/query_range", params=params, headers=self.headers, timeout=30)
        assert answer.status_code == 200, f"{query}: {answer.text}"
        found = [
            Entry(labels=stream["stream"], timestamp_ns=int(stamp), line=line)
            for stream in answer.json()["data"]["result"]
            for stamp, line in stream["values"]
        ]
        return sorted(found, key=lambda entry: entry.timestamp_ns)

    def rule_groups(self) -> list[dict[str, Any]]:
        """The ruler's groups, each rule with its health."""
        answer = httpx.get(f"{self.url}/prometheus/api/v1/rules", headers=self.headers, timeout=30).raise_for_status()
        groups: list[dict[str, Any]] = answer.json()["data"]["groups"]
        return groups

    def streams(self) -> list[dict[str, str]]:
        """Label sets of all streams, without structured metadata."""
        params = {"match[]": '{job=~".+"}'}
        answer = httpx.get(f"{self.url}/loki/api/v1/series", params=params, headers=self.headers, timeout=30)
        answer.raise_for_status()
        result: list[dict[str, str]] = answer.json()["data"]
        return result


def folder_configuration(folder: Path, http_port: int, grpc_port: int, **values: Any) -> str:
    """The stack's Loki with everything that it writes below `folder`; its objects too, unless `values` name an S3."""
    plain: dict[str, Any] = {
        "bucket": "logs",
        "region": "us-east-1",
        "cluster": "c",
        "environment": "test",
        "service_count": 9,
        "alertmanager_url": "http://127.0.0.1:9",
        "prometheus_write_url": None,
    }
    document = yaml.safe_load(render_loki(documents.load(CONFIGS / "loki.yaml"), LokiValues(**{**plain, **values})))
    document["common"]["path_prefix"] = str(folder)
    if "s3_endpoint" not in values:
        document["common"]["storage"] = {
            "filesystem": {"chunks_directory": str(folder / "chunks"), "rules_directory": str(folder / "rules")}
        }
        document["schema_config"]["configs"][0]["object_store"] = "filesystem"
        document["compactor"]["delete_request_store"] = "filesystem"
    document["compactor"]["working_directory"] = str(folder / "compactor")
    document["storage_config"]["tsdb_shipper"] |= {
        "active_index_directory": str(folder / "index"),
        "cache_location": str(folder / "cache"),
    }
    document["ingester"]["wal"]["dir"] = str(folder / "wal")
    document["ruler"] |= {
        "storage": {"type": "local", "local": {"directory": str(folder / "rules")}},
        "rule_path": str(folder / "rules-temp"),
        "wal": {"dir": str(folder / "ruler-wal")},
    }
    document["server"] |= {
        "http_listen_address": "127.0.0.1",
        "grpc_listen_address": "127.0.0.1",
        "http_listen_port": http_port,
        "grpc_listen_port": grpc_port,
    }
    # Where a whole process asks itself.
    return documents.dump(document).replace(f"127.0.0.1:{GRPC_PORT}", f"127.0.0.1:{grpc_port}")


def rendered_rules() -> dict[str, str]:
    """The rule files by name, as the stack has them."""
    args = RulesArgs(runbook_base_url="https://runbooks.example", grafana_url="https://grafana.example")
    return render_rules(load_rule_files(CONFIGS / "rules"), args)


@contextmanager
def running_loki(
    folder: Path,
    *,
    target: str = "all",
    http_port: int | None = None,
    grpc_port: int | None = None,
    changes: documents.Document | None = None,
    rules: Mapping[str, str] | None = None,
    orderly: bool = False,
    tenant: str | None = None,
    **values: Any,
) -> Iterator[LokiClient]:
    """Loki, ready, with what an earlier one left in `folder`; killed at the end, or asked to stop where `orderly`.

    `values` are LokiValues' own, `changes` go over what is rendered, `rules` take the place of the stack's. With a
    `tenant`, whose the rules are, it has tenants. Raises AssertionError with its log when it does not get ready.
    """
    http_port = http_port or free_port()
    of_tenant = folder / "rules" / (tenant or SINGLE_TENANT)
    of_tenant.mkdir(parents=True, exist_ok=True)
    for name, text in (rendered_rules() if rules is None else rules).items():
        (of_tenant / name).write_text(text)
    config = folder / "loki.yaml"
    values["auth_enabled"] = tenant is not None
    document = yaml.safe_load(folder_configuration(folder, http_port, grpc_port or free_port(), **values))
    config.write_text(documents.dump(documents.overlay(document, changes or {})))
    log = folder / "loki.log"
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    with log.open("ab") as output:
        process = subprocess.Popen(
            [binary("loki"), *arguments(target, str(config))],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **keys},
        )
    try:
        client = LokiClient(f"http://127.0.0.1:{http_port}", tenant)
        _wait_ready(client, process, log)
        yield client
        if orderly:
            process.terminate()
            assert process.wait(timeout=60) == 0, log.read_text()[-3000:]
    finally:
        process.kill()
        process.wait()


def _wait_ready(client: LokiClient, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            if httpx.get(f"{client.url}/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"Loki was not ready within {START_SECONDS:.0f} s:\n{log.read_text()[-3000:]}")
