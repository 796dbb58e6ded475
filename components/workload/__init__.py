"""The one place for what every workload needs: security context, probes, spread, budget, service account, volumes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pulumi
from pulumi_kubernetes import apps, core, meta, policy

from components.settings.base import Exposure, Storage
from components.shared import SharedOutputs
from components.workload import exposure as outside
from components.workload.pod import Container
from components.workload.spec import DATA_VOLUME, claim_name, container_args, metadata, volumes
from rendering.jobs import WATCHES

Kind = Literal["Deployment", "StatefulSet", "DaemonSet"]


@dataclass(frozen=True, kw_only=True)
class WorkloadArgs:
    """One tool's pods and the Service in front of them."""

    shared: SharedOutputs
    tool: str  # name of the workload, its Service and its pods' label `app`
    component: str  # the part it plays: metrics, logs, traces, alerts, ui
    kind: Kind
    containers: tuple[Container, ...]
    init_containers: tuple[Container, ...] = ()
    replicas: int = 1
    user: int  # numeric, since `restricted` cannot check a name
    storage: Storage | None = None  # a volume per replica; StatefulSet only
    service_ports: Mapping[str, int] = field(default_factory=dict)  # first: the one that people open
    exposure: Exposure = field(default_factory=Exposure)
    peer_ports: Mapping[str, int] = field(default_factory=dict)  # gives each replica a name of its own, for its peers
    service_account_annotations: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    api_access: bool = False  # mounts the ServiceAccount's token
    watches: str | None = None  # host:port of what an exporter watches, which its series name as `instance`
    config_checksum: pulumi.Input[str] | None = None  # rolls the pods when the config of a tool without reload changes
    termination_grace_seconds: int = 30
    agent: bool = False  # runs on every node, in the agents' namespace, as root
    host_network: bool = False
    host_pid: bool = False

    def __post_init__(self) -> None:
        if self.storage is not None and self.kind != "StatefulSet":
            raise ValueError(
                f"{self.tool} is a {self.kind} with storage; only a StatefulSet gives each replica its own"
            )
        if self.agent != (self.kind == "DaemonSet"):
            raise ValueError(f"{self.tool} is a {self.kind} and agent is {self.agent}; agents are DaemonSets")

    @property
    def namespace(self) -> str:
        return self.shared.agents_namespace if self.agent else self.shared.namespace

    @property
    def peers(self) -> str:
        """The headless Service behind `<tool>-<ordinal>.<peers>`."""
        return f"{self.tool}-peers"

    @property
    def labels(self) -> Mapping[str, str]:
        return self.shared.labels(self.tool, self.component)


class Workload(pulumi.ComponentResource):
    """ServiceAccount, volumes, the controller, its Service and disruption budget.

    What it depends on is what its pods need: the controller waits for that, and nothing else does.
    """

    service_account: core.v1.ServiceAccount
    controller: apps.v1.Deployment | apps.v1.StatefulSet | apps.v1.DaemonSet
    service: core.v1.Service | None  # None where it serves nothing

    def __init__(self, name: str, args: WorkloadArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        own = pulumi.ResourceOptions.merge(opts, None)  # a copy
        needed, own.depends_on = own.depends_on, None
        super().__init__("observability:index:Workload", name, None, own)
        child = pulumi.ResourceOptions(parent=self)

        self.service_account = core.v1.ServiceAccount(
            f"{name}-account",
            metadata=metadata(args.tool, args.namespace, args.labels, dict(args.service_account_annotations)),
            automount_service_account_token=False,
            image_pull_secrets=[core.v1.LocalObjectReferenceArgs(name=secret) for secret in args.shared.pull_secrets]
            or None,
            opts=child,
        )
        claims = _claims(name, args, child) if args.storage else []
        self.service = None
        if args.service_ports:
            self.service = outside.service(
                args.tool,
                child,
                namespace=args.namespace,
                labels=args.labels,
                selector=args.shared.selector(args.tool),
                ports=args.service_ports,
                exposure=args.exposure,
            )
        if args.peer_ports:
            outside.peers(
                args.peers,
                child,
                namespace=args.namespace,
                labels=args.labels,
                selector=args.shared.selector(args.tool),
                ports=args.peer_ports,
            )
        if args.exposure.type == "Ingress":
            outside.ingress(
                args.tool,
                child,
                namespace=args.namespace,
                labels=args.labels,
                port=next(iter(args.service_ports.values())),
                exposure=args.exposure,
            )
        if args.replicas > 1:
            _disruption_budget(name, args, child)
        # The Service needs nothing of the pods, nor they of it.
        after = pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[self.service_account, *claims]))
        after = pulumi.ResourceOptions.merge(after, pulumi.ResourceOptions(depends_on=needed))
        self.controller = _CONTROLLERS[args.kind](name, args, after)
        self.register_outputs({"name": args.tool, "namespace": args.namespace})


def _deployment(name: str, args: WorkloadArgs, opts: pulumi.ResourceOptions) -> apps.v1.Deployment:
    return apps.v1.Deployment(
        name,
        metadata=metadata(args.tool, args.namespace, args.labels),
        spec=apps.v1.DeploymentSpecArgs(
            replicas=args.replicas, selector=_selector(args), template=_template(args), revision_history_limit=3
        ),
        opts=opts,
    )


def _stateful_set(name: str, args: WorkloadArgs, opts: pulumi.ResourceOptions) -> apps.v1.StatefulSet:
    return apps.v1.StatefulSet(
        name,
        metadata=metadata(args.tool, args.namespace, args.labels),
        spec=apps.v1.StatefulSetSpecArgs(
            replicas=args.replicas,
            service_name=args.peers if args.peer_ports else args.tool,
            pod_management_policy="Parallel",
            selector=_selector(args),
            template=_template(args),
            revision_history_limit=3,
            volume_claim_templates=[_claim_template(args)] if args.storage else None,
        ),
        # The claims are resources of their own (see _claims); a StatefulSet's template can never be changed.
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=["spec.volumeClaimTemplates"])),
    )


def _daemon_set(name: str, args: WorkloadArgs, opts: pulumi.ResourceOptions) -> apps.v1.DaemonSet:
    return apps.v1.DaemonSet(
        name,
        metadata=metadata(args.tool, args.namespace, args.labels),
        spec=apps.v1.DaemonSetSpecArgs(selector=_selector(args), template=_template(args), revision_history_limit=3),
        opts=opts,
    )


Controller = apps.v1.Deployment | apps.v1.StatefulSet | apps.v1.DaemonSet
_CONTROLLERS: Mapping[Kind, Callable[[str, WorkloadArgs, pulumi.ResourceOptions], Controller]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
}


def _selector(args: WorkloadArgs) -> meta.v1.LabelSelectorArgs:
    return meta.v1.LabelSelectorArgs(match_labels=dict(args.shared.selector(args.tool)))


def _template(args: WorkloadArgs) -> core.v1.PodTemplateSpecArgs:
    given = {"observability-stack/config": args.config_checksum, WATCHES: args.watches}
    annotations = {key: value for key, value in given.items() if value is not None}
    return core.v1.PodTemplateSpecArgs(
        metadata=meta.v1.ObjectMetaArgs(labels=dict(args.labels), annotations=annotations or None),
        spec=core.v1.PodSpecArgs(
            service_account_name=args.tool,
            automount_service_account_token=args.api_access,
            enable_service_links=False,
            host_network=args.host_network or None,
            host_pid=args.host_pid or None,
            init_containers=[container_args(one) for one in args.init_containers] or None,
            containers=[container_args(one) for one in args.containers],
            volumes=volumes((*args.init_containers, *args.containers)) or None,
            security_context=_pod_security(args),
            tolerations=[core.v1.TolerationArgs(operator="Exists")] if args.agent else None,
            # A full node makes room for its agents, and one under pressure keeps them: then its logs are wanted most.
            priority_class_name="system-node-critical" if args.agent else None,
            topology_spread_constraints=_spread(args),
            termination_grace_period_seconds=args.termination_grace_seconds,
        ),
    )


def _pod_security(args: WorkloadArgs) -> core.v1.PodSecurityContextArgs:
    seccomp = core.v1.SeccompProfileArgs(type="RuntimeDefault")
    if args.agent and args.user == 0:
        return core.v1.PodSecurityContextArgs(run_as_user=0, run_as_group=0, seccomp_profile=seccomp)
    return core.v1.PodSecurityContextArgs(
        run_as_non_root=True,
        run_as_user=args.user,
        run_as_group=args.user,
        fs_group=args.user,
        fs_group_change_policy="OnRootMismatch",
        seccomp_profile=seccomp,
    )


def _spread(args: WorkloadArgs) -> Sequence[core.v1.TopologySpreadConstraintArgs] | None:
    if args.replicas == 1:
        return None
    return [
        core.v1.TopologySpreadConstraintArgs(
            max_skew=1,
            topology_key=key,
            when_unsatisfiable="ScheduleAnyway",
            label_selector=_selector(args),
        )
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]


def _disruption_budget(name: str, args: WorkloadArgs, opts: pulumi.ResourceOptions) -> None:
    policy.v1.PodDisruptionBudget(
        f"{name}-budget",
        metadata=metadata(args.tool, args.namespace, args.labels),
        spec=policy.v1.PodDisruptionBudgetSpecArgs(max_unavailable=1, selector=_selector(args)),
        opts=opts,
    )


def _claims(name: str, args: WorkloadArgs, opts: pulumi.ResourceOptions) -> Sequence[core.v1.PersistentVolumeClaim]:
    """A claim per replica, under the name that the StatefulSet will look for.

    Made by us and not from the StatefulSet's template, which can never be changed: so a volume grows in place.
    """
    guarded = pulumi.ResourceOptions.merge(
        opts,
        pulumi.ResourceOptions(protect=args.shared.protect_data, retain_on_delete=args.shared.protect_data),
    )
    return [
        core.v1.PersistentVolumeClaim(
            f"{name}-data-{replica}",
            # bound only when its pod is scheduled, so there is nothing to wait for yet
            metadata=metadata(
                claim_name(args.tool, replica),
                args.namespace,
                args.shared.selector(args.tool),
                {"pulumi.com/skipAwait": "true"},
            ),
            spec=_claim_spec(args),
            opts=guarded,
        )
        for replica in range(args.replicas)
    ]


def _claim_template(args: WorkloadArgs) -> core.v1.PersistentVolumeClaimArgs:
    return core.v1.PersistentVolumeClaimArgs(
        metadata=meta.v1.ObjectMetaArgs(name=DATA_VOLUME, labels=dict(args.shared.selector(args.tool))),
        spec=_claim_spec(args),
    )


def _claim_spec(args: WorkloadArgs) -> Any:
    assert args.storage is not None  # noqa: S101 - for the type checker; callers have looked
    return core.v1.PersistentVolumeClaimSpecArgs(
        access_modes=["ReadWriteOnce"],
        storage_class_name=args.storage.storage_class,
        resources=core.v1.VolumeResourceRequirementsArgs(requests={"storage": f"{args.storage.size_gib}Gi"}),
    )
