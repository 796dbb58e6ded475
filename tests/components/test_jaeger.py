"""Jaeger and its cleaner: the objects they ask for."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.jaeger import COLLECTOR_PORTS, Jaeger, JaegerArgs
from components.settings.tools import JaegerSettings, TailSamplingSettings
from components.shared import Endpoint
from components.span_store import SpanStore
from rendering.declarations import load_platform
from tests.components.recording import Recording, environment, pod, record, shared
from tests.pages import ROOT, blocks

PLATFORM = load_platform(Path(__file__).resolve().parents[2] / "configs" / "services.yaml")
STORE: dict[str, Any] = {
    "kind": "opensearch",
    "url": "https://10.0.0.1:9200",
    "shards": 1,
    "replicas": 0,
}


def jaeger(settings: JaegerSettings | None = None, **store: Any) -> Recording:
    def make() -> Jaeger:
        args = JaegerArgs(
            shared=shared(),
            settings=settings or JaegerSettings(),
            image="jaeger:1",
            python_image="python:3",
            store=SpanStore(**{**STORE, **store}),
            platform=PLATFORM,
            prometheus=Endpoint(name="prometheus", namespace="monitoring", port=9090),
            grafana_url="https://grafana.example",
        )
        return Jaeger("jaeger", args)

    return record(make)


SPLIT = JaegerSettings(layout="split", collector_replicas=2, query_replicas=2)


@pytest.mark.parametrize("settings", [JaegerSettings(), SPLIT])
def test_the_two_services_are_the_same_in_both_layouts(settings: JaegerSettings) -> None:
    recorded = jaeger(settings)
    for name, ports in (("jaeger-collector", dict(COLLECTOR_PORTS)), ("jaeger-query", {"http": 16686, "grpc": 16685})):
        service = recorded.only("Service", name)
        assert {one["name"]: one["port"] for one in service["spec"]["ports"]} == ports


@pytest.mark.parametrize("settings", [JaegerSettings(), SPLIT])
def test_each_service_finds_pods_that_listen_on_its_ports(settings: JaegerSettings) -> None:
    recorded = jaeger(settings)
    for service in recorded.all("Service"):
        wanted = service["spec"]["selector"].items()
        [found] = [
            one for one in recorded.all("Deployment") if wanted <= one["spec"]["template"]["metadata"]["labels"].items()
        ]
        listening = {port["containerPort"] for port in pod(found)["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= listening


@pytest.mark.parametrize("settings", [JaegerSettings(), SPLIT])
def test_it_waits_for_the_store_as_its_user_and_learns_its_address_from_the_environment(
    settings: JaegerSettings,
) -> None:
    for deployment in jaeger(settings, username="jaeger", own_ca=True).all("Deployment"):
        [waiting] = pod(deployment)["initContainers"]
        assert waiting["command"][-1] == "wait"
        assert environment(waiting)["SPAN_STORE_USERNAME"] == "jaeger"
        assert {"/etc/span-store/login", "/etc/span-store/ca"} <= {one["mountPath"] for one in waiting["volumeMounts"]}
        for container in (waiting, pod(deployment)["containers"][0]):
            assert environment(container)["SPAN_STORE_URL"] == "https://10.0.0.1:9200"


def test_collectors_and_queries_scale_each_on_their_own() -> None:
    recorded = jaeger(JaegerSettings(layout="split", collector_replicas=3, query_replicas=1))
    assert recorded.only("Deployment", "jaeger-collector")["spec"]["replicas"] == 3
    assert recorded.only("Deployment", "jaeger-query")["spec"]["replicas"] == 1
    assert recorded.only("PodDisruptionBudget")["metadata"]["name"] == "jaeger-collector"


def test_password_and_authority_are_files_for_jaeger() -> None:
    recorded = jaeger(username="jaeger", own_ca=True)
    [container] = pod(recorded.only("Deployment"))["containers"]
    assert {"/etc/span-store/login", "/etc/span-store/ca"} <= {one["mountPath"] for one in container["volumeMounts"]}
    told = recorded.only("ConfigMap", "jaeger-config")["data"]["all-in-one.yaml"]
    assert "password_file: /etc/span-store/login/password" in told
    assert "ca_file: /etc/span-store/ca/ca.crt" in told


def test_the_cleaner_knows_the_retention_and_the_stacks_prefix_and_runs_on_the_hour() -> None:
    job = jaeger().only("CronJob", "jaeger-index-cleaner")
    [container] = pod(job)["containers"]
    assert container["command"][-1] == "clean"
    told = environment(container)
    assert (told["SPAN_STORE_RETENTION_HOURS"], told["SPAN_STORE_INDEX_PREFIX"]) == ("72", "test")
    assert (job["spec"]["schedule"], job["spec"]["timeZone"]) == ("0 * * * *", "Etc/UTC")


def test_the_cleaner_logs_in_and_trusts_what_jaeger_trusts() -> None:
    [container] = pod(jaeger(username="jaeger", own_ca=True).only("CronJob", "jaeger-index-cleaner"))["containers"]
    assert environment(container)["SPAN_STORE_USERNAME"] == "jaeger"
    assert {"/etc/span-store/login", "/etc/span-store/ca"} <= {one["mountPath"] for one in container["volumeMounts"]}


def test_calls_are_counted_soon_after_each_window() -> None:
    job = jaeger().only("CronJob", "jaeger-dependencies")
    [container] = pod(job)["containers"]
    assert container["command"][-1] == "dependencies"
    assert environment(container)["SPAN_STORE_INDEX_PREFIX"] == "test"


def test_changed_rates_reach_clients_without_a_restart() -> None:
    recorded = jaeger()
    strategies = json.loads(recorded.only("ConfigMap", "jaeger-sampling")["data"]["strategies.json"])
    assert len(strategies["service_strategies"]) == len(PLATFORM.services)
    assert "strategies" not in str(recorded.only("ConfigMap", "jaeger-config")["data"].keys())


def test_services_of_chosen_namespaces_find_collector_and_rates_in_a_config_map() -> None:
    settings = jaeger(JaegerSettings(instrumented_namespaces=("dharma",))).only("ConfigMap", "opentelemetry")
    assert settings["metadata"]["namespace"] == "dharma"
    assert settings["data"]["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://jaeger-collector.monitoring:4317"
    assert "endpoint=http://jaeger-collector.monitoring:5779" in settings["data"]["OTEL_TRACES_SAMPLER_ARG"]
    assert "deployment.environment.name=test" in settings["data"]["OTEL_RESOURCE_ATTRIBUTES"]


def test_a_pod_that_names_its_container_as_the_guide_says_keeps_the_attributes_of_all() -> None:
    [told] = [block.text for block in blocks("yaml", ROOT / "docs" / "traces.md") if "SHARED_ATTRIBUTES" in block.text]
    variables = {one["name"]: one for one in yaml.safe_load(told)["env"]}
    given = jaeger(JaegerSettings(instrumented_namespaces=("dharma",))).only("ConfigMap", "opentelemetry")
    shared = variables["SHARED_ATTRIBUTES"]["valueFrom"]["configMapKeyRef"]
    assert (shared["name"], shared["key"]) == (given["metadata"]["name"], "OTEL_RESOURCE_ATTRIBUTES")
    assert shared["key"] in given["data"]
    whole = variables["OTEL_RESOURCE_ATTRIBUTES"]["value"]
    assert whole == "$(SHARED_ATTRIBUTES),k8s.container.name=$(OTEL_SERVICE_NAME)"
    assert list(variables)[-1] == "OTEL_RESOURCE_ATTRIBUTES"  # Kubernetes fills in what stands further up only


@pytest.mark.parametrize(("tail", "share"), [(None, "0.1"), (TailSamplingSettings(), "1")])
def test_a_client_that_has_not_asked_yet_begins_the_share_that_the_server_begins(
    tail: TailSamplingSettings | None, share: str
) -> None:
    recorded = jaeger(JaegerSettings(instrumented_namespaces=("dharma",), tail_sampling=tail))
    argument = recorded.only("ConfigMap", "opentelemetry")["data"]["OTEL_TRACES_SAMPLER_ARG"]
    assert argument.split(",")[-1] == f"initialSamplingRate={share}"
    strategies = json.loads(recorded.only("ConfigMap", "jaeger-sampling")["data"]["strategies.json"])
    assert strategies["default_strategy"]["param"] == float(share)


def test_the_ui_looks_back_as_far_as_the_settings_keep_spans() -> None:
    config = jaeger(JaegerSettings(retention_hours=48)).only("ConfigMap", "jaeger-config")
    assert json.loads(config["data"]["ui.json"])["search"]["maxLookback"]["value"] == "2d"
