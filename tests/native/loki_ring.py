"""Three real Lokis in one ring on loopback, with real memcached and moto's S3: the stack's layout for more logs."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from components.loki_cache import USER, arguments
from rendering import documents
from rendering.loki import Caches
from sandbox.aws import moto
from tests.native.image_process import image_root, running_in
from tests.native.loki_process import LokiClient, free_port, running_loki
from tests.waiting import eventually

REPLICAS = 3
BUCKET = "logs"
HOST = "127.0.0.1"


@dataclass
class Ring:
    """The replicas that are up, by number."""

    folder: Path
    values: dict[str, Any]
    peers: list[int]  # ports at which they find each other
    clients: dict[int, LokiClient] = field(default_factory=dict)
    _lives: dict[int, ExitStack] = field(default_factory=dict)

    def start(self, number: int) -> None:
        """Starts one, with what it left on its volume; returns when it is ready."""
        folder = self.folder / f"loki-{number}"
        folder.mkdir(exist_ok=True)
        changes: documents.Document = {
            "common": {"instance_addr": HOST, "ring": {"instance_id": f"loki-{number}"}},
            "memberlist": {
                "bind_addr": [HOST],
                "bind_port": self.peers[number],
                "advertise_addr": HOST,
                "advertise_port": self.peers[number],
                "join_members": [f"{HOST}:{port}" for port in self.peers],
            },
            "ingester": {"lifecycler": {"min_ready_duration": "0s"}},  # nobody rolls them out here
        }
        life = self._lives[number] = ExitStack()
        self.clients[number] = life.enter_context(running_loki(folder, changes=changes, rules={}, **self.values))

    def kill(self, number: int) -> None:
        """At once, with what is in its memory."""
        del self.clients[number]
        self._lives.pop(number).close()

    def kill_all(self) -> None:
        for number in list(self.clients):
            self.kill(number)

    def whole(self) -> None:
        """Returns when each sees all of them."""
        everyone = {f"loki-{number}": "ACTIVE" for number in range(REPLICAS)}

        def seen_by_all() -> bool:
            seen = {number: self._states(number) for number in range(REPLICAS)}
            assert all(states == everyone for states in seen.values()), seen
            return True

        eventually(seen_by_all, 120, 0.5)

    def _states(self, number: int) -> dict[str, str]:
        answer = httpx.get(f"{self.clients[number].url}/ring", headers={"Accept": "application/json"})
        return {shard["id"]: shard["state"] for shard in answer.raise_for_status().json()["shards"]}


@contextmanager
def running_ring(folder: Path) -> Iterator[tuple[Ring, dict[str, int]]]:
    """All three, each of which sees all three; and the ports of the caches `chunks` and `results`."""
    ports = {name: free_port() for name in ("chunks", "results")}
    with ExitStack() as life:
        endpoint = life.enter_context(moto.account())
        s3 = moto.client("s3", endpoint)
        s3.create_bucket(Bucket=BUCKET)
        values = {
            "bucket": BUCKET,
            "s3_endpoint": endpoint,
            "s3_path_style": True,
            "replicas": REPLICAS,
            "caches": Caches(**{name: f"{HOST}:{port}" for name, port in ports.items()}),
        }
        ring = Ring(folder, values, [free_port() for _ in range(REPLICAS)])
        root = life.enter_context(image_root("memcached"))
        for port in ports.values():
            command = ("memcached", *arguments(64), f"--listen={HOST}", f"--port={port}")
            life.enter_context(running_in(root, USER, *command, port=port))
        life.callback(ring.kill_all)
        for number in range(REPLICAS):
            ring.start(number)
        ring.whole()
        yield ring, ports


def cache_statistics(port: int) -> dict[str, str]:
    """What memcached counts: `get_hits`, `cmd_set`, ..."""
    with socket.create_connection((HOST, port), timeout=5) as connection:
        connection.sendall(b"stats\r\nquit\r\n")
        text = b"".join(iter(lambda: connection.recv(4096), b"")).decode()
    return dict(line.split()[1:3] for line in text.splitlines() if line.startswith("STAT ") and len(line.split()) > 2)
