"""The span store in its three modes."""

from typing import Any

import pulumi

from components.elasticsearch import Elasticsearch, ElasticsearchArgs
from components.settings.tools import SpanStoreSettings
from tests.components.recording import Recording, record, shared

IN_VPC: dict[str, Any] = {"vpc_id": "vpc-1", "subnet_ids": ("subnet-1", "subnet-2"), "client_cidrs": ("10.0.0.0/16",)}


def store(password: str | None = None, **settings: Any) -> Recording:
    def make() -> None:
        args = ElasticsearchArgs(
            shared=shared(),
            settings=SpanStoreSettings(**settings),
            image="opensearch:2",
            password=pulumi.Output.secret(password) if password else None,
        )
        Elasticsearch("span-store", args)

    return record(make)


def test_a_managed_domain_is_inside_the_vpc_and_encrypted() -> None:
    [domain] = store(mode="managed", instance_count=2, username="admin", password="x", **IN_VPC).all("Domain")
    assert domain["vpcOptions"]["subnetIds"] == ["subnet-1", "subnet-2"]
    assert domain["encryptAtRest"] == {"enabled": True}
    assert domain["nodeToNodeEncryption"] == {"enabled": True}
    assert domain["domainEndpointOptions"]["enforceHttps"] is True
    assert domain["advancedSecurityOptions"]["value"]["internalUserDatabaseEnabled"] is True
    assert domain["clusterConfig"]["zoneAwarenessConfig"] == {"availabilityZoneCount": 2}


def test_only_the_declared_ranges_reach_the_domain() -> None:
    [group] = store(mode="managed", instance_count=2, **IN_VPC).all("SecurityGroup")
    assert [rule["cidrBlocks"] for rule in group["ingress"]] == [["10.0.0.0/16"]]
    assert "egress" not in group


def test_in_cluster_nodes_know_their_peers_and_each_has_a_volume() -> None:
    made = store(mode="in_cluster", instance_count=3)
    assert len(made.all("PersistentVolumeClaim")) == 3
    [container] = made.only("StatefulSet")["spec"]["template"]["spec"]["containers"]
    env = {one["name"]: one.get("value") for one in container["env"]}
    assert env["cluster.initial_cluster_manager_nodes"] == "opensearch-0,opensearch-1,opensearch-2"
    assert env["discovery.seed_hosts"] == "opensearch-peers"
    assert "discovery.type" not in env


def test_an_external_store_makes_nothing() -> None:
    made = store(mode="external", url="https://spans.example.com:9200").resources
    assert [one.type for one in made] == ["observability:index:Elasticsearch"]
