"""One process of Loki, whole or one of its microservices: what its pods are made of is the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pulumi

from components.settings.base import Exposure, Resources, Storage
from components.settings.loki import LokiSettings
from components.shared import Endpoint, SharedOutputs
from components.workload import Workload, WorkloadArgs
from components.workload.pod import ConfigMapFiles, Container, Data, EmptyDir, Mount, Probe, SecretKey, wait_for
from rendering.loki import MEMBERLIST_PORT, SINGLE_TENANT

TOOL = "loki"
COMPONENT = "logs"
PORT = 3100
GRPC_PORT = 9095
USER = 10001  # of the image
CONFIGS = Path(__file__).resolve().parents[1] / "configs" / "loki"

# What is in memory is flushed to S3 at a stop; killed before that, it is read back from the write-ahead log.
FLUSH_SECONDS = 300
# What a process without a volume writes: next to nothing.
SCRATCH_MIB = 1024

S3_SECRET = "loki-s3-keys"
_S3_ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "s3_access_key_id", "AWS_SECRET_ACCESS_KEY": "s3_secret_access_key"}
S3_KEYS = tuple(_S3_ENVIRONMENT.values())


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
    log_gb_per_day: float  # that are expected; how many microservices follows from it
    alertmanager: Endpoint
    prometheus: Endpoint
    rules: Mapping[str, str]  # rule files by name
    s3_endpoint: str | None = None  # URL of an S3 API that is not AWS's
    # How Loki proves itself to S3: a role by its ServiceAccount, else keys (s3_access_key_id, s3_secret_access_key).
    role_arn: pulumi.Input[str] | None = None
    s3_keys: Mapping[str, pulumi.Output[str]] | None = None
    gateway_htpasswd: pulumi.Output[str] | None = None  # needed where settings say that outside reaches it


@dataclass(frozen=True, kw_only=True)
class ProcessArgs:
    """What differs between Loki's processes."""

    tool: str  # name of the workload
    target: str  # Loki's own word for what the process does
    replicas: int
    resources: Resources
    storage: Storage | None  # what it writes outlives the pod; scratch space where None
    in_ring: bool  # finds the others, and is found by them
    service_ports: Mapping[str, int]
    peer_ports: Mapping[str, int]
    config_checksum: pulumi.Input[str]


def arguments(target: str, config: str) -> tuple[str, ...]:
    """Loki's own. Retention is the compactor's: any other would ask it, without end, which lines are to be deleted."""
    retention = () if target in ("all", "compactor") else ("-compactor.retention-enabled=false",)
    return (f"-config.file={config}", f"-target={target}", *retention)


def process(args: LokiArgs, chosen: ProcessArgs, opts: pulumi.ResourceOptions) -> Workload:
    """The workload. People outside meet the gateway, so it is never published itself."""
    ports = {"http-metrics": PORT, "grpc": GRPC_PORT, **({"memberlist": MEMBERLIST_PORT} if chosen.in_ring else {})}
    source = EmptyDir(size_mib=SCRATCH_MIB) if chosen.storage is None else Data()
    data = Mount(name="data", path="/loki", source=source, read_only=False)
    return Workload(
        chosen.tool,
        WorkloadArgs(
            shared=args.shared,
            tool=chosen.tool,
            component=COMPONENT,
            kind="Deployment" if chosen.storage is None else "StatefulSet",
            user=USER,
            init_containers=_init_containers(args),
            containers=(_container(args, chosen.target, chosen.resources, ports, data),),
            storage=chosen.storage,
            replicas=chosen.replicas,
            service_ports=chosen.service_ports,
            peer_ports=chosen.peer_ports,
            exposure=Exposure(),
            service_account_annotations={"eks.amazonaws.com/role-arn": args.role_arn} if args.role_arn else {},
            config_checksum=chosen.config_checksum,
            termination_grace_seconds=FLUSH_SECONDS,
        ),
        opts,
    )


def _init_containers(args: LokiArgs) -> tuple[Container, ...]:
    """AWS's own S3 is always there; another one may still be starting."""
    if args.s3_endpoint is None:
        return ()
    parts = urlsplit(args.s3_endpoint)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return (wait_for("object-store", args.busybox_image, parts.hostname or "", str(port)),)


def _container(args: LokiArgs, target: str, resources: Resources, ports: Mapping[str, int], data: Mount) -> Container:
    tenant = args.settings.own_tenant(args.shared.environment) or SINGLE_TENANT
    keys = {name: SecretKey(secret=S3_SECRET, key=key) for name, key in _S3_ENVIRONMENT.items()}
    return Container(
        name=TOOL,
        image=args.image,
        args=arguments(target, "/etc/loki/config/loki.yaml"),
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
            data,
            Mount(name="tmp", path="/tmp", source=EmptyDir(size_mib=64), read_only=False),  # noqa: S108 - in the pod
        ),
        # Reading back a long write-ahead log takes minutes.
        startup=Probe(path="/ready", port=PORT, period_seconds=1, failure_threshold=600),
        readiness=Probe(path="/ready", port=PORT),
        liveness=Probe(path="/loki/api/v1/status/buildinfo", port=PORT, failure_threshold=6),
    )
