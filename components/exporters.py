"""What turns the state of other systems into metrics: Kubernetes, nodes, PostgreSQL, Redis, the span store, URLs."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import pulumi
from pulumi_kubernetes import core, rbac

from components.settings.base import Resources
from components.settings.tools import ExportersSettings, PostgresqlSettings, RedisSettings, server
from components.shared import SharedOutputs
from components.span_store import LOGIN_SECRET, SpanStore, mounts
from components.tool_secret import tool_secret, versions
from components.workload import Workload, WorkloadArgs
from components.workload.pod import (
    ConfigMapFiles,
    Container,
    HostPath,
    Mount,
    PodField,
    Probe,
    SecretFiles,
    SecretKey,
)
from components.workload.spec import checksum, metadata
from rendering.jaeger import CA_FILE

_NOBODY = 65534
_SMALL = Resources(cpu_millicores=10, memory_mib=32, cpu_limit_millicores=200, memory_limit_mib=128)
POSTGRES_COLLECTORS = ("--collector.long_running_transactions", "--collector.stat_statements")  # beside the usual ones
_KUBE_STATE_METRICS = Resources(cpu_millicores=10, memory_mib=64, cpu_limit_millicores=200, memory_limit_mib=256)

# What kube-state-metrics reads, by API group: the same list is its --resources and its ClusterRole.
_KUBERNETES_KINDS = {
    "": (
        "namespaces",
        "nodes",
        "persistentvolumeclaims",
        "persistentvolumes",
        "pods",
        "resourcequotas",
        "services",
    ),
    "apps": ("daemonsets", "deployments", "replicasets", "statefulsets"),
    "autoscaling": ("horizontalpodautoscalers",),
    "batch": ("cronjobs", "jobs"),
    "policy": ("poddisruptionbudgets",),
}


def requests(settings: ExportersSettings) -> tuple[tuple[Resources, ...], tuple[Resources, ...]]:
    """What the exporters ask for: those of each node, those of the cluster."""
    servers = len(settings.postgresql.addresses) if settings.postgresql is not None else 0
    stores = servers + (settings.redis is not None)
    return (_SMALL,), (_KUBE_STATE_METRICS, _SMALL, _SMALL, *[_SMALL] * stores)


@dataclass(frozen=True, kw_only=True)
class ExportersArgs:
    shared: SharedOutputs
    settings: ExportersSettings
    images: "ExporterImages"
    blackbox_config: str
    postgresql_password: pulumi.Output[str] | None
    redis_password: pulumi.Output[str] | None
    span_store: SpanStore


@dataclass(frozen=True, kw_only=True)
class ExporterImages:
    kube_state_metrics: str
    node_exporter: str
    postgres_exporter: str
    redis_exporter: str
    elasticsearch_exporter: str
    blackbox_exporter: str

    @classmethod
    def of(cls, reference: Callable[[str], str]) -> "ExporterImages":
        """All of them, by their keys in configs/versions.yaml."""
        return cls(**{field.name: reference(field.name) for field in fields(cls)})


class Exporters(pulumi.ComponentResource):
    """One small workload per exporter. Prometheus finds them by label."""

    def __init__(self, name: str, args: ExportersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("observability:index:Exporters", name, None, opts)
        self._kube_state_metrics(args)
        self._node_exporter(args)
        self._blackbox_exporter(args)
        self._elasticsearch_exporter(args)
        if args.settings.postgresql is not None:
            self._postgres_exporter(args, args.settings.postgresql)
        if args.settings.redis is not None:
            self._redis_exporter(args, args.settings.redis)
        self.register_outputs({})

    def _kube_state_metrics(self, args: ExportersArgs) -> None:
        tool, shared = "kube-state-metrics", args.shared
        role_name, labels = shared.cluster_scoped(tool), shared.labels(tool, "metrics")
        child = pulumi.ResourceOptions(parent=self)
        role = rbac.v1.ClusterRole(
            f"{tool}-role",
            metadata=metadata(role_name, None, labels),
            rules=[
                rbac.v1.PolicyRuleArgs(api_groups=[group], resources=list(kinds), verbs=["list", "watch"])
                for group, kinds in _KUBERNETES_KINDS.items()
            ],
            opts=child,
        )
        binding = rbac.v1.ClusterRoleBinding(
            f"{tool}-role-binding",
            metadata=metadata(role_name, None, labels),
            role_ref=rbac.v1.RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="ClusterRole", name=role_name),
            subjects=[rbac.v1.SubjectArgs(kind="ServiceAccount", name=tool, namespace=shared.namespace)],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[role]),
        )
        kinds = ",".join(sorted(kind for group in _KUBERNETES_KINDS.values() for kind in group))
        container = Container(
            name=tool,
            image=args.images.kube_state_metrics,
            # without its label `app`, no resource alert could say which service a pod belongs to
            args=(f"--resources={kinds}", "--metric-labels-allowlist=pods=[app]"),
            ports={"http-metrics": 8080, "telemetry": 8081},
            resources=_KUBE_STATE_METRICS,
            readiness=Probe(path="/readyz", port=8081),
            liveness=Probe(path="/livez", port=8080),
        )
        self._run(args, tool, container, {"http": 8080}, after=[binding], api_access=True)

    def _node_exporter(self, args: ExportersArgs) -> None:
        tool, port = "node-exporter", 9100
        container = Container(
            name=tool,
            image=args.images.node_exporter,
            args=(
                "--path.rootfs=/host",
                "--path.procfs=/host/proc",
                "--path.sysfs=/host/sys",
                f"--web.listen-address=$(HOST_IP):{port}",
                # a mount per pod says nothing about the node, and there are hundreds
                "--collector.filesystem.mount-points-exclude=^/(dev|proc|run|sys|var/lib/(kubelet|containerd)/.+)($|/)",
                "--collector.netclass.ignored-devices=^(veth.*|cali.*|lxc.*)$",
                "--collector.netdev.device-exclude=^(veth.*|cali.*|lxc.*)$",
            ),
            env={"HOST_IP": PodField("status.hostIP")},
            ports={"http-metrics": port},
            resources=_SMALL,
            mounts=(Mount(name="host", path="/host", source=HostPath(path="/"), propagation="HostToContainer"),),
            readiness=Probe(path="/", port=port),
            liveness=Probe(path="/", port=port),
        )
        Workload(
            tool,
            WorkloadArgs(
                shared=args.shared,
                tool=tool,
                component="metrics",
                kind="DaemonSet",
                user=_NOBODY,
                containers=(container,),
                agent=True,
                host_network=True,
                host_pid=True,
            ),
            pulumi.ResourceOptions(parent=self),
        )

    def _blackbox_exporter(self, args: ExportersArgs) -> None:
        tool, port = "blackbox-exporter", 9115
        files = {"blackbox.yaml": args.blackbox_config}
        config = core.v1.ConfigMap(
            f"{tool}-config",
            metadata=metadata("blackbox-config", args.shared.namespace, args.shared.labels(tool, "metrics")),
            data=files,
            opts=pulumi.ResourceOptions(parent=self),
        )
        container = Container(
            name=tool,
            image=args.images.blackbox_exporter,
            args=("--config.file=/etc/blackbox/config/blackbox.yaml",),
            ports={"http-metrics": port},
            resources=_SMALL,
            mounts=(Mount(name="config", path="/etc/blackbox/config", source=ConfigMapFiles(name="blackbox-config")),),
            readiness=Probe(path="/-/healthy", port=port),
            liveness=Probe(path="/-/healthy", port=port),
        )
        self._run(args, tool, container, {"http": port}, after=[config], config_checksum=checksum(files))

    def _elasticsearch_exporter(self, args: ExportersArgs) -> None:
        tool, port = "elasticsearch-exporter", 9114
        store = args.span_store
        env: dict[str, str | SecretKey | PodField | pulumi.Output[str]] = {
            "STORE_URL": pulumi.Output.from_input(store.url)
        }
        if store.username is not None:
            env["ES_USERNAME"] = store.username
            env["ES_PASSWORD"] = SecretKey(secret=LOGIN_SECRET, key="password")  # it has no option for a file
        trust = (f"--es.ca={CA_FILE}",) if store.own_ca else ()
        container = Container(
            name=tool,
            image=args.images.elasticsearch_exporter,
            args=("--es.uri=$(STORE_URL)", "--es.all", "--es.indices", "--es.shards", *trust),
            env=env,
            mounts=tuple(mount for mount in mounts(store) if mount.name == "ca"),
            ports={"http-metrics": port},
            resources=_SMALL,
            readiness=Probe(path="/healthz", port=port),
            liveness=Probe(path="/healthz", port=port),
        )
        # A changed password too: it is read at the start only, by the two below as well.
        self._run(args, tool, container, {"http": port}, config_checksum=store.password_version)

    def _postgres_exporter(self, args: ExportersArgs, settings: PostgresqlSettings) -> None:
        """One for each server: how far behind a replica is, it alone knows."""
        tool, port = "postgres-exporter", 9187
        secret = self._secret(args, tool, {"password": args.postgresql_password})
        mount = Mount(name="secrets", path="/etc/postgres-exporter/secrets", source=SecretFiles(name=tool))
        for number, address in enumerate(settings.addresses):
            container = Container(
                name=tool,
                image=args.images.postgres_exporter,
                args=POSTGRES_COLLECTORS,
                env={
                    "DATA_SOURCE_URI": address,
                    "DATA_SOURCE_USER": settings.user,
                    "DATA_SOURCE_PASS_FILE": "/etc/postgres-exporter/secrets/password",
                },
                ports={"http-metrics": port},
                resources=_SMALL,
                mounts=(mount,),
                readiness=Probe(path="/", port=port),
                liveness=Probe(path="/", port=port),
            )
            self._run(
                args,
                f"{tool}-replica-{number}" if number else tool,
                container,
                {"http": port},
                after=secret,
                watches=server(address),
                config_checksum=versions(secret),
            )

    def _redis_exporter(self, args: ExportersArgs, settings: RedisSettings) -> None:
        tool, port = "redis-exporter", 9121
        arguments: tuple[str, ...] = (f"--redis.addr={settings.address}",)
        mounts: tuple[Mount, ...] = ()
        secret: list[core.v1.Secret] = []
        if settings.login:
            password = args.redis_password
            passwords = password.apply(lambda value: json.dumps({settings.address: value})) if password else None
            secret = self._secret(args, tool, {"passwords.json": passwords})
            mounts = (Mount(name="secrets", path="/etc/redis-exporter/secrets", source=SecretFiles(name=tool)),)
            arguments += ("--redis.password-file=/etc/redis-exporter/secrets/passwords.json",)
        container = Container(
            name=tool,
            image=args.images.redis_exporter,
            args=arguments,
            ports={"http-metrics": port},
            resources=_SMALL,
            mounts=mounts,
            readiness=Probe(path="/health", port=port),
            liveness=Probe(path="/health", port=port),
        )
        self._run(
            args,
            tool,
            container,
            {"http": port},
            after=secret,
            watches=settings.address.split("//")[1],
            config_checksum=versions(secret),
        )

    def _secret(
        self, args: ExportersArgs, tool: str, values: dict[str, pulumi.Output[str] | None]
    ) -> list[core.v1.Secret]:
        known = {key: value for key, value in values.items() if value is not None}
        return tool_secret(
            f"{tool}-secret",
            shared=args.shared,
            name=tool,
            labels=args.shared.labels(tool, "metrics"),
            values=known,
            parent=self,
        )

    def _run(
        self,
        args: ExportersArgs,
        tool: str,
        container: Container,
        ports: dict[str, int],
        *,
        after: Sequence[pulumi.Resource] = (),
        api_access: bool = False,
        watches: str | None = None,
        config_checksum: pulumi.Input[str] | None = None,
    ) -> None:
        Workload(
            tool,
            WorkloadArgs(
                shared=args.shared,
                tool=tool,
                component="metrics",
                kind="Deployment",
                user=_NOBODY,
                containers=(container,),
                service_ports=ports,
                api_access=api_access,
                watches=watches,
                config_checksum=config_checksum,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=list(after)),
        )
