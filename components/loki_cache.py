"""Memcached for a Loki of several processes: what one has read from the bucket or reckoned, the others find there."""

from collections.abc import Iterator
from dataclasses import dataclass

import pulumi

from components.settings.base import Resources
from components.settings.loki import LokiSettings
from components.shared import SharedOutputs
from components.workload import Workload, WorkloadArgs
from components.workload.pod import Container, Probe
from rendering.loki import LARGEST_CACHED_MIB, Caches

COMPONENT = "logs"
PORT = 11211
USER = 11211  # of the image
CHUNKS = "loki-chunks-cache"
RESULTS = "loki-results-cache"
# Every Loki keeps some connections to each, and opens more for a large query.
MOST_CONNECTIONS = 4096


@dataclass(frozen=True, kw_only=True)
class LokiCacheArgs:
    shared: SharedOutputs
    settings: LokiSettings
    image: str


def addresses(namespace: str) -> Caches:
    """Where Loki asks for all replicas of each cache."""
    return Caches(chunks=f"{CHUNKS}-peers.{namespace}:{PORT}", results=f"{RESULTS}-peers.{namespace}:{PORT}")


def requests(settings: LokiSettings) -> Iterator[Resources]:
    """What each cache's pod asks for, all replicas; nothing where one process has its caches in its own memory."""
    if settings.in_ring:
        for kept_mib in _kept_mib(settings).values():
            yield from [_resources(kept_mib)] * settings.memcached.replicas


class LokiCache(pulumi.ComponentResource):
    """Two, apart: chunks are many and large, and would push out the results of queries."""

    def __init__(self, name: str, args: LokiCacheArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("observability:index:LokiCache", name, None, opts)
        for tool, kept_mib in _kept_mib(args.settings).items():
            Workload(
                tool,
                WorkloadArgs(
                    shared=args.shared,
                    tool=tool,
                    component=COMPONENT,
                    kind="Deployment",
                    user=USER,
                    replicas=args.settings.memcached.replicas,
                    containers=(_container(args.image, kept_mib),),
                    peer_ports={"memcached": PORT},  # a key has its place: Loki asks one replica, not any
                ),
                pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})


def arguments(kept_mib: int) -> tuple[str, ...]:
    """Memcached's own, for a cache of that size."""
    return (
        f"--memory-limit={kept_mib}",
        f"--max-item-size={LARGEST_CACHED_MIB}m",
        f"--conn-limit={MOST_CONNECTIONS}",
    )


def _kept_mib(settings: LokiSettings) -> dict[str, int]:
    return {CHUNKS: settings.memcached.chunks_mib, RESULTS: settings.results_cache_mib}


def _resources(kept_mib: int) -> Resources:
    """A full cache is where it should be: it must not look like a pod that runs out of memory."""
    memory_mib = 64 + kept_mib * 4 // 3
    return Resources(cpu_millicores=50, memory_mib=memory_mib, cpu_limit_millicores=1000, memory_limit_mib=memory_mib)


def _container(image: str, kept_mib: int) -> Container:
    return Container(
        name="memcached",
        image=image,
        command=("memcached",),
        args=arguments(kept_mib),
        ports={"memcached": PORT},
        resources=_resources(kept_mib),
        readiness=Probe(port=PORT),
        liveness=Probe(port=PORT),
    )
