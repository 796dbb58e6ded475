"""Loki as microservices: each is a workload of its own, and an nginx in front knows which of them answers what."""

import pulumi
from pulumi_kubernetes import core

from components.loki_gateway import USER as NGINX_USER
from components.loki_gateway import nginx
from components.loki_process import COMPONENT, CONFIGS, GRPC_PORT, PORT, TOOL, LokiArgs, ProcessArgs, process
from components.workload import Workload, WorkloadArgs
from components.workload.spec import checksum, metadata
from rendering.loki import MEMBERLIST_PORT, Apart
from rendering.loki_size import NAMES, Microservice

ROUTERS = 2
ROUTER_CONFIG = CONFIGS / "router.conf"
FOLDER = "/etc/nginx/router"
# Lines not yet in S3; which chunks are to be deleted, and when; what the rules recorded and Prometheus has not yet
# taken; an index that is slow to fetch again.
KEEP: frozenset[Microservice] = frozenset({"ingester", "compactor", "ruler", "index-gateway"})


def tool(name: Microservice) -> str:
    return f"{TOOL}-{name}"


def accounts() -> tuple[str, ...]:
    """The ServiceAccounts of all of them."""
    return tuple(tool(name) for name in NAMES)


def peers(namespace: str) -> str:
    """A name for all ingesters, where every other process finds the ring."""
    return f"{tool('ingester')}-peers.{namespace}"


def apart(namespace: str) -> Apart:
    """Where those are that others ask."""

    def replicas_of(name: Microservice) -> str:
        return f"{tool(name)}-peers.{namespace}:{GRPC_PORT}"

    return Apart(
        querier=f"{tool('querier')}.{namespace}:{PORT}",
        query_scheduler=replicas_of("query-scheduler"),
        index_gateway=replicas_of("index-gateway"),
        compactor=replicas_of("compactor"),
    )


def microservices(args: LokiArgs, config_checksum: pulumi.Input[str], opts: pulumi.ResourceOptions) -> Workload:
    """All of them; returned is what answers under Loki's own name."""
    parts = [_part(name, args, config_checksum, opts) for name in NAMES]
    return _router(args, parts, opts)


def _part(
    name: Microservice, args: LokiArgs, config_checksum: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> Workload:
    replicas, resources = args.settings.microservice(name, args.log_gb_per_day)
    return process(
        args,
        ProcessArgs(
            tool=tool(name),
            target=name,
            replicas=replicas,
            resources=resources,
            storage=args.settings.storage if name in KEEP else None,
            in_ring=True,
            service_ports={"http": PORT},
            peer_ports={"grpc": GRPC_PORT, "memberlist": MEMBERLIST_PORT},
            config_checksum=config_checksum,
        ),
        opts,
    )


def _router(args: LokiArgs, parts: list[Workload], opts: pulumi.ResourceOptions) -> Workload:
    files = {"nginx.conf": ROUTER_CONFIG.read_text(encoding="utf-8")}
    config = core.v1.ConfigMap(
        f"{TOOL}-router-config",
        metadata=metadata(f"{TOOL}-router-config", args.shared.namespace, args.shared.labels(TOOL, COMPONENT)),
        data=files,
        opts=pulumi.ResourceOptions(parent=opts.parent),
    )
    return Workload(
        TOOL,
        WorkloadArgs(
            shared=args.shared,
            tool=TOOL,
            component=COMPONENT,
            kind="Deployment",
            user=NGINX_USER,
            replicas=ROUTERS,
            containers=(nginx(args.nginx_image, FOLDER, f"{TOOL}-router-config"),),
            service_ports={"http": PORT},
            config_checksum=checksum(files),
        ),
        # nginx looks their names up when it starts.
        pulumi.ResourceOptions(parent=opts.parent, depends_on=[config, *parts]),
    )
