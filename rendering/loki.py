"""Loki's configuration for one stack: `configs/loki/loki.yaml` with the stack's values laid over it.

Limits are computed from what the stack declares, so that a tenth service, a longer retention or a bigger cluster needs
no second edit here. No secret passes through this module: credentials reach Loki as the pod's role or as environment.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rendering import documents
from rendering.loki_size import REPLICATION_FACTOR
from rendering.promtail import STREAM_LABELS

# Loki's name for the one tenant of a Loki without tenants.
SINGLE_TENANT = "fake"
# Loki keeps whole days of index; its retention has this as its smallest step.
SHORTEST_RETENTION_DAYS = 1
# Pods that a kubelet runs at most, by its default.
PODS_PER_NODE = 110
# A stream stays in the ingester for up to two hours after its last line. Within that time every pod may have been
# replaced once, and each declared service been rolled out a few times more.
GENERATIONS_IN_MEMORY = 2
ROLLOUTS_IN_MEMORY = 4
PODS_OF_A_SERVICE = 5
CONTAINERS_OF_A_POD = 2
# Journal units that have a service of their own, and files under /var/log.
STREAMS_OF_A_NODE = 40
MEMBERLIST_PORT = 7946
# A chunk is 1.5 MiB, compressed; an hour's result of a query may be larger.
LARGEST_CACHED_MIB = 5
# A share of the tenant's write rate for everything that is not a declared service: the stack itself, the cluster's own
# pods, the nodes.
SHARES_BESIDE_SERVICES = 1


@dataclass(frozen=True, kw_only=True)
class Caches:
    """The memcached that several replicas share: host:port, the host being a name for all of a cache's replicas."""

    chunks: str = "loki-chunks-cache-peers:11211"
    results: str = "loki-results-cache-peers:11211"


@dataclass(frozen=True, kw_only=True)
class Apart:
    """Where the microservices that others ask are, host:port each, where they are processes of their own."""

    querier: str  # HTTP; the others gRPC, and their hosts are names for all replicas
    query_scheduler: str
    index_gateway: str
    compactor: str


@dataclass(frozen=True, kw_only=True)
class LokiValues:
    """What differs per stack."""

    bucket: str
    region: str
    cluster: str
    environment: str
    service_count: int
    # Processes that take lines in: each with everything in it, or only ingesters where the rest is `apart`. From
    # REPLICATION_FACTOR on, one may be away without a line being refused or lost; they find each other at `peers`.
    replicas: int = 1
    peers: str = "loki-peers"
    apart: Apart | None = None
    caches: Caches = Caches()
    # S3 API to use in place of AWS's own, as a URL (the sandbox's, MinIO); None for AWS.
    s3_endpoint: str | None = None
    s3_path_style: bool = False
    retention_days: int = 30
    # Before a chunk that is past retention is really deleted.
    delete_delay_hours: float = 2
    compaction_interval_minutes: int = 10
    auth_enabled: bool = False
    # Per stream and second, and what a stream may send at once. Loki writes MB and counts MiB.
    stream_rate_mib: int = 5
    stream_burst_mib: int = 15
    # MiB a second of the tenant, all streams together, no less than the agents may send; that where None.
    ingestion_rate_mib: int | None = None
    max_entries_per_query: int = 10_000
    results_cache_mib: int = 512
    # Largest number of nodes the cluster grows to; bounds the number of streams, and what the agents send.
    max_nodes: int = 5
    alertmanager_url: str = "http://alertmanager.monitoring:9093"
    # Where recording rules are written; None switches that off.
    prometheus_write_url: str | None = "http://prometheus.monitoring:9090/api/v1/write"

    def __post_init__(self) -> None:
        """Raises ValueError with field, value and what to write instead."""
        if not self.bucket:
            raise ValueError("loki.bucket is empty; set the name of the S3 bucket that holds the logs")
        if self.retention_days < SHORTEST_RETENTION_DAYS:
            raise ValueError(
                f"loki.retention_days is {self.retention_days}; set {SHORTEST_RETENTION_DAYS} or more "
                "(days before Loki deletes a line)"
            )
        if self.service_count < 1:
            raise ValueError(f"loki.service_count is {self.service_count}; declare a service in configs/services.yaml")
        if 1 < self.replicas < REPLICATION_FACTOR:
            raise ValueError(
                f"loki.replicas is {self.replicas}; set 1, or {REPLICATION_FACTOR} or more (every line is then kept "
                f"{REPLICATION_FACTOR} times)"
            )
        if self.stream_burst_mib < self.stream_rate_mib:
            raise ValueError(
                f"loki.per_stream_burst_mib is {self.stream_burst_mib}; "
                f"set {self.stream_rate_mib} or more (the rate itself)"
            )
        sent = sent_mib(self)
        if self.ingestion_rate_mib is not None and self.ingestion_rate_mib < sent:
            raise ValueError(
                f"loki.ingestion_rate_mib is {self.ingestion_rate_mib}, less than the agents may send; set {sent} or "
                f"more ({self.service_count} services and the rest at {self.stream_rate_mib} MiB/s, on "
                f"{self.max_nodes} node(s)), or leave it out to have it computed"
            )


def stream_budget(values: LokiValues) -> int:
    """Streams that a healthy cluster of this size has in memory at most, rounded up to hundreds.

    Every container of every pod is one stream (see STREAM_LABELS); two containers to a pod is generous. More than this
    is a label that should not be one, and Loki refuses it.
    """
    of_pods = values.max_nodes * PODS_PER_NODE * CONTAINERS_OF_A_POD * GENERATIONS_IN_MEMORY
    of_rollouts = values.service_count * PODS_OF_A_SERVICE * CONTAINERS_OF_A_POD * ROLLOUTS_IN_MEMORY
    of_nodes = values.max_nodes * STREAMS_OF_A_NODE
    return math.ceil((of_pods + of_rollouts + of_nodes) / 100) * 100


def sent_mib(values: LokiValues) -> int:
    """MiB a second that the agents let through: on each node every declared service's share, and one for the rest."""
    return values.stream_rate_mib * (values.service_count + SHARES_BESIDE_SERVICES) * values.max_nodes


def tenant_rate_mib(values: LokiValues) -> int:
    """MiB a second that Loki takes in all.

    Less than what is sent, and one shouting service would have the agents' batches refused, lines of other services
    included.
    """
    return sent_mib(values) if values.ingestion_rate_mib is None else values.ingestion_rate_mib


def tenant_burst_mib(values: LokiValues) -> int:
    """MiB that Loki takes at once in all: the bursts of all that is sent together."""
    shares = sent_mib(values) // values.stream_rate_mib
    return max(values.stream_burst_mib * shares, tenant_rate_mib(values))


def _storage(values: LokiValues) -> documents.Document:
    s3: documents.Document = {
        "region": values.region,
        "bucketnames": values.bucket,
        "s3forcepathstyle": values.s3_path_style,
    }
    if values.s3_endpoint is not None:
        s3["endpoint"] = values.s3_endpoint
        s3["insecure"] = values.s3_endpoint.startswith("http://")
    return s3


def _limits(values: LokiValues) -> documents.Document:
    retention_hours = values.retention_days * 24
    return {
        "ingestion_rate_mb": tenant_rate_mib(values),
        "ingestion_burst_size_mb": tenant_burst_mib(values),
        "per_stream_rate_limit": f"{values.stream_rate_mib}MB",
        "per_stream_rate_limit_burst": f"{values.stream_burst_mib}MB",
        "max_global_streams_per_user": stream_budget(values),
        # The agents' labels, service_name that Loki adds, and filename on the streams of node files.
        "max_label_names_per_series": len(STREAM_LABELS) + 2,
        "max_entries_limit_per_query": values.max_entries_per_query,
        "retention_period": f"{retention_hours}h",
        "max_query_lookback": f"{retention_hours}h",
        "max_query_length": f"{retention_hours + 1}h",
        # A line older than that would be deleted at once.
        "reject_old_samples_max_age": f"{min(168, retention_hours)}h",
    }


def _ruler(values: LokiValues) -> documents.Document:
    write_url = values.prometheus_write_url
    remote_write = {"enabled": True, "clients": {"prometheus": {"url": write_url}}} if write_url else {"enabled": False}
    return {
        "alertmanager_url": values.alertmanager_url,
        "external_labels": {"cluster": values.cluster, "environment": values.environment},
        "remote_write": remote_write,
    }


def _memcached(address: str, kept_for: str) -> documents.Document:
    """A cache that the replicas share, in place of one in the memory of each. It is asked, never waited for long."""
    return {
        "embedded_cache": {"enabled": False},
        "default_validity": kept_for,  # 0: until there is no room for it
        "memcached_client": {"addresses": f"dns+{address}", "consistent_hash": True, "timeout": "1s"},
    }


def _clustered(document: documents.Document, values: LokiValues) -> documents.Document:
    """`document` for several replicas: a ring that they form among themselves, in place of one in memory."""
    clustered = documents.overlay(
        document,
        {
            "common": {
                "replication_factor": REPLICATION_FACTOR,
                "ring": {"kvstore": {"store": "memberlist"}},
            },
            "memberlist": {
                "bind_port": MEMBERLIST_PORT,
                "join_members": [f"{values.peers}:{MEMBERLIST_PORT}"],
                "abort_if_cluster_join_fails": False,  # the first one finds nobody
            },
            # A rollout goes on only when the others have heard of the new one.
            "ingester": {"lifecycler": {"min_ready_duration": "15s"}},
            # Each rule is evaluated by one of them.
            "ruler": {"enable_sharding": True},
            "query_range": {"results_cache": {"cache": _memcached(values.caches.results, "24h")}},
            "chunk_store_config": {"chunk_cache_config": _memcached(values.caches.chunks, "0s")},
        },
    )
    del clustered["common"]["instance_addr"]  # the pod's own address
    # Queries are shared out: by the schedulers in the ring.
    del clustered["frontend"]["scheduler_address"], clustered["frontend_worker"]
    return clustered


def _microservices(apart: Apart) -> documents.Document:
    """Whom each asks, where a whole process asks itself."""
    return {
        "common": {"compactor_grpc_address": apart.compactor},
        "frontend": {"scheduler_address": apart.query_scheduler, "tail_proxy_url": f"http://{apart.querier}"},
        "frontend_worker": {"scheduler_address": apart.query_scheduler},
        "storage_config": {
            "tsdb_shipper": {"index_gateway_client": {"server_address": f"dns+{apart.index_gateway}"}},
        },
    }


def render_loki(base: Mapping[str, Any], values: LokiValues) -> str:
    """The text of Loki's configuration file: `base` (the parsed `configs/loki/loki.yaml`) for this stack."""
    changes = {
        "auth_enabled": values.auth_enabled,
        "common": {"storage": {"s3": _storage(values)}},
        "compactor": {
            "compaction_interval": f"{values.compaction_interval_minutes}m",
            "retention_delete_delay": f"{round(values.delete_delay_hours * 3600)}s",
        },
        "limits_config": _limits(values),
        "query_range": {"results_cache": {"cache": {"embedded_cache": {"max_size_mb": values.results_cache_mib}}}},
        "ruler": _ruler(values),
    }
    document = documents.overlay(base, changes)
    if values.replicas > 1:
        document = _clustered(document, values)
    if values.apart is not None:
        document = documents.overlay(document, _microservices(values.apart))
    return documents.dump(document)
