"""The scrape jobs that do not depend on the platform's services: the cluster, the exporters and the stack itself.

A job says where its targets are found, how many samples one may send, and which series are left out and why.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from rendering import relabel
from rendering.collectors import Collector
from rendering.relabel import Step

TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"
CLUSTER_CA = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
PART_OF = "app.kubernetes.io/part-of=observability-stack"

APP_NAME = "__meta_kubernetes_pod_label_app_kubernetes_io_name"
PORT_NAME = "__meta_kubernetes_pod_container_port_name"
WATCHES = "observability-stack/watches"
"""The annotation of an exporter's pod that holds host:port of the one server it watches."""
_WATCHES_LABEL = re.sub(r"\W", "_", WATCHES)


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """Series that are not stored."""

    names: str
    """Regular expression over the whole metric name."""
    reason: str


@dataclass(frozen=True, kw_only=True)
class Job:
    """One entry of `scrape_configs`."""

    name: str
    discovery: dict[str, Any]
    """The `*_sd_configs` or `static_configs` entry."""
    relabel: list[Step] = field(default_factory=list)
    sample_limit: int
    """Samples of one target; a target that sends more is down, and PrometheusScrapeLimitHit says so."""
    label_limit: int = 30
    dropped: tuple[Dropped, ...] = ()
    metric_relabel: list[Step] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    """Further keys of the scrape configuration."""

    def render(self) -> dict[str, Any]:
        """The entry as Prometheus reads it."""
        without = [relabel.drop_metrics(dropped.names) for dropped in self.dropped]
        entry = {"job_name": self.name, **self.options, **self.discovery}
        entry |= {"sample_limit": self.sample_limit, "label_limit": self.label_limit}
        steps = {"relabel_configs": self.relabel, "metric_relabel_configs": [*without, *self.metric_relabel]}
        return entry | {key: value for key, value in steps.items() if value}


def kubernetes(role: str, *, namespaces: tuple[str, ...] = (), selector: str | None = None) -> dict[str, Any]:
    """Discovery through the API server, narrowed on its side so that it sends no more than is kept."""
    config: dict[str, Any] = {"role": role}
    if namespaces:
        config["namespaces"] = {"names": list(namespaces)}
    if selector:
        config["selectors"] = [{"role": role, "label": selector}]
    return {"kubernetes_sd_configs": [config]}


def cluster_token(*, verify: bool) -> dict[str, Any]:
    """HTTPS with the pod's own account. Components whose certificate is self-signed cannot be verified."""
    tls: dict[str, Any] = {"ca_file": CLUSTER_CA} if verify else {"insecure_skip_verify": True}
    return {"scheme": "https", "authorization": {"credentials_file": TOKEN}, "tls_config": tls}


def stack_jobs(monitoring_namespace: str, agents_namespace: str, collector: Collector) -> list[Job]:
    """The tools of the stack and the exporters: pods found by label, port found by name."""
    # What is watched has a name that people know, other than the pod's address.
    watched = relabel.value("instance", "$1", where=f"__meta_kubernetes_pod_annotation_{_WATCHES_LABEL}", regex="(.+)")

    def job(
        name: str,
        sample_limit: int,
        *,
        app: str | None = None,
        port: str = "http-metrics",
        agent: bool = False,
        **rest: Any,
    ) -> Job:
        namespace = agents_namespace if agent else monitoring_namespace
        on_node = [relabel.copy("__meta_kubernetes_pod_node_name", "node")] if agent else []
        steps = [relabel.keep(APP_NAME, app or name), relabel.keep(PORT_NAME, port), relabel.RUNNING_PODS]
        return Job(
            name=name,
            discovery=kubernetes("pod", namespaces=(namespace,), selector=PART_OF),
            relabel=[*steps, *relabel.POD_LABELS, *on_node, watched],
            sample_limit=sample_limit,
            **rest,
        )

    node_noise = Dropped(
        names="node_scrape_collector_.*|node_softnet_.*|node_schedstat_.*",
        reason="several series per CPU core of each node that nothing here reads",
    )
    return [
        job("prometheus", 10_000),
        job("alertmanager", 5_000),
        job("grafana", 20_000),
        job("loki", 30_000, app="loki(-.+)?"),  # whole, or each of its microservices
        job(collector, 5_000, agent=True),
        job("jaeger", 10_000, app="jaeger(-collector|-query)?"),
        # Request rates and latencies that Jaeger counts in the spans themselves, with exemplars.
        job("jaeger-spanmetrics", 50_000, app="jaeger(-collector)?", port="spanmetrics"),
        job("node-exporter", 5_000, agent=True, dropped=(node_noise,)),
        # The labels namespace, pod, node say what a series is about, not who told us.
        job(
            "kube-state-metrics",
            200_000,
            label_limit=60,
            options={"honor_labels": True},
            dropped=(
                Dropped(
                    names="kube_(secret|configmap|endpoint|lease|certificatesigningrequest)_.*",
                    reason="one series per object of a kind whose count grows with releases and that no rule reads",
                ),
            ),
            # `app` names the service a pod belongs to, here as everywhere else.
            metric_relabel=[relabel.value("service", "$1", where="label_app", regex="(.+)")],
        ),
        job("postgres-exporter", 20_000, app="postgres-exporter(-replica-[0-9]+)?"),
        job("redis-exporter", 5_000),
        job("elasticsearch-exporter", 20_000),
        job("blackbox-exporter", 5_000),
    ]


def cluster_jobs() -> list[Job]:
    """Kubernetes itself: nodes, containers, control plane, DNS."""
    # Kubelets, the scheduler and the controller manager serve certificates they signed themselves.
    node = {
        "scheme": "https",
        "authorization": {"credentials_file": TOKEN},
        "tls_config": {"insecure_skip_verify": True},
    }
    buckets = Dropped(
        names="(apiserver_request_(body_size_bytes|sli_duration_seconds)|apiserver_watch_events_sizes"
        "|apiserver_response_sizes|apiserver_watch_(list_duration|cache_read_wait)_seconds|apiserver_flowcontrol_.*"
        "|apiserver_admission_.*|etcd_request_duration_seconds|workqueue_.*_duration_seconds"
        "|scheduler_plugin_execution_duration_seconds|rest_client_(request|response)_size_bytes)_bucket",
        reason="buckets per verb, resource and scope: a fifth of all series in peers' clusters, read by no rule",
    )
    kubelet_buckets = Dropped(
        names="(kubelet_runtime_operations_duration_seconds|storage_operation_duration_seconds"
        "|rest_client_.*|csi_operations_seconds|kubelet_.*_latency_microseconds)_bucket",
        reason="buckets per operation of each node that nothing here reads; sums and counts stay",
    )
    cadvisor_noise = Dropped(
        names="container_(tasks_state|memory_failures_total|blkio_.*|ulimits_soft|file_descriptors|sockets|threads_max"
        "|last_seen|memory_(cache|mapped_file|swap|failcnt|kernel_usage))",
        reason="dozens of series per container that nothing here reads",
    )
    no_container = {  # slices of the system that belong to no pod: they would double every sum
        "action": "drop",
        "source_labels": ["pod", "__name__"],
        "regex": ";container_.*",
    }
    return [
        Job(
            name="kubernetes-nodes",
            discovery=kubernetes("node"),
            options=node,
            relabel=[_NODE],
            sample_limit=20_000,
            dropped=(kubelet_buckets,),
        ),
        Job(
            name="kubernetes-cadvisor",
            discovery=kubernetes("node"),
            options=node | {"metrics_path": "/metrics/cadvisor"},
            relabel=[_NODE],
            sample_limit=50_000,
            dropped=(cadvisor_noise,),
            metric_relabel=[no_container, {"action": "labeldrop", "regex": "id|name"}],
        ),
        Job(
            name="kubernetes-apiserver",
            discovery=kubernetes("endpointslice", namespaces=("default",)),
            options=cluster_token(verify=True),
            relabel=[
                relabel.keep("__meta_kubernetes_service_name", "kubernetes"),
                relabel.keep("__meta_kubernetes_endpointslice_port_name", "https"),
            ],
            sample_limit=100_000,
            dropped=(buckets,),
            metric_relabel=_FEWER_LATENCY_BUCKETS,
        ),
        Job(
            name="coredns",
            discovery=kubernetes("pod", namespaces=("kube-system",), selector="k8s-app=kube-dns"),
            relabel=[relabel.keep(PORT_NAME, "metrics"), relabel.RUNNING_PODS, *relabel.POD_LABELS],
            sample_limit=5_000,
        ),
        Job(
            name="kube-proxy",  # by node: it shares the node's address, and is not a pod everywhere
            discovery=kubernetes("node"),
            relabel=[relabel.value("__address__", "$1:10249", where="__address__", regex=r"(.+):\d+"), _NODE],
            sample_limit=5_000,
        ),
        _static_pod("kube-scheduler", 10259, node, dropped=(buckets,)),
        _static_pod("kube-controller-manager", 10257, node, dropped=(buckets,)),
        _static_pod("etcd", 2381, {}),
    ]


# The API server's latency has 40 bounds, and watches are in it though they are meant to last. Every third bound is
# enough for a percentile, and takes a fifth of all series of a small cluster away.
_FEWER_LATENCY_BUCKETS = [
    {
        "action": "drop",
        "source_labels": ["__name__", "le"],
        "regex": r"apiserver_request_duration_seconds_bucket;(0\.(005|025|15|2|3|35|4|45|6|7|8|9)"
        r"|1\.(25|5|75)|2\.5|3\.0|3\.5|4\.0|4\.5|6\.0|7\.0|8\.0|9\.0|15\.0|20\.0|45\.0)",
    },
    {
        "action": "drop",
        "source_labels": ["__name__", "verb"],
        "regex": "apiserver_request_duration_seconds_bucket;(WATCH|CONNECT)",
    },
]

_NODE = relabel.copy("__meta_kubernetes_node_name", "node")


def _static_pod(component: str, port: int, options: dict[str, Any], *, dropped: tuple[Dropped, ...] = ()) -> Job:
    """A control-plane component that kubeadm runs as a static pod on its node's own address."""
    return Job(
        name=component,
        discovery=kubernetes("pod", namespaces=("kube-system",), selector=f"component={component}"),
        options=options,
        relabel=[
            relabel.RUNNING_PODS,
            relabel.value("__address__", f"$1:{port}", where="__meta_kubernetes_pod_ip", regex="(.+)"),
            *relabel.POD_LABELS,
        ],
        sample_limit=20_000,
        dropped=dropped,
    )
