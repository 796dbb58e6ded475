"""Loki's microservices as real processes on loopback, behind the router's nginx, with real memcached and moto's S3."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from components.loki_cache import USER as MEMCACHED_USER
from components.loki_cache import arguments
from components.loki_gateway import USER as NGINX_USER
from components.loki_microservices import FOLDER, ROUTER_CONFIG, tool
from components.loki_process import PORT
from rendering import documents
from rendering.loki import Apart, Caches
from rendering.loki_size import NAMES, Microservice
from sandbox.aws import moto
from tests.native.image_process import image_root, running_in
from tests.native.loki_process import LokiClient, free_port, running_loki
from tests.waiting import eventually

BUCKET = "logs"
HOST = "127.0.0.1"
SEVERAL: dict[Microservice, int] = {"ingester": 3, "querier": 2}
RULES = """groups:
  - name: lines
    interval: 1s
    rules:
      - record: service:lines:count5m
        expr: sum by (service) (count_over_time({job="kubernetes-pods"}[5m]))
"""


@dataclass(frozen=True)
class Ports:
    """Of one process."""

    http: int = field(default_factory=free_port)
    grpc: int = field(default_factory=free_port)
    memberlist: int = field(default_factory=free_port)


@dataclass
class Microservices:
    """The processes that are up, by name, `ingester-0` and so on; and what answers in front of them."""

    folder: Path
    values: dict[str, Any]
    ports: dict[str, Ports]
    router: LokiClient
    clients: dict[str, LokiClient] = field(default_factory=dict)
    _lives: dict[str, ExitStack] = field(default_factory=dict)

    def start(self, process: str) -> None:
        """Starts one, with what it left on its volume; returns when it is ready."""
        folder, ports = self.folder / process, self.ports[process]
        folder.mkdir(exist_ok=True)
        changes: documents.Document = {
            "common": {"instance_addr": HOST, "ring": {"instance_id": process}},
            "memberlist": {
                "bind_addr": [HOST],
                "bind_port": ports.memberlist,
                "advertise_addr": HOST,
                "advertise_port": ports.memberlist,
                "join_members": [f"{HOST}:{self.ports[one].memberlist}" for one in self.all("ingester")],
            },
            "ingester": {"lifecycler": {"min_ready_duration": "0s"}},  # nobody rolls them out here
        }
        life = self._lives[process] = ExitStack()
        self.clients[process] = life.enter_context(
            running_loki(
                folder,
                target=process.rstrip("0123456789").rstrip("-"),
                http_port=ports.http,
                grpc_port=ports.grpc,
                changes=changes,
                rules={"lines.yaml": RULES},
                **self.values,
            )
        )

    def kill(self, process: str) -> None:
        """At once, with what is in its memory."""
        del self.clients[process]
        self._lives.pop(process).close()

    def kill_all(self) -> None:
        for process in list(self.clients):
            self.kill(process)

    def all(self, name: Microservice) -> Sequence[str]:
        """The processes of one microservice, up or not."""
        return [f"{name}-{number}" for number in range(SEVERAL.get(name, 1))]

    def whole(self) -> None:
        """Returns when the distributor sees every ingester."""

        def seen() -> bool:
            answer = httpx.get(f"{self.clients['distributor-0'].url}/ring", headers={"Accept": "application/json"})
            states = {shard["id"]: shard["state"] for shard in answer.raise_for_status().json()["shards"]}
            assert states == dict.fromkeys(self.all("ingester"), "ACTIVE"), states
            return True

        eventually(seen, 120, 0.5)


@contextmanager
def running_microservices(folder: Path) -> Iterator[Microservices]:
    """All of them, ready, behind the router."""
    ports = {f"{name}-{number}": Ports() for name in NAMES for number in range(SEVERAL.get(name, 1))}
    caches = {name: free_port() for name in ("chunks", "results")}
    front = free_port()
    with ExitStack() as life:
        endpoint = life.enter_context(moto.account())
        moto.client("s3", endpoint).create_bucket(Bucket=BUCKET)
        values = {
            "bucket": BUCKET,
            "s3_endpoint": endpoint,
            "s3_path_style": True,
            "replicas": SEVERAL["ingester"],
            "caches": Caches(**{name: f"{HOST}:{port}" for name, port in caches.items()}),
            "apart": Apart(
                querier=f"{HOST}:{ports['querier-0'].http}",
                query_scheduler=f"{HOST}:{ports['query-scheduler-0'].grpc}",
                index_gateway=f"{HOST}:{ports['index-gateway-0'].grpc}",
                compactor=f"{HOST}:{ports['compactor-0'].grpc}",
            ),
            "compaction_interval_minutes": 1,
            "prometheus_write_url": None,
        }
        memcached = life.enter_context(image_root("memcached"))
        for port in caches.values():
            command = ("memcached", *arguments(64), f"--listen={HOST}", f"--port={port}")
            life.enter_context(running_in(memcached, MEMCACHED_USER, *command, port=port))
        found = Microservices(folder, values, ports, LokiClient(f"http://{HOST}:{front}"))
        life.callback(found.kill_all)
        # A frontend is ready when a scheduler answers it, a scheduler and a querier before anybody asks.
        for name in sorted(NAMES, key=lambda name: name == "query-frontend"):
            for process in found.all(name):
                found.start(process)
        found.whole()
        life.enter_context(_router(found, front))
        yield found


@contextmanager
def _router(found: Microservices, port: int) -> Iterator[None]:
    """nginx with the router's own configuration, to the first process of each microservice."""
    config = ROUTER_CONFIG.read_text()
    addresses = {
        f"http://{tool(name)}:{PORT}": f"http://{HOST}:{found.ports[f'{name}-0'].http}"
        for name in NAMES
        if f"http://{tool(name)}:{PORT}" in config
    }
    for name, value in {f"listen {PORT};": f"listen {HOST}:{port};", **addresses}.items():
        assert name in config
        config = config.replace(name, value)
    with image_root("nginx") as root:
        (root / FOLDER.lstrip("/")).mkdir(parents=True)
        (root / FOLDER.lstrip("/") / "nginx.conf").write_text(config)
        command = ("/usr/sbin/nginx", "-e", "stderr", "-c", f"{FOLDER}/nginx.conf", "-g", "daemon off;")
        with running_in(root, NGINX_USER, *command, port=port):
            yield
