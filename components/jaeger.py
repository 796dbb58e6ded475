"""Jaeger: takes in spans, says what to sample, answers queries. Needs the span store; its Monitor tab, Prometheus."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi_kubernetes import core

from components.jaeger_jobs import StoreJobs, StoreJobsArgs
from components.settings.base import Exposure
from components.settings.tools import JaegerSettings
from components.shared import Endpoint, SharedOutputs
from components.span_store import SpanStore, mounts, wait_for_store
from components.workload import Workload, WorkloadArgs
from components.workload import exposure as outside
from components.workload.pod import ConfigMapFiles, Container, Mount, Probe
from components.workload.spec import checksum, metadata
from rendering import documents
from rendering.declarations import Platform
from rendering.instrumentation import opentelemetry_settings
from rendering.jaeger import STORE_URL, JaegerValues, Role, render_jaeger, render_ui
from rendering.sampling import render_sampling
from rendering.tail_sampling import TailSampling

TOOL = "jaeger"
COMPONENT = "traces"
QUERY = "jaeger-query"
COLLECTOR = "jaeger-collector"
USER = 10001  # of the image
HEALTH_PORT = 13133
CONFIGS = Path(__file__).resolve().parents[1] / "configs" / "jaeger"

QUERY_PORTS: Mapping[str, int] = {"http": 16686, "grpc": 16685}
COLLECTOR_PORTS: Mapping[str, int] = {
    "otlp-grpc": 4317,
    "otlp-http": 4318,
    "jaeger-grpc": 14250,
    "jaeger-thrift": 14268,
    "zipkin": 9411,
    "sampling-http": 5778,
    "sampling-grpc": 5779,
}
METRICS_PORTS: Mapping[str, int] = {"http-metrics": 8888}
SPAN_METRICS_PORTS: Mapping[str, int] = {"spanmetrics": 8889}

# Long enough to write what the queue holds.
STOP_SECONDS = 60


def query_endpoint(namespace: str) -> Endpoint:
    """The UI and the query API."""
    return Endpoint(name=QUERY, namespace=namespace, port=QUERY_PORTS["http"])


def otlp_endpoint(namespace: str) -> Endpoint:
    """Where services send spans (OTLP over gRPC)."""
    return Endpoint(name=COLLECTOR, namespace=namespace, port=COLLECTOR_PORTS["otlp-grpc"])


def sampling_endpoint(namespace: str) -> Endpoint:
    """Where services ask for their sampling strategy (HTTP)."""
    return Endpoint(name=COLLECTOR, namespace=namespace, port=COLLECTOR_PORTS["sampling-http"])


@dataclass(frozen=True, kw_only=True)
class JaegerArgs:
    shared: SharedOutputs
    settings: JaegerSettings
    image: str
    python_image: str  # runs what waits for the store, cleans it, and counts dependencies
    store: SpanStore
    platform: Platform  # declared services, and how their health checks are sampled
    prometheus: Endpoint
    grafana_url: str  # as people type it; the UI's links go there


class Jaeger(pulumi.ComponentResource):
    """All in one, or collector and query apart; behind the same two Services either way."""

    query: Endpoint
    otlp: Endpoint
    sampling: Endpoint

    def __init__(self, name: str, args: JaegerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("observability:index:Jaeger", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        namespace, labels = args.shared.namespace, args.shared.labels(TOOL, COMPONENT)

        files = _config_files(args)
        config = core.v1.ConfigMap(
            f"{name}-config", metadata=metadata("jaeger-config", namespace, labels), data=files, opts=child
        )
        sampling = core.v1.ConfigMap(
            f"{name}-sampling",
            metadata=metadata("jaeger-sampling", namespace, labels),
            data={
                "strategies.json": render_sampling(
                    args.platform.services,
                    args.platform.health_checks,
                    at_the_end=args.settings.tail_sampling is not None,
                )
            },
            opts=child,
        )
        after = pulumi.ResourceOptions(parent=self, depends_on=[config, sampling])
        # Jaeger reads a new password by itself, but once: where the store does not take it yet, it never tries again.
        # A new pod does not start before the store takes it.
        config_checksum = pulumi.Output.concat(checksum(files), args.store.password_version)
        if args.settings.layout == "split":
            _split(args, config_checksum, after)
        else:
            _all_in_one(args, config_checksum, after)
        StoreJobs(
            f"{name}-store-jobs",
            StoreJobsArgs(
                shared=args.shared,
                python_image=args.python_image,
                retention_hours=args.settings.retention_hours,
                index_prefix=index_prefix(args.shared.environment),
                store=args.store,
            ),
            after,
        )
        _settings_for_services(name, args, child)
        self.query = query_endpoint(namespace)
        self.otlp = otlp_endpoint(namespace)
        self.sampling = sampling_endpoint(namespace)
        self.register_outputs({"url": self.query.url, "otlp": self.otlp.address})


def _settings_for_services(name: str, args: JaegerArgs, opts: pulumi.ResourceOptions) -> None:
    """What a service there takes by `envFrom` to send its spans here, sampled as declared."""
    own = args.shared.namespace
    sampling = Endpoint(name=COLLECTOR, namespace=own, port=COLLECTOR_PORTS["sampling-grpc"])
    for namespace in args.settings.instrumented_namespaces:
        core.v1.ConfigMap(
            f"{name}-settings-{namespace}",
            metadata=metadata("opentelemetry", namespace, args.shared.labels(TOOL, COMPONENT)),
            data=opentelemetry_settings(
                otlp_endpoint(own).url,
                sampling.url,
                args.shared.cluster,
                args.shared.environment,
                namespace,
                at_the_end=args.settings.tail_sampling is not None,
            ),
            opts=opts,
        )


def index_prefix(environment: str) -> str:
    """Stands before the name of every index, so that environments can share a store."""
    return environment


def _config_files(args: JaegerArgs) -> dict[str, str]:
    base = documents.load(CONFIGS / "jaeger.yaml")
    tail = args.settings.tail_sampling
    values = JaegerValues(
        cluster=args.shared.cluster,
        environment=args.shared.environment,
        store_kind=args.store.kind,
        username=args.store.username,
        own_ca=args.store.own_ca,
        index_prefix=index_prefix(args.shared.environment),
        retention_hours=args.settings.retention_hours,
        shards=args.store.shards,
        replicas=args.store.replicas,
        prometheus_url=args.prometheus.url,
        tail_sampling=TailSampling(**dict(tail)) if tail else None,
        services=args.platform.services,
    )
    roles = (Role.COLLECTOR, Role.QUERY) if args.settings.layout == "split" else (Role.ALL_IN_ONE,)
    return {
        **{f"{role}.yaml": render_jaeger(base, values, role) for role in roles},
        "ui.json": render_ui(
            (CONFIGS / "ui.json").read_text(encoding="utf-8"), args.grafana_url, args.settings.retention_hours
        ),
    }


def _all_in_one(args: JaegerArgs, config_checksum: pulumi.Input[str], opts: pulumi.ResourceOptions) -> None:
    ports = {**METRICS_PORTS, **SPAN_METRICS_PORTS, **COLLECTOR_PORTS, "query-http": 16686, "query-grpc": 16685}
    for service, service_ports, exposure in (
        (QUERY, QUERY_PORTS, args.settings.exposure),
        (COLLECTOR, COLLECTOR_PORTS, Exposure()),
    ):
        outside.service(
            service,
            opts,
            namespace=args.shared.namespace,
            labels=args.shared.labels(TOOL, COMPONENT),
            selector=args.shared.selector(TOOL),
            ports=service_ports,
            exposure=exposure,
        )
    container = _container(args, Role.ALL_IN_ONE, ports)
    _workload(args, TOOL, container, opts, replicas=1, config_checksum=config_checksum)


def _split(args: JaegerArgs, config_checksum: pulumi.Input[str], opts: pulumi.ResourceOptions) -> None:
    collector = _container(args, Role.COLLECTOR, {**METRICS_PORTS, **SPAN_METRICS_PORTS, **COLLECTOR_PORTS})
    query = _container(args, Role.QUERY, {**METRICS_PORTS, "query-http": 16686, "query-grpc": 16685})
    settings = args.settings
    _workload(
        args,
        COLLECTOR,
        collector,
        opts,
        replicas=settings.collector_replicas,
        config_checksum=config_checksum,
        service_ports=COLLECTOR_PORTS,
    )
    _workload(
        args,
        QUERY,
        query,
        opts,
        replicas=settings.query_replicas,
        config_checksum=config_checksum,
        service_ports=QUERY_PORTS,
        exposure=settings.exposure,
    )


def _workload(
    args: JaegerArgs,
    tool: str,
    container: Container,
    opts: pulumi.ResourceOptions,
    *,
    replicas: int,
    config_checksum: pulumi.Input[str],
    service_ports: Mapping[str, int] | None = None,
    exposure: Exposure | None = None,
) -> None:
    Workload(
        tool,
        WorkloadArgs(
            shared=args.shared,
            tool=tool,
            component=COMPONENT,
            kind="Deployment",
            user=USER,
            # Jaeger gives up at once when its store does not answer or does not let it in.
            init_containers=(wait_for_store(args.python_image, args.store),),
            containers=(container,),
            replicas=replicas,
            service_ports=service_ports or {},
            exposure=exposure or Exposure(),
            # The strategies are left out: Jaeger reads them again by itself.
            config_checksum=config_checksum,
            termination_grace_seconds=STOP_SECONDS,
        ),
        opts,
    )


def _container(args: JaegerArgs, role: Role, ports: Mapping[str, int]) -> Container:
    resources = args.settings.resources
    files = (
        Mount(name="config", path="/etc/jaeger/config", source=ConfigMapFiles(name="jaeger-config")),
        Mount(name="sampling", path="/etc/jaeger/sampling", source=ConfigMapFiles(name="jaeger-sampling")),
        *mounts(args.store),
    )
    return Container(
        name=TOOL,
        image=args.image,
        args=("--config", f"/etc/jaeger/config/{role}.yaml"),
        ports=ports,
        resources=resources,
        env={
            STORE_URL: pulumi.Output.from_input(args.store.url),
            "GOMEMLIMIT": f"{resources.memory_limit_mib * 9 // 10}MiB",
        },
        mounts=files,
        startup=Probe(path="/status", port=HEALTH_PORT, period_seconds=2, failure_threshold=60),
        readiness=Probe(path="/status", port=HEALTH_PORT),
        liveness=Probe(path="/status", port=HEALTH_PORT, failure_threshold=6),
    )
