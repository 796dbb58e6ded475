"""An OpenSearch of the benchmark's own, and Jaeger on it with our configuration or with Jaeger's sample."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import psutil

from bench.running import running
from components.settings.tools import JaegerSettings
from rendering import documents
from rendering.declarations import load_platform
from rendering.jaeger import STORE_URL, Role
from rendering.sampling import render_sampling
from sandbox.aws import opensearch
from sandbox.paths import repo_root
from sandbox.toolchain import binary
from tests.native.jaeger_process import on_loopback, rendered
from tests.native.loki_process import free_port

_CONFIGS = repo_root() / "configs"
_STORE_HOST = "127.0.0.4"  # the sandbox's own store, and the tests', may be running on others

# What Jaeger's sample for OpenSearch sets, but for addresses, the user interface's file, the archive and where
# the Monitor tab reads.
# https://github.com/jaegertracing/jaeger/blob/v1.76.0/cmd/jaeger/config-opensearch.yaml
_DAILY = {"date_layout": "2006-01-02", "rollover_frequency": "day", "shards": 5, "replicas": 1}
_SAMPLE: Mapping[str, Any] = {
    "service": {
        "extensions": ["jaeger_storage", "jaeger_query", "healthcheckv2"],
        "pipelines": {
            "traces": {"receivers": ["otlp"], "processors": ["batch"], "exporters": ["jaeger_storage_exporter"]}
        },
        "telemetry": {
            "resource": {"service.name": "jaeger"},
            "logs": {"level": "debug"},
            "metrics": {"level": "detailed", "readers": [{"pull": {"exporter": {"prometheus": {}}}}]},
        },
    },
    "extensions": {
        "healthcheckv2": {"use_v2": True, "http": {}},
        "jaeger_query": {"storage": {"traces": "some_storage"}, "ui": {}, "http": {}, "grpc": {}},
        "jaeger_storage": {
            "backends": {
                "some_storage": {
                    "opensearch": {"indices": dict.fromkeys(("spans", "services", "dependencies", "sampling"), _DAILY)}
                }
            }
        },
    },
    "receivers": {"otlp": {"protocols": {"grpc": {}, "http": {}}}},
    "processors": {"batch": None},
    "exporters": {"jaeger_storage_exporter": {"trace_storage": "some_storage"}},
}


@dataclass(frozen=True)
class Store:
    """A running OpenSearch."""

    url: str

    def get(self, path: str, **params: str) -> Any:
        answer = httpx.get(f"{self.url}{path}", params=params, timeout=60, trust_env=False)
        return answer.raise_for_status().json()

    def written(self, prefix: str) -> int:
        """Spans that were written to the indices of `prefix`, whether a search finds them already or not."""
        found = self.get(f"/{prefix}-jaeger-span-*/_stats/indexing", ignore_unavailable="true")
        return int(found["_all"]["primaries"].get("indexing", {}).get("index_total", 0))

    def searchable(self, prefix: str) -> int:
        """Spans that a search finds: none while an index that was just made has no place yet (then it answers 503)."""
        where = f"{self.url}/{prefix}-jaeger-span-*/_count?ignore_unavailable=true"
        answer = httpx.get(where, timeout=60, trust_env=False)
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            return 0
        return int(answer.raise_for_status().json()["count"])

    def newest(self, prefix: str, since: float) -> set[str]:
        """Ids of the spans that a search finds, of those that ended since then (and began a second before at most)."""
        query = {
            "size": 5000,
            "_source": ["spanID"],
            "query": {"range": {"startTimeMillis": {"gte": int((since - 1) * 1000)}}},
        }
        where = f"{self.url}/{prefix}-jaeger-span-*/_search?ignore_unavailable=true"
        answer = httpx.post(where, json=query, timeout=60, trust_env=False).raise_for_status().json()
        return {hit["_source"]["spanID"] for hit in answer["hits"]["hits"]}

    def bytes_on_disk(self, prefix: str) -> int:
        """What the spans take, without copies on other nodes."""
        indices = f"/{prefix}-jaeger-span-*"
        httpx.post(f"{self.url}{indices}/_flush", timeout=60, trust_env=False).raise_for_status()
        return int(self.get(f"{indices}/_stats/store")["_all"]["primaries"]["store"]["size_in_bytes"])

    def merge(self, prefix: str) -> None:
        """Merges the spans to one segment a shard, as OpenSearch does in the course of a day."""
        where = f"{self.url}/{prefix}-jaeger-span-*/_forcemerge"
        params = {"max_num_segments": "1"}
        httpx.post(where, params=params, timeout=120, trust_env=False).raise_for_status()

    def remove(self, prefix: str) -> None:
        """Removes the indices of `prefix`: the next measurement has the store for itself."""
        for index in self.get(f"/{prefix}-jaeger-*", ignore_unavailable="true"):
            httpx.delete(f"{self.url}/{index}", timeout=60, trust_env=False).raise_for_status()


@contextmanager
def running_store(folder: Path) -> Iterator[Store]:
    """The sandbox's OpenSearch, without logins, on an address and with data of its own."""
    with patch.dict(os.environ, {"XDG_STATE_HOME": str(folder / "state")}):
        try:
            opensearch.up(_STORE_HOST, secure=False)
            yield Store(opensearch.url(_STORE_HOST, secure=False))
        finally:
            opensearch.down()


@contextmanager
def our_jaeger(folder: Path, store: Store, prefix: str) -> Iterator[tuple[psutil.Process, Mapping[str, str]]]:
    """All in one as the stack has it, with the memory of its container; and its addresses."""
    limit_mib = JaegerSettings().resources.memory_limit_mib
    document, urls = on_loopback(rendered(Role.ALL_IN_ONE, index_prefix=prefix), folder)
    limiter = document["processors"]["memory_limiter"]
    # Shares are of the container's memory, and this process has the machine's.
    for share, mib in (("limit_percentage", "limit_mib"), ("spike_limit_percentage", "spike_limit_mib")):
        limiter[mib] = limit_mib * limiter.pop(share) // 100
    platform = load_platform(_CONFIGS / "services.yaml")
    (folder / "strategies.json").write_text(render_sampling(platform.services, platform.health_checks))
    (folder / "ui.json").write_text((_CONFIGS / "jaeger" / "ui.json").read_text())
    env = {STORE_URL: store.url, "GOMEMLIMIT": f"{limit_mib * 9 // 10}MiB"}
    with _running(document, urls, folder, env) as process:
        yield process, urls


@contextmanager
def sample_jaeger(folder: Path, store: Store, prefix: str) -> Iterator[tuple[psutil.Process, Mapping[str, str]]]:
    """Jaeger with its own sample; and its addresses."""
    (folder / "ui.json").write_text("{}")
    document, urls = on_loopback(documents.dump(sample_document(store.url, prefix)), folder)
    for protocol, listener in document["receivers"]["otlp"]["protocols"].items():
        listener["endpoint"] = f"127.0.0.1:{free_port()}"
        urls[f"otlp-{protocol}"] = f"http://{listener['endpoint']}"
    with _running(document, urls, folder, {}) as process:
        yield process, urls


def sample_document(store_url: str, prefix: str) -> documents.Document:
    """Jaeger's sample for the store at this address, with indices of this prefix."""
    backend = {"opensearch": {"server_urls": [store_url], "indices": {"index_prefix": prefix}}}
    return documents.overlay(_SAMPLE, {"extensions": {"jaeger_storage": {"backends": {"some_storage": backend}}}})


@contextmanager
def _running(
    document: Mapping[str, Any], urls: Mapping[str, str], folder: Path, env: Mapping[str, str]
) -> Iterator[psutil.Process]:
    config = folder / "jaeger.yaml"
    config.write_text(documents.dump(document))
    argv = [str(binary("jaeger")), f"--config={config}"]
    with running(argv, folder / "jaeger.log", f"{urls['health']}/status", env) as process:
        yield process
