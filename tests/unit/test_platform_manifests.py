"""The platform's Kubernetes objects: what the stack, the drills and Pod Security rely on."""

from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from rendering.declarations import Platform, load_platform
from sandbox.paths import repo_root
from sandbox.platform import databases, manifests, program
from sandbox.platform.manifests import Manifest, PlatformSettings

CALLS = program.CALLS.read_text(encoding="utf-8")
PASSWORDS = {"postgres": "made-up-0", "observability": "made-up-1"}


@pytest.fixture(scope="module")
def platform() -> Platform:
    return load_platform(repo_root() / "configs" / "services.yaml")


def rendered(platform: Platform, **settings: Any) -> list[Manifest]:
    chosen = PlatformSettings(**settings)
    return [
        *manifests.services(platform, CALLS, "image:tag", chosen),
        *manifests.traffic(platform, CALLS, "image:tag", chosen),
        *databases.databases(PASSWORDS),
    ]


def named(objects: list[Manifest], kind: str, name: str) -> Manifest:
    return next(each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name)


def container(deployment: Manifest) -> Manifest:
    found: Manifest = deployment["spec"]["template"]["spec"]["containers"][0]
    return found


def environment(deployment: Manifest) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in container(deployment)["env"]}


def test_each_declared_service_is_a_deployment_and_a_service_on_its_port(platform: Platform) -> None:
    objects = rendered(platform)
    for service in platform.services:
        deployment = named(objects, "Deployment", service.name)
        template = deployment["spec"]["template"]
        assert template["metadata"]["labels"]["app"] == service.name
        assert template["metadata"]["labels"]["app.kubernetes.io/part-of"] == "dharma"
        assert container(deployment)["ports"] == [{"name": "http", "containerPort": service.port}]
        assert environment(deployment)["SERVICE"] == service.name
        assert environment(deployment)["PORT"] == str(service.port)
        front = named(objects, "Service", service.name)
        assert front["spec"]["ports"][0]["port"] == service.port
        assert front["spec"]["selector"] == {"app": service.name}


def test_every_service_knows_the_address_of_every_other(platform: Platform) -> None:
    peers = environment(named(rendered(platform), "Deployment", "ai-engine"))["PEERS"].split(",")
    assert "api-gateway=http://api-gateway.dharma:3000" in peers
    assert len(peers) == len(platform.services)


def test_tracing_is_set_by_the_usual_variables(platform: Platform) -> None:
    deployment = named(rendered(platform, sampling_refresh_seconds=3), "Deployment", "ai-engine")
    seen = environment(deployment)
    assert seen["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://jaeger-collector.monitoring:4317"
    assert seen["OTEL_TRACES_SAMPLER_ARG"] == (
        "endpoint=http://jaeger-collector.monitoring:5778/sampling,pollingIntervalMs=3000"
    )
    attributes = dict(pair.split("=") for pair in seen["OTEL_RESOURCE_ATTRIBUTES"].split(","))
    assert attributes["k8s.pod.name"] == "$(POD_NAME)"
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert attributes["k8s.container.name"] == container["name"] == "ai-engine"  # by which Jaeger's UI links
    # Kubernetes fills $(POD_NAME) in only when it is defined further up.
    assert next(iter(seen)) == "POD_NAME"


def test_histogram_bounds_come_from_the_declaration(platform: Platform) -> None:
    seen = environment(named(rendered(platform), "Deployment", "ai-engine"))["LATENCY_BUCKETS_MS"]
    assert [int(bound) for bound in seen.split(",")] == list(platform.latency_buckets_ms)


def test_every_pod_meets_the_restricted_pod_security_standard(platform: Platform) -> None:
    deployments = [each for each in rendered(platform) if each["kind"] == "Deployment"]
    assert len(deployments) == len(platform.services) + 3
    for deployment in deployments:
        pod = deployment["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        security = container(deployment)["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert container(deployment)["resources"]["limits"].keys() == {"cpu", "memory"}
        assert "readinessProbe" in container(deployment)


def test_a_full_tmp_takes_memory_and_leaves_room_for_the_service(platform: Platform) -> None:
    deployment = named(rendered(platform), "Deployment", "api-gateway")
    volume = next(each for each in deployment["spec"]["template"]["spec"]["volumes"] if each["name"] == "tmp")
    assert volume["emptyDir"]["medium"] == "Memory"
    tmp_mib = int(volume["emptyDir"]["sizeLimit"].removesuffix("Mi"))
    limit_mib = int(container(deployment)["resources"]["limits"]["memory"].removesuffix("Mi"))
    assert 0.85 * limit_mib < tmp_mib <= limit_mib - 24


def test_pods_roll_out_again_when_the_calls_change(platform: Platform) -> None:
    def annotations(calls: str) -> Any:
        objects = manifests.services(platform, calls, "image:tag", PlatformSettings())
        return named(objects, "Deployment", "ai-engine")["spec"]["template"]["metadata"]["annotations"]

    assert annotations(CALLS) == annotations(CALLS)
    assert annotations(CALLS) != annotations(CALLS + "\n")


def test_the_traffic_generator_is_scraped_by_annotation_at_the_chosen_rate(platform: Platform) -> None:
    deployment = named(rendered(platform, traffic_rps=2.5), "Deployment", "traffic")
    assert environment(deployment)["TRAFFIC_RPS"] == "2.5"
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/scrape"] == "true"
    assert annotations["prometheus.io/port"] == str(container(deployment)["ports"][0]["containerPort"])


def test_passwords_are_in_the_secret_and_nowhere_else(platform: Platform) -> None:
    objects = rendered(platform)
    assert named(objects, "Secret", "postgresql-passwords")["stringData"] == PASSWORDS
    others = yaml.safe_dump([each for each in objects if each["kind"] != "Secret"])
    assert "made-up" not in others


def test_the_namespaces_enforce_restricted(platform: Platform) -> None:
    [namespace] = manifests.namespaces(platform)
    assert namespace["metadata"]["name"] == "dharma"
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize(
    ("field", "value"), [("replicas", 0), ("traffic_rps", -1), ("traffic_rps", 500), ("trafic_rps", 1)]
)
def test_bad_settings_are_refused(field: str, value: float) -> None:
    with pytest.raises(ValidationError, match=field):
        PlatformSettings(**{field: value})


def test_the_call_graph_is_about_the_declared_services(platform: Platform) -> None:
    calls = yaml.safe_load(CALLS)
    declared = {service.name for service in platform.services}
    assert set(calls["services"]) == declared
    assert {request.split()[0] for request in calls["traffic"]} == declared
