"""Promtail: reads the logs of every node and pushes them to Loki. Its successor is in alloy.py."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi_kubernetes import core, meta, rbac

from components.settings.loki import LokiSettings
from components.settings.tools import LogsSettings
from components.shared import Endpoint, SharedOutputs
from components.workload import Workload, WorkloadArgs
from components.workload.pod import ConfigMapFiles, Container, EmptyDir, HostPath, Mount, PodField, Probe
from components.workload.spec import checksum, metadata
from rendering import documents
from rendering.declarations import Service
from rendering.promtail import PromtailValues, folder_of, render_promtail

TOOL = "promtail"
COMPONENT = "logs"
PORT = 3101
CONFIGS = Path(__file__).resolve().parents[1] / "configs" / "promtail"

LOGS = "/var/log"
JOURNAL = f"{LOGS}/journal"
POSITIONS = "/var/lib/promtail"

# Long enough to send what is in memory.
STOP_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class PromtailArgs:
    shared: SharedOutputs
    settings: LogsSettings
    image: str
    services: tuple[Service, ...]  # declared; their pods' lines carry the team
    loki: Endpoint
    limits: LokiSettings  # what Loki takes of a stream, for the agents send no more of a service; and its tenants
    # Destroy ends the agents before these: they hand over what they have read, and wait a minute for a Loki that left.
    outlived_by: tuple[pulumi.Resource, ...] = ()


class Promtail(pulumi.ComponentResource):
    """A pod on every node, control plane included, with leave to see which pods run there."""

    def __init__(self, name: str, args: PromtailArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("observability:index:Promtail", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        labels = args.shared.labels(TOOL, COMPONENT)

        files = {"promtail.yaml": render_promtail(documents.load(CONFIGS / "promtail.yaml"), values(args))}
        config = core.v1.ConfigMap(
            f"{name}-config",
            metadata=metadata("promtail-config", args.shared.agents_namespace, labels),
            data=files,
            opts=child,
        )
        leave = leave_to_see_pods(name, TOOL, args.shared, child)
        Workload(
            name,
            WorkloadArgs(
                shared=args.shared,
                tool=TOOL,
                component=COMPONENT,
                kind="DaemonSet",
                user=0,  # the logs of containers and of the system belong to root
                agent=True,
                api_access=True,
                containers=(_container(args),),
                config_checksum=checksum(files),
                termination_grace_seconds=STOP_SECONDS,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[config, *leave, *args.outlived_by]),
        )
        self.register_outputs({})


def bounded(settings: LogsSettings, limits: LokiSettings) -> dict[str, Any]:
    """The values, by name, that have to fit each other. limits: what Loki takes in."""
    return {
        "lines_per_second": settings.lines_per_second,
        "burst_lines": settings.burst_lines,
        "stream_rate_mib": limits.per_stream_rate_mib,
        "stream_burst_mib": limits.per_stream_burst_mib,
        "extra_node_files": settings.extra_node_files,
    }


def values(args: PromtailArgs) -> PromtailValues:
    settings = args.settings
    return PromtailValues(
        cluster=args.shared.cluster,
        environment=args.shared.environment,
        services=args.services,
        loki_url=args.loki.url,
        **bounded(settings, args.limits),
        drop_debug=settings.drop_debug,
        mask_emails=settings.mask_emails,
        tenant_id=args.limits.own_tenant(args.shared.environment),
    )


def node_file_mounts(settings: LogsSettings) -> tuple[Mount, ...]:
    """The folders that logs are read from, each where it is on the node."""
    others = {folder_of(path) for path in settings.extra_node_files}
    # Promtail does not start where there is no journal to open; a node that has none gets an empty folder.
    folders = [LOGS, JOURNAL, *sorted(one for one in others if one != LOGS and not one.startswith(f"{LOGS}/"))]
    return tuple(
        Mount(
            name="logs" if folder == LOGS else f"logs-{number}",
            path=folder,
            source=HostPath(path=folder, type="Directory" if folder == LOGS else "DirectoryOrCreate"),
        )
        for number, folder in enumerate(folders)
    )


def positions(shared: SharedOutputs) -> HostPath:
    """The node's folder with the record of what Promtail has read; two stacks in one cluster must not share it."""
    return HostPath(path=f"/var/lib/{shared.cluster_scoped(TOOL)}", type="DirectoryOrCreate")


def leave_to_see_pods(
    name: str, tool: str, shared: SharedOutputs, opts: pulumi.ResourceOptions
) -> list[pulumi.Resource]:
    """Pods may be read by `tool`, nothing else: their labels name the service of a log."""
    labels = shared.labels(tool, COMPONENT)
    cluster_name = shared.cluster_scoped(tool)
    role = rbac.v1.ClusterRole(
        f"{name}-role",
        metadata=meta.v1.ObjectMetaArgs(name=cluster_name, labels=dict(labels)),
        rules=[rbac.v1.PolicyRuleArgs(api_groups=[""], resources=["pods"], verbs=["get", "list", "watch"])],
        opts=opts,
    )
    binding = rbac.v1.ClusterRoleBinding(
        f"{name}-binding",
        metadata=meta.v1.ObjectMetaArgs(name=cluster_name, labels=dict(labels)),
        role_ref=rbac.v1.RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="ClusterRole", name=cluster_name),
        subjects=[rbac.v1.SubjectArgs(kind="ServiceAccount", name=tool, namespace=shared.agents_namespace)],
        opts=opts,
    )
    return [role, binding]


def _container(args: PromtailArgs) -> Container:
    resources = args.settings.resources
    return Container(
        name=TOOL,
        image=args.image,
        args=(
            "-config.file=/etc/promtail/promtail.yaml",
            "-client.external-labels=node=$(HOSTNAME)",
        ),
        ports={"http-metrics": PORT},
        resources=resources,
        # Some of the files under /var/log are not root's (syslog:adm 0640).
        capabilities=("DAC_READ_SEARCH",),
        env={
            # Promtail takes the targets whose __host__ is this.
            "HOSTNAME": PodField("spec.nodeName"),
            "GOMEMLIMIT": f"{resources.memory_limit_mib * 9 // 10}MiB",
        },
        mounts=(
            Mount(name="config", path="/etc/promtail", source=ConfigMapFiles(name="promtail-config")),
            *node_file_mounts(args.settings),
            Mount(name="positions", path=POSITIONS, source=positions(args.shared), read_only=False),
            Mount(name="tmp", path="/tmp", source=EmptyDir(size_mib=16), read_only=False),  # noqa: S108 - in the pod
        ),
        readiness=Probe(path="/ready", port=PORT, period_seconds=2),
        liveness=Probe(path="/metrics", port=PORT, failure_threshold=6),
    )
