"""Grafana Alloy as the collector of logs: Promtail's successor, on Promtail's own configuration."""

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes import core

from components.promtail import (
    COMPONENT,
    CONFIGS,
    POSITIONS,
    STOP_SECONDS,
    PromtailArgs,
    leave_to_see_pods,
    node_file_mounts,
    positions,
    values,
)
from components.settings.base import Resources
from components.workload import Workload, WorkloadArgs
from components.workload.pod import ConfigMapFiles, Container, EmptyDir, HostPath, Mount, PodField, Probe
from components.workload.spec import checksum, metadata
from rendering import documents
from rendering.promtail import NODE_PLACEHOLDER, render_alloy

TOOL = "alloy"
PORT = 12345


@dataclass(frozen=True, kw_only=True)
class AlloyArgs:
    collector: PromtailArgs  # what Promtail would get; `image` is Alloy's
    busybox_image: str


class Alloy(pulumi.ComponentResource):
    """A pod on every node, with leave to see which pods run there."""

    def __init__(self, name: str, args: AlloyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("observability:index:Alloy", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        shared = args.collector.shared
        labels = shared.labels(TOOL, COMPONENT)

        files = {"promtail.yaml": render_alloy(documents.load(CONFIGS / "promtail.yaml"), values(args.collector))}
        config = core.v1.ConfigMap(
            f"{name}-config",
            metadata=metadata("alloy-config", shared.agents_namespace, labels),
            data=files,
            opts=child,
        )
        leave = leave_to_see_pods(name, TOOL, shared, child)
        Workload(
            name,
            WorkloadArgs(
                shared=shared,
                tool=TOOL,
                component=COMPONENT,
                kind="DaemonSet",
                user=0,  # the logs of containers and of the system belong to root
                agent=True,
                api_access=True,
                init_containers=(_name_the_node(args),),
                containers=(_container(args),),
                config_checksum=checksum(files),
                termination_grace_seconds=STOP_SECONDS,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[config, *leave, *args.collector.outlived_by]),
        )
        self.register_outputs({})


_CONFIG = Mount(name="config", path="/etc/alloy/config", source=EmptyDir(size_mib=4), read_only=False)


def _name_the_node(args: AlloyArgs) -> Container:
    """Promtail's format knows no environment; so the node's name is put in before Alloy reads it."""
    return Container(
        name="name-the-node",
        image=args.busybox_image,
        command=(
            "sh",
            "-c",
            f'sed "s/{NODE_PLACEHOLDER}/$NODE/" /template/promtail.yaml > {_CONFIG.path}/promtail.yaml',
        ),
        env={"NODE": PodField("spec.nodeName")},
        mounts=(Mount(name="template", path="/template", source=ConfigMapFiles(name="alloy-config")), _CONFIG),
        resources=Resources(cpu_millicores=5, memory_mib=8, cpu_limit_millicores=50, memory_limit_mib=32),
    )


def _container(args: AlloyArgs) -> Container:
    resources = args.collector.settings.resources
    shared = args.collector.shared
    storage = HostPath(path=f"/var/lib/{shared.cluster_scoped(TOOL)}", type="DirectoryOrCreate")
    return Container(
        name=TOOL,
        image=args.collector.image,
        args=(
            "run",
            "--config.format=promtail",
            f"--server.http.listen-addr=0.0.0.0:{PORT}",
            "--storage.path=/var/lib/alloy",
            "--disable-reporting",
            f"{_CONFIG.path}/promtail.yaml",
        ),
        ports={"http-metrics": PORT},
        resources=resources,
        # Some of the files under /var/log are not root's (syslog:adm 0640).
        capabilities=("DAC_READ_SEARCH",),
        env={"GOMEMLIMIT": f"{resources.memory_limit_mib * 9 // 10}MiB"},
        mounts=(
            _CONFIG,
            *node_file_mounts(args.collector.settings),
            Mount(name="storage", path="/var/lib/alloy", source=storage, read_only=False),
            # On its first start it goes on where Promtail stopped.
            Mount(name="promtails-positions", path=POSITIONS, source=positions(shared)),
            Mount(name="tmp", path="/tmp", source=EmptyDir(size_mib=16), read_only=False),  # noqa: S108 - in the pod
        ),
        readiness=Probe(path="/-/ready", port=PORT, period_seconds=2),
        # /-/healthy fails while any part does, the API server's absence included, and no restart mends that.
        liveness=Probe(path="/metrics", port=PORT, failure_threshold=6),
    )
