"""prometheus.yml: every job there, derived from the declarations, limited, and without what a profile hides."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from rendering.declarations import load_platform
from rendering.profiles import Profile
from rendering.scrape import (
    PrometheusConfigArgs,
    expected_jobs,
    prometheus_config,
    render_certificate_targets,
    render_prometheus_config,
    scrape_jobs,
)

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
PLATFORM = load_platform(CONFIGS / "services.yaml")


def args(**overrides: Any) -> PrometheusConfigArgs:
    minimal: dict[str, Any] = {
        "cluster": "c",
        "environment": "test",
        "profile": Profile.SANDBOX,
        "alertmanagers": ("alertmanager-0.peers:9093", "alertmanager-1.peers:9093"),
        "retention_days": 30,
        "retention_size_mib": 8192,
        "certificates": {"grafana": "https://grafana.example:3000", "prometheus": "http://prometheus.monitoring:9090"},
    }
    return PrometheusConfigArgs(**{**minimal, **overrides})


def job(name: str, **overrides: Any) -> dict[str, Any]:
    return next(one.render() for one in scrape_jobs(PLATFORM, args(**overrides)) if one.name == name)


def relabelled(steps: list[dict[str, Any]], labels: dict[str, str]) -> dict[str, str] | None:
    """What Prometheus makes of a target's labels: None when it is dropped."""
    labels = dict(labels)
    for step in steps:
        text = ";".join(labels.get(name, "") for name in step.get("source_labels", []))
        match = re.fullmatch(step.get("regex", "(.*)"), text)
        action = step.get("action", "replace")
        if (action == "keep" and not match) or (action == "drop" and match):
            return None
        if action == "replace" and match:
            replacement = re.sub(r"\$(\d)", r"\\\1", step.get("replacement", "$1"))
            labels[step["target_label"]] = match.expand(replacement)
    return labels


def pod(app: str, port: str, **labels: str) -> dict[str, str]:
    meta = {"pod_label_app": app, "pod_container_port_number": port, "namespace": "dharma", "pod_name": f"{app}-1"}
    return {f"__meta_kubernetes_{name}": value for name, value in meta.items()} | labels


def test_every_job_of_the_stack_is_there() -> None:
    assert {one.name for one in scrape_jobs(PLATFORM, args())} == {
        "services", "annotated-pods", "kubernetes-nodes", "kubernetes-cadvisor", "kube-state-metrics", "node-exporter",
        "postgres-exporter", "redis-exporter", "elasticsearch-exporter", "blackbox-exporter", "blackbox-ui",
        "blackbox-sampling",
        "blackbox-service-health", "kubernetes-apiserver", "coredns", "kube-proxy", "kube-scheduler",
        "kube-controller-manager", "etcd", "prometheus", "alertmanager", "grafana", "loki", "promtail", "jaeger",
        "jaeger-spanmetrics", "blackbox-certificates",
    }  # fmt: skip


@pytest.mark.parametrize("app", ["postgres-exporter", "postgres-exporter-replica-2"])
def test_a_server_that_is_watched_is_named_by_its_own_address(app: str) -> None:
    steps = job("postgres-exporter")["relabel_configs"]
    target = {
        "__meta_kubernetes_pod_label_app_kubernetes_io_name": app,
        "__meta_kubernetes_pod_container_port_name": "http-metrics",
        "__meta_kubernetes_pod_annotation_observability_stack_watches": "db-2.example.com:5432",
    }
    found = relabelled(steps, target)
    assert found is not None
    assert found["instance"] == "db-2.example.com:5432"
    prometheus = target | {"__meta_kubernetes_pod_label_app_kubernetes_io_name": "prometheus"}
    assert relabelled(steps, prometheus) is None


def test_every_job_limits_samples_and_labels() -> None:
    for entry in prometheus_config(PLATFORM, args())["scrape_configs"]:
        assert entry["sample_limit"] > 0, entry["job_name"]
        assert entry["label_limit"] > 0, entry["job_name"]


def test_what_is_dropped_says_why() -> None:
    reasons = [dropped.reason for one in scrape_jobs(PLATFORM, args()) for dropped in one.dropped]
    assert reasons
    assert all(len(reason) > 20 for reason in reasons)


def test_a_service_s_pod_gets_its_labels_from_its_declaration() -> None:
    target = relabelled(job("services")["relabel_configs"], pod("guardrails-engine", "3003"))
    assert target is not None
    names = ("service", "team", "tier", "namespace", "pod")
    assert [target[name] for name in names] == [
        "guardrails-engine",
        "security",
        "critical",
        "dharma",
        "guardrails-engine-1",
    ]
    assert target["__metrics_path__"] == "/metrics"


@pytest.mark.parametrize(
    "labels",
    [
        pod("guardrails-engine", "9999"),
        pod("undeclared", "3003"),
        pod("api-gateway", "3000", __meta_kubernetes_pod_phase="Succeeded"),
        pod("api-gateway", "3000", __meta_kubernetes_pod_container_init="true"),
    ],
    ids=["another port", "undeclared", "ended", "init container"],
)
def test_other_pods_are_not_services(labels: dict[str, str]) -> None:
    assert relabelled(job("services")["relabel_configs"], labels) is None


def test_an_annotated_pod_is_scraped_where_it_says() -> None:
    labels = pod("extra", "8000") | {
        "__meta_kubernetes_pod_ip": "10.0.0.9",
        "__meta_kubernetes_pod_annotation_prometheus_io_scrape": "true",
        "__meta_kubernetes_pod_annotation_prometheus_io_port": "9999",
        "__meta_kubernetes_pod_annotation_prometheus_io_path": "/stats",
    }
    target = relabelled(job("annotated-pods")["relabel_configs"], labels)
    assert target is not None
    assert (target["__address__"], target["__metrics_path__"], target["service"]) == (
        "10.0.0.9:9999",
        "/stats",
        "extra",
    )


def test_an_annotated_pod_of_a_declared_service_or_of_the_stack_is_scraped_once() -> None:
    annotated = {"__meta_kubernetes_pod_annotation_prometheus_io_scrape": "true"}
    steps = job("annotated-pods")["relabel_configs"]
    assert relabelled(steps, pod("api-gateway", "3000") | annotated) is None
    own = {
        "__meta_kubernetes_namespace": "monitoring",
        "__meta_kubernetes_pod_label_app_kubernetes_io_part_of": "observability-stack",
    }
    assert relabelled(steps, annotated | own) is None


def test_the_health_page_of_each_service_is_probed_with_its_labels() -> None:
    targets = {entry["targets"][0]: entry["labels"] for entry in job("blackbox-service-health")["static_configs"]}
    assert len(targets) == 9
    assert targets["http://iac-generator.dharma.svc:3002/health"] == {
        "service": "iac-generator",
        "team": "platform",
        "tier": "critical",
        "namespace": "dharma",
    }


def test_a_probe_asks_the_exporter_and_keeps_what_was_asked_as_instance() -> None:
    target = relabelled(job("blackbox-ui")["relabel_configs"], {"__address__": "http://grafana"})
    assert target == {
        "__address__": "blackbox-exporter.monitoring.svc:9115",
        "__param_target": "http://grafana",
        "instance": "http://grafana",
    }


def test_jaeger_is_asked_for_the_rate_of_a_declared_service_and_must_name_one() -> None:
    probe = job("blackbox-sampling", monitoring_namespace="observability")
    [target] = probe["static_configs"]
    assert target["targets"] == [
        "http://jaeger-collector.observability.svc:5778/sampling?service=" + PLATFORM.services[0].name
    ]
    [module] = probe["params"]["module"]
    asked = yaml.safe_load((CONFIGS / "prometheus" / "blackbox.yaml").read_text())["modules"][module]
    [wanted] = asked["http"]["fail_if_body_not_matches_regexp"]
    assert re.search(wanted, '{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":0.5}}')
    assert not re.search(wanted, '{"strategyType":"PROBABILISTIC"}')


def test_the_certificate_of_every_https_url_is_watched_and_that_of_the_span_store_when_it_is_known() -> None:
    certificates = job(
        "blackbox-certificates",
        certificates={
            "grafana": "https://grafana.example:3000",
            "jaeger": "https://jaeger.example",
            "prometheus": "http://prometheus.monitoring:9090",
        },
        certificates_file="/etc/prometheus/targets/certificates.json",
    )
    assert certificates["static_configs"] == [
        {"targets": ["grafana.example:3000"], "labels": {"of": "grafana"}},
        {"targets": ["jaeger.example:443"], "labels": {"of": "jaeger"}},
    ]
    assert certificates["file_sd_configs"] == [{"files": ["/etc/prometheus/targets/certificates.json"]}]
    assert certificates["params"] == {"module": ["tls_handshake"]}
    store = render_certificate_targets({"span-store": "https://vpc-spans.us-east-1.es.example"})
    assert json.loads(store) == [
        {"targets": ["vpc-spans.us-east-1.es.example:443"], "labels": {"of": "span-store"}},
    ]


def test_without_anything_that_speaks_tls_no_certificate_is_expected() -> None:
    plain = args(certificates={"grafana": "http://grafana.monitoring:3000"})
    assert "blackbox-certificates" not in expected_jobs(PLATFORM, plain)
    assert "blackbox-certificates" in plain.hidden_jobs
    assert "blackbox-certificates" in expected_jobs(PLATFORM, args(certificates={}, certificates_file="/a.json"))


def test_a_probe_s_module_is_one_that_the_blackbox_exporter_has() -> None:
    known = yaml.safe_load((CONFIGS / "prometheus" / "blackbox.yaml").read_text())["modules"]
    used = {one.options["params"]["module"][0] for one in scrape_jobs(PLATFORM, args()) if "params" in one.options}
    assert used == set(known)


def test_the_split_jaeger_is_one_job() -> None:
    for name in ("jaeger", "jaeger-collector", "jaeger-query"):
        labels = {
            "__meta_kubernetes_pod_label_app_kubernetes_io_name": name,
            "__meta_kubernetes_pod_container_port_name": "http-metrics",
        }
        assert relabelled(job("jaeger")["relabel_configs"], labels) is not None


def test_a_managed_control_plane_has_no_targets_for_what_it_hides() -> None:
    jobs = expected_jobs(PLATFORM, args(profile=Profile.EKS))
    assert not {"etcd", "kube-scheduler", "kube-controller-manager", "kube-proxy"} & set(jobs)
    assert {"kubernetes-apiserver", "coredns", "kubernetes-nodes", "kubernetes-cadvisor"} <= set(jobs)


def test_a_tool_that_is_not_deployed_is_not_expected() -> None:
    assert "redis-exporter" not in expected_jobs(PLATFORM, args(absent_jobs=frozenset({"redis-exporter"})))


def test_an_absent_job_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match=r"absent_jobs names \['redis'\]; write names out of"):
        scrape_jobs(PLATFORM, args(absent_jobs=frozenset({"redis"})))


def test_annotated_pods_may_be_none_at_all() -> None:
    assert "annotated-pods" not in expected_jobs(PLATFORM, args())


def test_two_replicas_send_the_same_alerts_to_every_alertmanager() -> None:
    document = prometheus_config(PLATFORM, args())
    assert document["global"]["external_labels"]["prometheus_replica"] == "${POD_NAME}"
    alerting = document["alerting"]
    assert alerting["alert_relabel_configs"] == [{"action": "labeldrop", "regex": "prometheus_replica"}]
    targets = alerting["alertmanagers"][0]["static_configs"][0]["targets"]
    assert targets == ["alertmanager-0.peers:9093", "alertmanager-1.peers:9093"]


def test_scraped_and_evaluated_every_15_seconds_and_kept_for_30_days_within_the_size() -> None:
    document = prometheus_config(PLATFORM, args())
    assert document["global"]["scrape_interval"] == document["global"]["evaluation_interval"] == "15s"
    assert document["storage"]["tsdb"]["retention"] == {"time": "30d", "size": "8192MiB"}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("scrape_interval_seconds", 0, "scrape_interval_seconds is 0; set 1 or more"),
        ("retention_days", 0, "retention_days is 0; set 1 or more"),
        ("retention_size_mib", 10, "retention_size_mib is 10; set 512 or more"),
        ("alertmanagers", (), "alertmanagers is empty; name at least one"),
    ],
)
def test_what_cannot_work_is_refused(field: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        args(**{field: value})


def test_the_text_is_plain_yaml_without_anchors() -> None:
    text = render_prometheus_config(PLATFORM, args())
    assert "&id" not in text
    assert yaml.safe_load(text) == prometheus_config(PLATFORM, args())
