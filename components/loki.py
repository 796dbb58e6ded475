"""Loki: the store of logs. Needs the bucket, and an Alertmanager and a Prometheus to tell what its rules find."""

from typing import Any

import pulumi
from pulumi_kubernetes import core

from components.loki_cache import LokiCache, LokiCacheArgs, addresses
from components.loki_gateway import LokiGateway, LokiGatewayArgs
from components.loki_microservices import accounts, apart, microservices, peers
from components.loki_process import (
    COMPONENT,
    CONFIGS,
    GRPC_PORT,
    PORT,
    S3_KEYS,
    S3_SECRET,
    TOOL,
    LokiArgs,
    ProcessArgs,
    process,
)
from components.settings.loki import LokiSettings
from components.shared import Endpoint
from components.tool_secret import tool_secret, versions
from components.workload import Workload
from components.workload.spec import checksum, metadata
from rendering import documents
from rendering.loki import MEMBERLIST_PORT, SINGLE_TENANT, LokiValues, render_loki

__all__ = ["S3_KEYS", "S3_SECRET", "TOOL", "Loki", "LokiArgs", "bounded", "chunk_prefixes", "endpoint"]


def endpoint(namespace: str) -> Endpoint:
    """Where Loki answers: pushes, queries, rules."""
    return Endpoint(name=TOOL, namespace=namespace, port=PORT)


def chunk_prefixes(settings: LokiSettings, environment: str) -> tuple[str, ...]:
    """Where chunks are in the bucket, by tenant. Everything else there (index, cluster state) must outlive them.

    What was written before there were tenants still goes.
    """
    own = settings.own_tenant(environment)
    return tuple(f"{tenant}/" for tenant in (SINGLE_TENANT, *([own] if own else []), *settings.tenants))


def service_accounts(settings: LokiSettings) -> tuple[str, ...]:
    """Whose pods read and write the bucket."""
    return accounts() if settings.layout == "microservices" else (TOOL,)


class Loki(pulumi.ComponentResource):
    """Whole processes, or microservices; the rules of their ruler. Several processes share memcached."""

    endpoint: Endpoint
    workload: Workload  # what answers there

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
        if args.settings.in_ring:
            LokiCache(
                f"{name}-cache",
                LokiCacheArgs(shared=args.shared, settings=args.settings, image=args.memcached_image),
                child,
            )
        # The rules are left out: the ruler reads them again by itself.
        config_checksum = pulumi.Output.concat(checksum(files), versions(keys))
        after = pulumi.ResourceOptions(parent=self, depends_on=[config, rules, *keys])
        layout = microservices if args.settings.layout == "microservices" else _monolithic
        self.workload = layout(args, config_checksum, after)
        if args.settings.reachable_from_outside:
            LokiGateway(
                f"{name}-gateway",
                LokiGatewayArgs(
                    shared=args.shared,
                    settings=args.settings,
                    image=args.nginx_image,
                    htpasswd=args.gateway_htpasswd,
                ),
                # nginx looks Loki's name up when it starts: that exists before a pod does.
                pulumi.ResourceOptions(parent=self, depends_on=self.workload.service),
            )
        self.endpoint = endpoint(args.shared.namespace)
        self.register_outputs({"url": self.endpoint.url})


def _monolithic(args: LokiArgs, config_checksum: pulumi.Input[str], opts: pulumi.ResourceOptions) -> Workload:
    settings = args.settings
    return process(
        args,
        ProcessArgs(
            tool=TOOL,
            target="all",
            replicas=settings.replicas,
            resources=settings.resources,
            storage=settings.storage,
            in_ring=settings.in_ring,
            service_ports={"http": PORT, "grpc": GRPC_PORT},
            peer_ports={"memberlist": MEMBERLIST_PORT} if settings.in_ring else {},
            config_checksum=config_checksum,
        ),
        opts,
    )


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
    settings, namespace = args.settings, args.shared.namespace
    of_layout: dict[str, Any] = {"peers": f"{TOOL}-peers.{namespace}"}
    if settings.layout == "microservices":
        ingesters, _ = settings.microservice("ingester", args.log_gb_per_day)
        of_layout = {"peers": peers(namespace), "replicas": ingesters, "apart": apart(namespace)}
    return LokiValues(
        bucket=args.bucket,
        region=args.region,
        cluster=args.shared.cluster,
        environment=args.shared.environment,
        **bounded(settings, services=args.service_count, nodes=args.nodes) | of_layout,
        s3_endpoint=args.s3_endpoint,
        s3_path_style=args.s3_endpoint is not None,
        caches=addresses(namespace),
        auth_enabled=bool(settings.tenants),
        max_entries_per_query=settings.max_entries_per_query,
        results_cache_mib=settings.results_cache_mib,
        alertmanager_url=args.alertmanager.url,
        prometheus_write_url=f"{args.prometheus.url}/api/v1/write",
    )
