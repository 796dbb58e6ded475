"""`prometheus.yml`, rendered: whom Prometheus scrapes, what it keeps, where its alerts go."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from rendering import collectors, documents, relabel
from rendering.collectors import Collector
from rendering.declarations import Platform, Service
from rendering.jobs import Job, cluster_jobs, kubernetes, stack_jobs
from rendering.profiles import HIDDEN_JOBS, Profile

RULE_FILES = "/etc/prometheus/rules/*.yaml"
REPLICA_LABEL = "prometheus_replica"
CERTIFICATES_JOB = "blackbox-certificates"


@dataclass(frozen=True, kw_only=True)
class PrometheusConfigArgs:
    """What `prometheus.yml` depends on beside the declared services."""

    cluster: str
    environment: str
    profile: Profile
    alertmanagers: tuple[str, ...]
    """host:port of each Alertmanager; every one is told, they agree among themselves who speaks."""
    retention_days: int
    retention_size_mib: int
    """Data beyond this is evicted before its time; derived from the volume so that it never fills."""
    scrape_interval_seconds: int = 15
    max_exemplars: int = 100_000
    monitoring_namespace: str = "monitoring"
    agents_namespace: str = "monitoring-agents"
    collector: Collector = collectors.JOB
    """Who collects logs."""
    absent_jobs: frozenset[str] = field(default_factory=frozenset)
    """Jobs of tools this stack does not have (say, no Redis); their alerts go with them."""
    certificates: Mapping[str, str] = field(default_factory=dict)
    """Whose certificate is watched, and its URL. Those that are not https:// have none."""
    certificates_file: str | None = None
    """Where more of them appear once they are known, as `render_certificate_targets` writes them."""

    def __post_init__(self) -> None:
        if self.scrape_interval_seconds < 1:
            raise ValueError(f"scrape_interval_seconds is {self.scrape_interval_seconds}; set 1 or more")
        if self.retention_days < 1:
            raise ValueError(f"retention_days is {self.retention_days}; set 1 or more (days of metrics kept)")
        if self.retention_size_mib < 512:
            raise ValueError(
                f"retention_size_mib is {self.retention_size_mib}; set 512 or more (one block and its WAL)"
            )
        if not self.alertmanagers:
            raise ValueError("alertmanagers is empty; name at least one host:port, or no alert is ever sent")

    @property
    def hidden_jobs(self) -> frozenset[str]:
        """Jobs left out here, be it by the profile, because the tool is absent or because nothing speaks TLS."""
        certificates = bool(self.certificates_file or certificate_targets(self.certificates))
        return HIDDEN_JOBS[self.profile] | self.absent_jobs | (set() if certificates else {CERTIFICATES_JOB})


def render_prometheus_config(platform: Platform, args: PrometheusConfigArgs) -> str:
    """`prometheus.yml` as text, in stable order."""
    return documents.dump(prometheus_config(platform, args))


def prometheus_config(platform: Platform, args: PrometheusConfigArgs) -> dict[str, Any]:
    """`prometheus.yml` as a document."""
    return {
        "global": {
            "scrape_interval": f"{args.scrape_interval_seconds}s",
            "scrape_timeout": f"{min(10, args.scrape_interval_seconds)}s",
            "evaluation_interval": f"{args.scrape_interval_seconds}s",
            "external_labels": {
                "cluster": args.cluster,
                "environment": args.environment,
                REPLICA_LABEL: "${POD_NAME}",  # Prometheus itself puts its environment variable in
            },
        },
        "storage": {
            "tsdb": {"retention": {"time": f"{args.retention_days}d", "size": f"{args.retention_size_mib}MiB"}},
            "exemplars": {"max_exemplars": args.max_exemplars},
        },
        "rule_files": [RULE_FILES],
        "alerting": {
            # Two replicas must send the same labels, or one fault becomes two notifications.
            "alert_relabel_configs": [{"action": "labeldrop", "regex": REPLICA_LABEL}],
            "alertmanagers": [{"api_version": "v2", "static_configs": [{"targets": list(args.alertmanagers)}]}],
        },
        "scrape_configs": [job.render() for job in scrape_jobs(platform, args)],
    }


def scrape_jobs(platform: Platform, args: PrometheusConfigArgs) -> list[Job]:
    """All jobs of this stack, those that its profile hides left out."""
    exporter = f"blackbox-exporter.{args.monitoring_namespace}.svc:9115"
    jobs = [
        _services_job(platform),
        _annotated_pods_job(platform, args),
        *cluster_jobs(),
        *stack_jobs(args.monitoring_namespace, args.agents_namespace, args.collector),
        _ui_probes(exporter, args.monitoring_namespace),
        _health_probes(exporter, platform),
        _sampling_probe(exporter, platform, args.monitoring_namespace),
        _certificate_probes(exporter, args),
    ]
    names = [job.name for job in jobs]
    unknown = sorted(args.hidden_jobs - set(names))
    if unknown:
        raise ValueError(f"absent_jobs names {unknown}; write names out of {sorted(names)}")
    return [job for job in jobs if job.name not in args.hidden_jobs]


def expected_jobs(platform: Platform, args: PrometheusConfigArgs) -> tuple[str, ...]:
    """Names of the jobs that must have a target at all times. Annotated pods may be none at all."""
    return tuple(job.name for job in scrape_jobs(platform, args) if job.name != "annotated-pods")


def _services_job(platform: Platform) -> Job:
    """The declared services, by pod: the label `app` and the declared port together say which."""
    app, port = "__meta_kubernetes_pod_label_app", "__meta_kubernetes_pod_container_port_number"
    steps = [
        relabel.keep_pairs(app, port, ((service.name, str(service.port)) for service in platform.services)),
        relabel.drop("__meta_kubernetes_pod_container_init", "true"),
        relabel.RUNNING_PODS,
        relabel.copy(app, "service"),
        *relabel.POD_LABELS,
    ]
    for target, groups in (
        ("team", _by(platform.services, lambda service: service.team)),
        ("tier", _by(platform.services, lambda service: service.tier.value)),
        ("__metrics_path__", _by(platform.services, lambda service: service.metrics_path)),
    ):
        steps += [relabel.value(target, text, where=app, regex="|".join(names)) for text, names in groups.items()]
    return Job(
        name="services",
        discovery=kubernetes("pod", namespaces=platform.namespaces),
        relabel=steps,
        # 200 routes x 8 status codes would pass; a raw path or an id as a label would not.
        sample_limit=20_000,
        options={"label_value_length_limit": 200},
        dropped=(),
    )


def _annotated_pods_job(platform: Platform, args: PrometheusConfigArgs) -> Job:
    """Pods that ask for it by the usual annotations; what another job already scrapes is left to that job."""
    annotation = "__meta_kubernetes_pod_annotation_prometheus_io"
    own = f"({args.monitoring_namespace}|{args.agents_namespace});observability-stack"
    declared = "|".join(f"{service.namespace};{service.name}" for service in platform.services)
    namespace = "__meta_kubernetes_namespace"
    return Job(
        name="annotated-pods",
        discovery=kubernetes("pod"),
        relabel=[
            relabel.keep(f"{annotation}_scrape", "true"),
            {
                "action": "drop",
                "source_labels": [namespace, "__meta_kubernetes_pod_label_app_kubernetes_io_part_of"],
                "regex": own,
            },
            {"action": "drop", "source_labels": [namespace, "__meta_kubernetes_pod_label_app"], "regex": declared},
            relabel.drop("__meta_kubernetes_pod_container_init", "true"),
            relabel.RUNNING_PODS,
            relabel.value("__scheme__", "$1", where=f"{annotation}_scheme", regex="(https?)"),
            relabel.value("__metrics_path__", "$1", where=f"{annotation}_path", regex="(.+)"),
            {
                "source_labels": ["__meta_kubernetes_pod_ip", f"{annotation}_port"],
                "regex": r"(.+);(\d+)",
                "replacement": "$1:$2",
                "target_label": "__address__",
            },
            *relabel.POD_LABELS,
            relabel.copy("__meta_kubernetes_pod_label_app", "service"),
        ],
        sample_limit=10_000,
        options={"label_value_length_limit": 200},
    )


def _ui_probes(exporter: str, namespace: str) -> Job:
    """Each tool's own health page, asked as a user's browser would."""
    pages = {
        "grafana": "3000/api/health",
        "prometheus": "9090/-/ready",
        "alertmanager": "9093/-/ready",
        "jaeger-query": "16686/",
        "loki": "3100/ready",
    }
    targets = [
        {"targets": [f"http://{name}.{namespace}.svc:{page}"], "labels": {"ui": name}} for name, page in pages.items()
    ]
    return _probe("blackbox-ui", exporter, {"static_configs": targets})


def _health_probes(exporter: str, platform: Platform) -> Job:
    """Each service's health page, through its Service as its callers reach it."""
    targets = [
        {
            "targets": [service.health_url],
            "labels": {
                "service": service.name,
                "team": service.team,
                "tier": service.tier.value,
                "namespace": service.namespace,
            },
        }
        for service in platform.services
    ]
    return _probe("blackbox-service-health", exporter, {"static_configs": targets})


def _sampling_probe(exporter: str, platform: Platform, namespace: str) -> Job:
    """Jaeger is asked for a sampling rate, as the first of the services asks for its own."""
    url = f"http://jaeger-collector.{namespace}.svc:5778/sampling?service={platform.services[0].name}"
    return _probe("blackbox-sampling", exporter, {"static_configs": [{"targets": [url]}]}, module="sampling_rate")


def certificate_targets(certificates: Mapping[str, str]) -> list[dict[str, Any]]:
    """A target host:port for each URL that is https://, with whose it is."""
    parts = {owner: urlsplit(url) for owner, url in certificates.items()}
    return [
        {"targets": [f"{url.hostname}:{url.port or 443}"], "labels": {"of": owner}}
        for owner, url in parts.items()
        if url.scheme == "https"
    ]


def render_certificate_targets(certificates: Mapping[str, str]) -> str:
    """The same as text, for `certificates_file`."""
    return json.dumps(certificate_targets(certificates), indent=2) + "\n"


def _certificate_probes(exporter: str, args: PrometheusConfigArgs) -> Job:
    """A TLS handshake with everything that has a certificate: what people open, and the span store."""
    found: dict[str, Any] = {"static_configs": certificate_targets(args.certificates)}
    if args.certificates_file is not None:
        found["file_sd_configs"] = [{"files": [args.certificates_file]}]
    return _probe(CERTIFICATES_JOB, exporter, found, module="tls_handshake")


def _probe(name: str, exporter: str, discovery: dict[str, Any], *, module: str = "http_2xx") -> Job:
    """The blackbox exporter asks the target in its stead, and `instance` is what was asked."""
    return Job(
        name=name,
        discovery=discovery,
        relabel=[
            relabel.copy("__address__", "__param_target"),
            relabel.copy("__param_target", "instance"),
            relabel.value("__address__", exporter),
        ],
        sample_limit=200,
        options={"metrics_path": "/probe", "params": {"module": [module]}},
    )


def _by(services: Iterable[Service], key: Any) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for service in services:
        groups.setdefault(key(service), []).append(service.name)
    return groups
