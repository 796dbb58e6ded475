"""Loki as microservices: the objects that it asks for."""

import re
from typing import Any

import pulumi
import pytest
import yaml

from components.loki import service_accounts
from components.loki_microservices import KEEP
from components.settings.base import Exposure
from components.settings.loki import LokiSettings, MicroserviceSettings
from rendering.loki_size import NAMES
from tests.components.recording import Recording, pod
from tests.components.test_loki import loki


def apart(**rest: Any) -> Recording:
    return loki(settings=LokiSettings(layout="microservices", **rest), log_gb_per_day=100)


def configuration(recorded: Recording) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(recorded.only("ConfigMap", "loki-config")["data"]["loki.yaml"])
    return found


def workloads(recorded: Recording) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for kind in ("Deployment", "StatefulSet") for one in recorded.all(kind)}


@pytest.mark.parametrize("name", NAMES)
def test_each_is_a_workload_that_runs_its_own_target(name: str) -> None:
    recorded = apart()
    workload = workloads(recorded)[f"loki-{name}"]
    [container] = pod(workload)["containers"]

    assert f"-target={name}" in container["args"]
    assert ("volumeClaimTemplates" in workload["spec"]) == (name in KEEP)
    budgets = {one["metadata"]["name"] for one in recorded.all("PodDisruptionBudget")}
    assert (f"loki-{name}" in budgets) == (workload["spec"]["replicas"] > 1)


def test_under_lokis_own_name_answers_what_knows_where_each_request_goes() -> None:
    recorded = apart()
    router = recorded.only("Deployment", "loki")
    text = recorded.only("ConfigMap", "loki-router-config")["data"]["nginx.conf"]

    assert router["spec"]["replicas"] == 2
    assert [port["port"] for port in recorded.only("Service", "loki")["spec"]["ports"]] == [3100]
    hosts = {host: int(port) for host, port in re.findall(r"proxy_pass http://([a-z-]+):(\d+);", text)}
    assert hosts == dict.fromkeys(("loki-distributor", "loki-ruler", "loki-compactor", "loki-query-frontend"), 3100)
    for host in hosts:
        assert recorded.only("Service", host)["spec"]["ports"][0]["port"] == 3100


def test_whom_each_asks_is_a_name_that_there_is() -> None:
    recorded = apart()
    config = configuration(recorded)
    asked = [
        config["common"]["compactor_grpc_address"],
        config["frontend"]["scheduler_address"],
        config["frontend_worker"]["scheduler_address"],
        config["storage_config"]["tsdb_shipper"]["index_gateway_client"]["server_address"].removeprefix("dns+"),
        config["frontend"]["tail_proxy_url"].removeprefix("http://"),
        *config["memberlist"]["join_members"],
    ]
    ports = {
        f"{one['metadata']['name']}.{one['metadata']['namespace']}:{port['port']:.0f}"
        for one in recorded.all("Service")
        for port in one["spec"]["ports"]
    }
    assert set(asked) <= ports
    assert config["common"]["replication_factor"] == 3


def test_a_microservice_may_be_of_another_size() -> None:
    recorded = apart(microservices={"querier": MicroserviceSettings(replicas=7)})

    assert workloads(recorded)["loki-querier"]["spec"]["replicas"] == 7
    assert workloads(recorded)["loki-ingester"]["spec"]["replicas"] == 3


def test_all_that_read_the_bucket_may_take_its_role() -> None:
    recorded = loki(
        settings=LokiSettings(layout="microservices"), log_gb_per_day=100, role_arn="arn:aws:iam::1:role/loki"
    )
    with_role = {
        one["metadata"]["name"] for one in recorded.all("ServiceAccount") if one["metadata"].get("annotations")
    }
    assert with_role == set(service_accounts(LokiSettings(layout="microservices")))
    assert service_accounts(LokiSettings()) == ("loki",)


def test_outside_reaches_the_gateway_here_too() -> None:
    exposure = Exposure(type="NodePort", url="http://10.0.0.1:30100", node_port=30100)
    recorded = loki(
        settings=LokiSettings(layout="microservices", exposure=exposure),
        log_gb_per_day=100,
        gateway_htpasswd=pulumi.Output.secret("a:hash"),
    )
    assert recorded.only("Deployment", "loki-gateway")["spec"]["replicas"] == 2
    assert recorded.only("Service", "loki")["spec"]["type"] == "ClusterIP"
