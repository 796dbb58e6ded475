"""Loki: the store of logs. Needs the bucket, and an Alertmanager and a Prometheus to tell what its rules find."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pulumi
from pulumi_kubernetes import core

from components.loki_cache import LokiCache, LokiCacheArgs, addresses
from components.loki_gateway import LokiGateway, LokiGatewayArgs
from components.settings.base import Exposure
from components.settings.tools import LokiSettings
from components.shared import Endpoint, SharedOutputs
from components.tool_secret import tool_secret, versions
from components.workload import Workload, WorkloadArgs
from components.workload.pod import ConfigMapFiles, Container, Data, EmptyDir, Mount, Probe, SecretKey, wait_for
from components.workload.spec import checksum, metadata
from rendering import documents
from rendering.loki import MEMBERLIST_PORT, SINGLE_TENANT, LokiValues, render_loki

TOOL = "loki"
COMPONENT = "logs"
PORT = 3100
GRPC_PORT = 9095
PEERS = f"{TOOL}-peers"
USER = 10001  # of the image
CONFIGS = Path(__file__).resolve().parents[1] / "configs" / "loki"

# What is in memory is flushed to S3 at a stop; killed before that, it is read back from the write-ahead log.
FLUSH_SECONDS = 300

S3_SECRET = "loki-s3-keys"
_S3_ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "s3_access_key_id", "AWS_SECRET_ACCESS_KEY": "s3_secret_access_key"}
S3_KEYS = tuple(_S3_ENVIRONMENT.values())


def endpoint(namespace: str) -> Endpoint:
    """Where Loki answers: pushes, queries, rules."""
    return Endpoint(name=TOOL, namespace=namespace, port=PORT)


def chunk_prefixes(settings: LokiSettings, environment: str) -> tuple[str, ...]:
    """Where chunks are in the bucket, by tenant. Everything else there (index, cluster state) must outlive them.

    What was written before there were tenants still goes.
    """
    own = settings.own_tenant(environment)
    return tuple(f"{tenant}/" for tenant in (SINGLE_TENANT, *([own] if own else []), *settings.tenants))


@dataclass(frozen=True, kw_only=True)
class LokiArgs:
    shared: SharedOutputs
    settings: LokiSettings
    image: str
    busybox_image: str
    memcached_image: str
    nginx_image: str
    bucket: str
    region: str
    service_count: int  # declared services; limits follow from it
    nodes: int  # of the cluster; so do they
    alertmanager: Endpoint
    prometheus: Endpoint
    rules: Mapping[str, str]  # rule files by name
    s3_endpoint: str | None = None  # URL of an S3 API that is not AWS's
    # How Loki proves itself to S3: a role by its ServiceAccount, else keys (s3_access_key_id, s3_secret_access_key).
    role_arn: pulumi.Input[str] | None = None
    s3_keys: Mapping[str, pulumi.Output[str]] | None = None
    gateway_htpasswd: pulumi.Output[str] | None = None  # needed where settings say that outside reaches it


class Loki(pulumi.ComponentResource):
    """Processes with everything in them, a volume each, and the rules of their ruler. Several share memcached."""

    endpoint: Endpoint

    def __init__(self, name: str, args: LokiArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("observability:index:Loki", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        labels = args.shared.labels(TOOL, COMPONENT)

        files = {"loki.yaml": render_loki(documents.load(CONFIGS / "loki.yaml"), _values(args))}
        config = core.v1.ConfigMap(
            f"{name}-config",
            metadata=metadata("loki-config", args.shared.namespace, labels),
            data=files,
            opts=child,
        )
        rules = core.v1.ConfigMap(
            f"{name}-rules",
            metadata=metadata("loki-rules", args.shared.namespace, labels),
            data=args.rules,
            opts=child,
        )
        keys = (
            tool_secret(
                f"{name}-s3-keys", shared=args.shared, name=S3_SECRET, labels=labels, values=args.s3_keys, parent=self
            )
            if args.s3_keys is not None
            else []
        )
        if args.settings.replicas > 1:
            LokiCache(
                f"{name}-cache",
                LokiCacheArgs(shared=args.shared, settings=args.settings, image=args.memcached_image),
                child,
            )
        workload = Workload(
            name,
            WorkloadArgs(
                shared=args.shared,
                tool=TOOL,
                component=COMPONENT,
                kind="StatefulSet",
                user=USER,
                init_containers=_init_containers(args),
                containers=(_container(args),),
                storage=args.settings.storage,
                replicas=args.settings.replicas,
                service_ports={"http": PORT, "grpc": GRPC_PORT},
                peer_ports={"memberlist": MEMBERLIST_PORT} if args.settings.replicas > 1 else {},
                exposure=Exposure(),  # people outside meet the gateway
                service_account_annotations={"eks.amazonaws.com/role-arn": args.role_arn} if args.role_arn else {},
                # The rules are left out: the ruler reads them again by itself.
                config_checksum=pulumi.Output.concat(checksum(files), versions(keys)),
                termination_grace_seconds=FLUSH_SECONDS,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[config, rules, *keys]),
        )
        if args.settings.reachable_from_outside:
            LokiGateway(
                f"{name}-gateway",
                LokiGatewayArgs(
                    shared=args.shared,
                    settings=args.settings,
                    image=args.nginx_image,
                    htpasswd=args.gateway_htpasswd,
                ),
                # nginx looks Loki's name up when it starts.
                pulumi.ResourceOptions(parent=self, depends_on=[workload]),
            )
        self.endpoint = endpoint(args.shared.namespace)
        self.register_outputs({"url": self.endpoint.url})


def bounded(settings: LokiSettings, *, services: int, nodes: int) -> dict[str, Any]:
    """The values, by name, that have to fit each other. services: how many are declared; nodes: how many send."""
    return {
        "service_count": services,
        "max_nodes": nodes,
        "replicas": settings.replicas,
        "retention_days": settings.retention_days,
        "stream_rate_mib": settings.per_stream_rate_mib,
        "stream_burst_mib": settings.per_stream_burst_mib,
        "ingestion_rate_mib": settings.ingestion_rate_mib,
    }


def _values(args: LokiArgs) -> LokiValues:
    settings = args.settings
    return LokiValues(
        bucket=args.bucket,
        region=args.region,
        cluster=args.shared.cluster,
        environment=args.shared.environment,
        **bounded(settings, services=args.service_count, nodes=args.nodes),
        s3_endpoint=args.s3_endpoint,
        s3_path_style=args.s3_endpoint is not None,
        peers=f"{PEERS}.{args.shared.namespace}",
        caches=addresses(args.shared.namespace),
        auth_enabled=bool(settings.tenants),
        max_entries_per_query=settings.max_entries_per_query,
        results_cache_mib=settings.results_cache_mib,
        alertmanager_url=args.alertmanager.url,
        prometheus_write_url=f"{args.prometheus.url}/api/v1/write",
    )


def _init_containers(args: LokiArgs) -> tuple[Container, ...]:
    """AWS's own S3 is always there; another one may still be starting."""
    if args.s3_endpoint is None:
        return ()
    parts = urlsplit(args.s3_endpoint)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return (wait_for("object-store", args.busybox_image, parts.hostname or "", str(port)),)


def _container(args: LokiArgs) -> Container:
    resources = args.settings.resources
    tenant = args.settings.own_tenant(args.shared.environment) or SINGLE_TENANT
    keys = {name: SecretKey(secret=S3_SECRET, key=key) for name, key in _S3_ENVIRONMENT.items()}
    ports = {"http-metrics": PORT, "grpc": GRPC_PORT}
    if args.settings.replicas > 1:
        ports["memberlist"] = MEMBERLIST_PORT
    return Container(
        name=TOOL,
        image=args.image,
        args=("-config.file=/etc/loki/config/loki.yaml", "-target=all"),
        ports=ports,
        resources=resources,
        env={
            # The collector works harder near the limit, in place of being killed at it.
            "GOMEMLIMIT": f"{resources.memory_limit_mib * 9 // 10}MiB",
            # Keys come as environment: Loki's S3 client reads no key file, and they must not be in the ConfigMap.
            **(keys if args.s3_keys is not None else {}),
        },
        mounts=(
            Mount(name="config", path="/etc/loki/config", source=ConfigMapFiles(name="loki-config")),
            Mount(name="rules", path=f"/etc/loki/rules/{tenant}", source=ConfigMapFiles(name="loki-rules")),
            Mount(name="data", path="/loki", source=Data(), read_only=False),
            Mount(name="tmp", path="/tmp", source=EmptyDir(size_mib=64), read_only=False),  # noqa: S108 - in the pod
        ),
        # Reading back a long write-ahead log takes minutes.
        startup=Probe(path="/ready", port=PORT, period_seconds=5, failure_threshold=120),
        readiness=Probe(path="/ready", port=PORT),
        liveness=Probe(path="/loki/api/v1/status/buildinfo", port=PORT, failure_threshold=6),
    )
