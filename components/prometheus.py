"""Prometheus: scrapes, keeps, evaluates rules. Finds its targets by label, so nothing has to be told to it."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes import core, rbac

from components.alerts import rule_files
from components.settings.tools import PrometheusSettings
from components.shared import Endpoint, SharedOutputs
from components.workload import Workload, WorkloadArgs
from components.workload.pod import ConfigMapFiles, Container, Data, Mount, PodField, Probe
from components.workload.spec import metadata
from rendering.collectors import Collector
from rendering.declarations import Platform
from rendering.profiles import Profile
from rendering.scrape import (
    PrometheusConfigArgs,
    expected_jobs,
    render_certificate_targets,
    render_prometheus_config,
)
from rendering.sizing import retention_size_mib
from rendering.slo import render_declared

TOOL = "prometheus"
PORT = 9090
RELOAD_SECONDS = 15
TARGETS_FOLDER = "/etc/prometheus/targets"
CERTIFICATES = "certificates.json"
# Of the alerts with a `for` as long as this or longer, a restart forgets nothing: what was firing goes on firing. By
# default that is 10 minutes, and everything shorter would be resolved and would page anew.
FOR_GRACE_SECONDS = 30
STATE_FLAGS = (f"--rules.alert.for-grace-period={FOR_GRACE_SECONDS}s",)


def endpoint(namespace: str) -> Endpoint:
    return Endpoint(name=TOOL, namespace=namespace, port=PORT)


@dataclass(frozen=True, kw_only=True)
class PrometheusArgs:
    shared: SharedOutputs
    settings: PrometheusSettings
    image: str
    platform: Platform  # the declared services
    profile: Profile
    alertmanagers: tuple[str, ...]  # host:port of every replica
    collector: Collector  # of logs
    absent_jobs: frozenset[str]  # of exporters this stack does not have
    urls: Mapping[str, str]  # tool -> as people type it; alerts link to Grafana's
    span_store_url: pulumi.Input[str] | None  # None: it does not speak TLS, so has no certificate to watch
    thresholds: Mapping[str, float]  # of alerts, as they follow from this stack's sizes


class Prometheus(pulumi.ComponentResource):
    """Scrape config and rules from services.yaml and configs/prometheus/, data on a volume per replica.

    A changed ConfigMap is loaded by Prometheus itself, so config changes restart nothing.
    """

    endpoint: Endpoint

    def __init__(self, name: str, args: PrometheusArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("observability:index:Prometheus", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        namespace, labels = args.shared.namespace, args.shared.labels(TOOL, "metrics")
        self.endpoint = endpoint(namespace)
        scraping = _scraping(args)

        config = core.v1.ConfigMap(
            f"{name}-config",
            metadata=metadata("prometheus-config", namespace, labels),
            data={"prometheus.yml": render_prometheus_config(args.platform, scraping)},
            opts=child,
        )
        rules = core.v1.ConfigMap(
            f"{name}-rules",
            metadata=metadata("prometheus-rules", namespace, labels),
            data=_rules(args, scraping),
            opts=child,
        )
        if args.span_store_url is not None:
            # in a file of its own: a managed store's address is known after half an hour, and nothing else waits for it
            url = pulumi.Output.from_input(args.span_store_url)
            core.v1.ConfigMap(
                f"{name}-targets",
                metadata=metadata("prometheus-targets", namespace, labels),
                data={CERTIFICATES: url.apply(lambda url: render_certificate_targets({"span-store": url}))},
                opts=child,
            )
        access = _cluster_access(name, args.shared, child)
        Workload(
            name,
            WorkloadArgs(
                shared=args.shared,
                tool=TOOL,
                component="metrics",
                kind="StatefulSet",
                user=65534,
                replicas=args.settings.replicas,
                containers=(self._container(args),),
                storage=args.settings.storage,
                service_ports={"http": PORT},
                exposure=args.settings.exposure,
                api_access=True,
                termination_grace_seconds=120,  # to flush the head; killed earlier, it replays its WAL
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[config, rules, access]),
        )
        self.register_outputs({"url": self.endpoint.url})

    def _container(self, args: PrometheusArgs) -> Container:
        return Container(
            name=TOOL,
            image=args.image,
            args=(
                "--config.file=/etc/prometheus/config/prometheus.yml",
                "--storage.tsdb.path=/prometheus",
                f"--web.external-url={args.settings.exposure.url or self.endpoint.url}",
                "--web.enable-remote-write-receiver",  # Loki's recording rules arrive there
                "--enable-feature=auto-reload-config,exemplar-storage",
                f"--config.auto-reload-interval={RELOAD_SECONDS}s",
                *STATE_FLAGS,
            ),
            env={"POD_NAME": PodField("metadata.name")},  # the replica label in prometheus.yml
            ports={"http-metrics": PORT},
            resources=args.settings.resources,
            mounts=(
                Mount(name="config", path="/etc/prometheus/config", source=ConfigMapFiles(name="prometheus-config")),
                Mount(name="rules", path="/etc/prometheus/rules", source=ConfigMapFiles(name="prometheus-rules")),
                Mount(
                    name="targets",
                    path=TARGETS_FOLDER,
                    source=ConfigMapFiles(name="prometheus-targets", optional=True),
                ),
                Mount(name="data", path="/prometheus", source=Data(), read_only=False),
            ),
            # replaying a large WAL takes minutes
            startup=Probe(path="/-/ready", port=PORT, period_seconds=1, failure_threshold=900),
            readiness=Probe(path="/-/ready", port=PORT),
            liveness=Probe(path="/-/healthy", port=PORT, failure_threshold=6),
        )


def _scraping(args: PrometheusArgs) -> PrometheusConfigArgs:
    return PrometheusConfigArgs(
        cluster=args.shared.cluster,
        environment=args.shared.environment,
        profile=args.profile,
        alertmanagers=args.alertmanagers,
        retention_days=args.settings.retention_days,
        retention_size_mib=retention_size_mib(args.settings.storage.size_gib),
        scrape_interval_seconds=args.settings.scrape_interval_seconds,
        monitoring_namespace=args.shared.namespace,
        agents_namespace=args.shared.agents_namespace,
        collector=args.collector,
        absent_jobs=args.absent_jobs,
        certificates=args.urls,
        certificates_file=None if args.span_store_url is None else f"{TARGETS_FOLDER}/{CERTIFICATES}",
    )


def _rules(args: PrometheusArgs, scraping: PrometheusConfigArgs) -> Mapping[str, str]:
    declared = render_declared(args.platform, expected_jobs(args.platform, scraping))
    grafana_url = args.urls["grafana"]
    native = rule_files(
        TOOL, args.settings, grafana_url, scraping.hidden_jobs, args.thresholds, collector=args.collector
    )
    return {**declared, **native}


def _cluster_access(name: str, shared: SharedOutputs, opts: pulumi.ResourceOptions) -> rbac.v1.ClusterRoleBinding:
    """Reads what service discovery and the kubelets' metrics need, and nothing else; no secrets, no writes."""
    role_name, labels = shared.cluster_scoped(TOOL), shared.labels(TOOL, "metrics")
    role = rbac.v1.ClusterRole(
        f"{name}-role",
        metadata=metadata(role_name, None, labels),
        rules=[
            rbac.v1.PolicyRuleArgs(
                api_groups=[""], resources=["nodes", "services", "pods"], verbs=["get", "list", "watch"]
            ),
            rbac.v1.PolicyRuleArgs(
                api_groups=["discovery.k8s.io"], resources=["endpointslices"], verbs=["get", "list", "watch"]
            ),
            rbac.v1.PolicyRuleArgs(api_groups=[""], resources=["nodes/metrics"], verbs=["get"]),
            rbac.v1.PolicyRuleArgs(non_resource_urls=["/metrics", "/metrics/cadvisor"], verbs=["get"]),
        ],
        opts=opts,
    )
    return rbac.v1.ClusterRoleBinding(
        f"{name}-role-binding",
        metadata=metadata(role_name, None, labels),
        role_ref=rbac.v1.RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="ClusterRole", name=role_name),
        subjects=[rbac.v1.SubjectArgs(kind="ServiceAccount", name=TOOL, namespace=shared.namespace)],
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[role])),
    )
