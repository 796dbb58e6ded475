"""A fresh Loki that stores in an S3 of its own, and collectors that read files into it."""

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil

from bench.running import running
from rendering import documents
from rendering.collectors import Collector
from rendering.declarations import Service, load_services
from rendering.loki import LokiValues, render_loki
from rendering.promtail import PODS_JOB, PromtailValues, render_promtail
from sandbox.aws import moto
from sandbox.paths import repo_root
from sandbox.toolchain import binary
from tests.native.loki_process import free_port

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CONFIGS = repo_root() / "configs"
_NO_LIMIT_MB = 100_000
# What a collector asks of Loki; its own limits would hide how fast the collector is.
_LOKI_WITHOUT_LIMITS = {
    "ingestion_rate_mb": _NO_LIMIT_MB,
    "ingestion_burst_size_mb": _NO_LIMIT_MB,
    "per_stream_rate_limit": f"{_NO_LIMIT_MB}MB",
    "per_stream_rate_limit_burst": f"{_NO_LIMIT_MB}MB",
}


class Kind(StrEnum):
    """With which configuration a collector runs."""

    OURS = "ours"
    OURS_LIMITED = "ours, with the rate limit"
    DEFAULT = "its own default"


@dataclass(frozen=True)
class Loki:
    """A running Loki."""

    url: str

    def query(self, path: str, **params: str | int) -> Any:
        """The result of `/loki/api/v1/<path>`."""
        answer = httpx.get(f"{self.url}/loki/api/v1/{path}", params=params, timeout=120, trust_env=False)
        return answer.raise_for_status().json()["data"]["result"]

    def lines(self) -> int:
        """How many lines a query finds, of the last six hours."""
        found = self.query("query", query='sum(count_over_time({job=~".+"}[6h]))')
        return int(found[0]["value"][1]) if found else 0


@dataclass(frozen=True)
class Store:
    """The local S3, in a moto of its own."""

    url: str

    def make(self, bucket: str) -> None:
        """A bucket with nothing in it."""
        self._client().create_bucket(Bucket=bucket)

    def sizes(self, bucket: str) -> dict[str, int]:
        """Bytes of all objects, by their first folder: chunks of the tenant, index."""
        sizes: dict[str, int] = {}
        for page in self._client().get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for entry in page.get("Contents", []):
                folder = entry["Key"].split("/", maxsplit=1)[0]
                sizes[folder] = sizes.get(folder, 0) + entry["Size"]
        return sizes

    def _client(self) -> "S3Client":
        s3: S3Client = moto.client("s3", self.url)
        return s3


@contextmanager
def running_store(folder: Path) -> Iterator[Store]:
    """S3 on loopback; what is in it goes with it."""
    port = free_port()
    argv = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    url = f"http://127.0.0.1:{port}"
    with running(argv, folder / "moto.log", f"{url}/moto-api/"):
        yield Store(url)


@contextmanager
def running_loki(folder: Path, store: Store, bucket: str) -> Iterator[Loki]:
    """The stack's Loki on `bucket`, with its files in `folder`; everything it holds is in the bucket at the end."""
    http, grpc = free_port(), free_port()
    folder.mkdir(exist_ok=True)
    config = folder / "loki.yaml"
    config.write_text(documents.dump(_loki_document(folder, store, bucket, http, grpc)))
    url = f"http://127.0.0.1:{http}"
    argv = [str(binary("loki")), f"-config.file={config}", "-target=all"]
    with running(argv, folder / "loki.log", f"{url}/ready", moto.environment(store.url)):
        yield Loki(url)


def _loki_document(folder: Path, store: Store, bucket: str, http: int, grpc: int) -> documents.Document:
    values = LokiValues(
        bucket=bucket,
        region=moto.REGION,
        cluster="bench",
        environment="bench",
        service_count=len(services()),
        s3_endpoint=store.url,
        s3_path_style=True,
        prometheus_write_url=None,
    )
    document: documents.Document = documents.overlay(
        documents.load_text(render_loki(documents.load(_CONFIGS / "loki" / "loki.yaml"), values)),
        {
            "limits_config": _LOKI_WITHOUT_LIMITS,
            "ruler": {"storage": {"local": {"directory": str(folder / "rules")}}},
            "server": {
                "http_listen_address": "127.0.0.1",
                "grpc_listen_address": "127.0.0.1",
                "http_listen_port": http,
                "grpc_listen_port": grpc,
            },
            "frontend": {"scheduler_address": f"127.0.0.1:{grpc}"},
            "frontend_worker": {"scheduler_address": f"127.0.0.1:{grpc}"},
        },
    )
    moved: documents.Document = moved_to(document, "/loki", str(folder))
    return moved


def moved_to(value: Any, old: str, new: str) -> Any:
    """A document with every path in `old` now in `new`."""
    if isinstance(value, Mapping):
        return {key: moved_to(one, old, new) for key, one in value.items()}
    if isinstance(value, list):
        return [moved_to(one, old, new) for one in value]
    return new + value.removeprefix(old) if isinstance(value, str) and f"{value}/".startswith(f"{old}/") else value


def services() -> Sequence[Service]:
    """The declared ones; each has one container in the benchmark."""
    return load_services(_CONFIGS / "services.yaml")


@contextmanager
def running_collector(
    collector: Collector, kind: Kind, folder: Path, loki: Loki
) -> Iterator[tuple[psutil.Process, str]]:
    """The collector on `folder`/pods/*.log, and its URL; it remembers nothing of another run."""
    port = free_port()
    url, config = f"http://127.0.0.1:{port}", folder / "collector.yaml"
    (folder / "positions.yaml").unlink(missing_ok=True)
    if kind is Kind.DEFAULT:
        document = default_document(folder, loki.url)
    else:
        document = our_document(folder, loki.url, limit=kind is Kind.OURS_LIMITED)
    if collector == "promtail":
        server = {"http_listen_port": port, "http_listen_address": "127.0.0.1", "grpc_listen_address": "127.0.0.1"}
        document = documents.overlay(document, {"server": server})
        argv: list[str | Path] = [binary("promtail"), f"-config.file={config}"]
    else:
        # Promtail's own server and the limit of a line's length have no counterpart
        document = {key: part for key, part in document.items() if key not in ("server", "limits_config")}
        kept = folder / "alloy"
        shutil.rmtree(kept, ignore_errors=True)  # where it got to in which file
        storage = f"--storage.path={kept}"
        listen = f"--server.http.listen-addr=127.0.0.1:{port}"
        argv = [binary("alloy"), "run", "--config.format=promtail", "--disable-reporting", listen, storage, config]
    config.write_text(documents.dump(document))
    ready = f"{url}/metrics"  # Promtail is ready only once it has found a file
    with running(argv, folder / "collector.log", ready) as process:
        yield process, url


def default_document(folder: Path, loki_url: str) -> documents.Document:
    """What the configuration that Promtail comes with sets, with the addresses and files of this run."""
    # https://github.com/grafana/loki/blob/v3.6.3/clients/cmd/promtail/promtail-local-config.yaml
    labels = {"job": "varlogs", "__path__": str(folder / "pods" / "*.log")}
    return {
        "server": {"http_listen_port": 9080, "grpc_listen_port": 0},
        "positions": {"filename": str(folder / "positions.yaml")},
        "clients": [{"url": f"{loki_url}/loki/api/v1/push"}],
        "scrape_configs": [{"job_name": "system", "static_configs": [{"targets": ["localhost"], "labels": labels}]}],
    }


def our_document(folder: Path, loki_url: str, *, limit: bool) -> documents.Document:
    """What the stack mounts, with files of this run in place of the node's pods; with or without its rate limits."""
    values = PromtailValues(cluster="bench", environment="bench", services=tuple(services()), loki_url=loki_url)
    document = documents.load_text(render_promtail(documents.load(_CONFIGS / "promtail" / "promtail.yaml"), values))
    [pods] = [scrape for scrape in document["scrape_configs"] if scrape["job_name"] == PODS_JOB]
    stages = pods["pipeline_stages"] if limit else unlimited(pods["pipeline_stages"])
    targets = [{"targets": ["localhost"], "labels": _labels(service, folder)} for service in services()]
    document["clients"][0]["external_labels"]["node"] = "bench"  # as the pod gives it, each collector in its way
    scrape = {"job_name": PODS_JOB, "static_configs": targets, "pipeline_stages": stages}
    positions = {**document["positions"], "filename": str(folder / "positions.yaml")}
    return {**document, "positions": positions, "scrape_configs": [scrape]}


def _labels(service: Service, folder: Path) -> dict[str, str]:
    """What the relabelling makes of a pod of this service."""
    return {
        "job": PODS_JOB,
        "namespace": service.namespace,
        "service": service.name,
        "team": service.team,
        "pod": f"{service.name}-0",
        "container": service.name,
        "__path__": str(folder / "pods" / f"{service.name}.log"),
    }


def unlimited(stages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The pipeline without anything that limits."""
    kept: list[dict[str, Any]] = []
    for stage in stages:
        if "match" in stage:
            inner = unlimited(stage["match"]["stages"])
            if inner:  # a match of nothing is refused
                kept.append({"match": {**stage["match"], "stages": inner}})
        elif "limit" not in stage:
            kept.append(dict(stage))
    return kept
