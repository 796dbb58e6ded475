"""OpenSearch in the cluster: a StatefulSet with TLS everywhere, users, a volume for each node, one for snapshots."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi_kubernetes import core

from components.settings.base import Resources
from components.settings.span_store import SpanStoreSettings
from components.shared import PART_OF, Endpoint, SharedOutputs
from components.workload import Workload, WorkloadArgs
from components.workload.pod import (
    Claim,
    ConfigMapFiles,
    Container,
    Data,
    EmptyDir,
    Mount,
    PodField,
    Probe,
    SecretFiles,
    SecretKey,
)
from components.workload.spec import checksum, metadata
from rendering import documents

TOOL = "opensearch"
PORT = 9200
TRANSPORT_PORT = 9300
USER = 1000
# Says without a login whether the node has read users and rights. Until then it drops what it is told of new ones, and
# refuses them for good (the security plugin's ConfigurationRepository): no user may be made before every node is ready.
READY = "/_plugins/_security/health"
CONFIGS = Path(__file__).resolve().parents[1] / "configs" / "opensearch"

_HOME = "/usr/share/opensearch"
_CONFIG, _SECRET, _SNAPSHOTS = "opensearch-config", "opensearch-secrets", "opensearch-snapshots"


def url(namespace: str) -> str:
    """Where its clients reach it."""
    return Endpoint(name=TOOL, namespace=namespace, port=PORT, scheme="https").url


@dataclass(frozen=True, kw_only=True)
class OpenSearchArgs:
    shared: SharedOutputs
    settings: SpanStoreSettings
    image: str
    master_password: pulumi.Output[str]
    key: pulumi.Output[str]  # of settings.certificate


class OpenSearch(pulumi.ComponentResource):
    """`instance_count` nodes that each may lead; with three, one may be lost."""

    def __init__(self, name: str, args: OpenSearchArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("observability:index:OpenSearch", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        shared, settings = args.shared, args.settings
        labels = shared.labels(TOOL, "traces")
        files = {
            "opensearch.yml": configuration(settings.instance_count),
            "ca.pem": settings.ca or "",
            "node.pem": settings.certificate or "",
            "configure.sh": (CONFIGS / "configure.sh").read_text(encoding="utf-8"),
        }
        config = core.v1.ConfigMap(
            f"{name}-config", metadata=metadata(_CONFIG, shared.namespace, labels), data=files, opts=child
        )
        secret = core.v1.Secret(
            f"{name}-secrets",
            metadata=metadata(_SECRET, shared.namespace, labels),
            string_data={"node-key.pem": args.key, "master-password": args.master_password},
            opts=child,
        )
        snapshots = _snapshots(name, args, child)
        Workload(
            name,
            WorkloadArgs(
                shared=shared,
                tool=TOOL,
                component="traces",
                kind="StatefulSet",
                user=USER,
                init_containers=(_configure(args),),
                containers=(_node(args),),
                replicas=settings.instance_count,
                storage=settings.storage,
                service_ports={"https": PORT},
                peer_ports={"transport": TRANSPORT_PORT},
                config_checksum=checksum(files),
                termination_grace_seconds=120,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[config, secret, snapshots]),
        )
        self.register_outputs({"url": url(shared.namespace)})


def _snapshots(name: str, args: OpenSearchArgs, child: pulumi.ResourceOptions) -> core.v1.PersistentVolumeClaim:
    """The volume that every node writes its part of a snapshot to."""
    shared, wanted = args.shared, args.settings.snapshot_storage
    assert wanted is not None  # noqa: S101 - the settings have refused this
    guarded = pulumi.ResourceOptions(protect=shared.protect_data, retain_on_delete=shared.protect_data)
    return core.v1.PersistentVolumeClaim(
        f"{name}-snapshots",
        # may be bound only when its first pod is scheduled, so there is nothing to wait for yet
        metadata=metadata(_SNAPSHOTS, shared.namespace, shared.selector(TOOL), {"pulumi.com/skipAwait": "true"}),
        spec=core.v1.PersistentVolumeClaimSpecArgs(
            access_modes=["ReadWriteMany"],
            storage_class_name=wanted.storage_class,
            resources=core.v1.VolumeResourceRequirementsArgs(requests={"storage": f"{wanted.size_gib}Gi"}),
        ),
        opts=pulumi.ResourceOptions.merge(child, guarded),
    )


def configuration(count: int) -> str:
    """configs/opensearch/opensearch.yml with the nodes that there are."""
    discovery: dict[str, Any] = {"discovery.type": "single-node"}
    if count > 1:
        discovery = {
            "discovery.seed_hosts": [f"{TOOL}-peers"],
            "cluster.initial_cluster_manager_nodes": [f"{TOOL}-{index}" for index in range(count)],
        }
    return documents.dump({**documents.load(CONFIGS / "opensearch.yml"), "cluster.name": PART_OF, **discovery})


# The server wants one folder with everything in it, and writes a key store there at its first start.
_CONFIG_FOLDER = Mount(name="conf", path="/conf", source=EmptyDir(size_mib=16, in_memory=True), read_only=False)
_TMP = Mount(name="tmp", path="/tmp", source=EmptyDir(size_mib=256), read_only=False)  # noqa: S108 - in the pod


def _configure(args: OpenSearchArgs) -> Container:
    """Fills the folder: what the image ships, our file, certificates, and the administrator's hashed password."""
    return Container(
        name="configure",
        image=args.image,
        command=("sh", "/etc/opensearch/configure.sh"),
        env={
            "MASTER_USERNAME": args.settings.master_username or "",
            # The image's tool that hashes it reads an argument, which other processes see, or its environment.
            "MASTER_PASSWORD": SecretKey(secret=_SECRET, key="master-password"),
            "OPENSEARCH_JAVA_HOME": f"{_HOME}/jdk",
        },
        mounts=(
            Mount(name="config", path="/etc/opensearch", source=ConfigMapFiles(name=_CONFIG)),
            Mount(name="key", path="/etc/opensearch-key", source=SecretFiles(name=_SECRET, keys=("node-key.pem",))),
            _CONFIG_FOLDER,
            _TMP,
        ),
        resources=Resources(cpu_millicores=50, memory_mib=128, cpu_limit_millicores=1000, memory_limit_mib=512),
    )


def _node(args: OpenSearchArgs) -> Container:
    heap_mib = args.settings.resources.memory_mib // 2  # the other half is for the file system's cache
    return Container(
        name=TOOL,
        image=args.image,
        # Not the image's entry point, which would put demonstration certificates and passwords in place.
        command=(f"{_HOME}/bin/opensearch",),
        ports={"https": PORT, "transport": TRANSPORT_PORT},
        env={
            "NODE_NAME": PodField("metadata.name"),
            "OPENSEARCH_JAVA_OPTS": f"-Xms{heap_mib}m -Xmx{heap_mib}m",
            "OPENSEARCH_JAVA_HOME": f"{_HOME}/jdk",
            "OPENSEARCH_PATH_CONF": "/conf",
        },
        resources=args.settings.resources,
        mounts=(
            Mount(name="data", path=f"{_HOME}/data", source=Data(), read_only=False),
            Mount(name="logs", path=f"{_HOME}/logs", source=EmptyDir(size_mib=256), read_only=False),
            Mount(name="snapshots", path=f"{_HOME}/snapshots", source=Claim(name=_SNAPSHOTS), read_only=False),
            _CONFIG_FOLDER,
            _TMP,
        ),
        startup=Probe(port=PORT, failure_threshold=30),
        readiness=Probe(path=READY, port=PORT, tls=True),
        liveness=Probe(port=TRANSPORT_PORT),
    )
