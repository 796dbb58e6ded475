"""What every workload of the stack has, whatever the tool."""

from typing import Any

import pytest

from components.settings.base import Exposure, Resources, Storage
from components.workload import Workload, WorkloadArgs
from components.workload.pod import ConfigMapFiles, Container, Data, Mount, SecretFiles, wait_for
from tests.components.recording import Recording, record, shared

RESOURCES = Resources(cpu_millicores=10, memory_mib=32, cpu_limit_millicores=100, memory_limit_mib=64)


def container(**overrides: Any) -> Container:
    return Container(**{"name": "tool", "image": "tool:1", "resources": RESOURCES, **overrides})


def workload(protect_data: bool = False, **overrides: Any) -> Recording:
    args = {
        "shared": shared(protect_data=protect_data),
        "tool": "tool",
        "component": "metrics",
        "kind": "Deployment",
        "containers": (container(),),
        "user": 10001,
        "service_ports": {"http": 8080},
        **overrides,
    }
    return record(lambda: Workload("tool", WorkloadArgs(**args)))


def pod(recording: Recording, kind: str = "Deployment") -> dict[str, Any]:
    spec: dict[str, Any] = recording.only(kind)["spec"]["template"]["spec"]
    return spec


def test_a_pod_fits_the_restricted_pod_security_standard() -> None:
    spec = pod(workload(init_containers=(wait_for("store", "busybox:1", "store", 1),)))
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 10001
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for one in [*spec["containers"], *spec["initContainers"]]:
        assert one["securityContext"]["allowPrivilegeEscalation"] is False
        assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert one["securityContext"]["readOnlyRootFilesystem"] is True


def test_no_pod_gets_a_token_or_service_links_unless_it_asks() -> None:
    assert pod(workload())["automountServiceAccountToken"] is False
    assert pod(workload())["enableServiceLinks"] is False
    assert pod(workload(api_access=True))["automountServiceAccountToken"] is True


def test_requests_and_limits_are_on_every_container() -> None:
    [one] = pod(workload())["containers"]
    assert one["resources"] == {
        "requests": {"cpu": "10m", "memory": "32Mi"},
        "limits": {"cpu": "100m", "memory": "64Mi"},
    }


def test_replicas_spread_and_have_a_disruption_budget() -> None:
    several = workload(replicas=2)
    keys = [each["topologyKey"] for each in pod(several)["topologySpreadConstraints"]]
    assert keys == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    assert several.only("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_a_single_replica_has_no_budget_that_would_block_a_drain() -> None:
    assert workload(replicas=1).all("PodDisruptionBudget") == []


def test_each_replica_has_a_claim_under_the_name_the_stateful_set_looks_for() -> None:
    made = workload(kind="StatefulSet", replicas=2, storage=Storage(size_gib=7, storage_class="gp3"))
    claims = {claim["metadata"]["name"]: claim["spec"] for claim in made.all("PersistentVolumeClaim")}
    assert claims.keys() == {"data-tool-0", "data-tool-1"}
    assert claims["data-tool-0"]["resources"]["requests"] == {"storage": "7Gi"}
    assert claims["data-tool-0"]["storageClassName"] == "gp3"


def test_storage_without_a_stateful_set_is_refused() -> None:
    with pytest.raises(ValueError, match="tool is a Deployment with storage"):
        workload(storage=Storage(size_gib=1))


def test_secret_files_are_readable_by_the_pods_group_only() -> None:
    mounts = (Mount(name="secrets", path="/etc/tool/secrets", source=SecretFiles(name="tool")),)
    [volume] = pod(workload(containers=(container(mounts=mounts),)))["volumes"]
    assert volume["secret"] == {"secretName": "tool", "defaultMode": 0o440}


def test_the_data_volume_comes_from_the_claim_and_not_from_the_pod() -> None:
    mounts = (
        Mount(name="config", path="/etc/tool/config", source=ConfigMapFiles(name="tool-config")),
        Mount(name="data", path="/data", source=Data(), read_only=False),
    )
    made = workload(kind="StatefulSet", storage=Storage(size_gib=1), containers=(container(mounts=mounts),))
    assert [volume["name"] for volume in pod(made, "StatefulSet")["volumes"]] == ["config"]


def test_a_load_balancer_takes_its_ranges_and_publishes_the_first_port_only() -> None:
    exposure = Exposure(
        type="LoadBalancer",
        url="https://tool.example.com",
        source_ranges=("203.0.113.0/24",),
        certificate_arn="arn:aws:acm:eu-central-1:123456789012:certificate/1",
    )
    service = workload(exposure=exposure, service_ports={"http": 8080, "grpc": 8081}).only("Service")
    assert service["spec"]["loadBalancerSourceRanges"] == ["203.0.113.0/24"]
    assert [port["port"] for port in service["spec"]["ports"]] == [8080]
    annotations = service["metadata"]["annotations"]
    # The controller refuses names of ports that are not there, "*" too; without a list all ports are TLS.
    assert "service.beta.kubernetes.io/aws-load-balancer-ssl-ports" not in annotations
    assert annotations["service.beta.kubernetes.io/aws-load-balancer-ssl-negotiation-policy"].startswith(
        "ELBSecurityPolicy-TLS13-1-2"
    )
    # Its endpoints are there only when the span store is, which takes longer than Pulumi waits.
    assert annotations["pulumi.com/skipAwait"] == "true"


def test_an_ingress_asks_for_tls_on_the_host_of_its_url() -> None:
    exposure = Exposure(type="Ingress", url="https://tool.example.com", ingress_class="alb", tls_secret="tool-tls")
    spec = workload(exposure=exposure).only("Ingress")["spec"]
    assert spec["tls"] == [{"hosts": ["tool.example.com"], "secretName": "tool-tls"}]
    assert spec["rules"][0]["host"] == "tool.example.com"


def test_an_agent_tolerates_every_taint_and_lives_in_the_agents_namespace() -> None:
    made = workload(kind="DaemonSet", agent=True, user=0, service_ports={})
    assert made.only("DaemonSet")["metadata"]["namespace"] == "monitoring-agents"
    assert pod(made, "DaemonSet")["tolerations"] == [{"operator": "Exists"}]
