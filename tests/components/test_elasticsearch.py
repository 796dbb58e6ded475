"""The span store in its three modes."""

import json
from typing import Any

import pulumi
import yaml

from components.elasticsearch import Elasticsearch, ElasticsearchArgs
from components.settings.span_store import SpanStoreSettings
from tests.certificate import CERTIFICATE
from tests.components.recording import Recording, environment, pod, record, shared
from tests.span_stores import IN_CLUSTER

MANAGED: dict[str, Any] = {
    "mode": "managed",
    "vpc_id": "vpc-1",
    "subnet_ids": ("subnet-1", "subnet-2"),
    "client_cidrs": ("10.0.0.0/16",),
    "instance_count": 2,
    "username": "jaeger",
    "master_username": "administrator",
}
THREE_NODES = IN_CLUSTER | {"instance_count": 3}
EXTERNAL: dict[str, Any] = {"mode": "external", "url": "https://spans.example.com:9200"}
PASSWORD, MASTER_PASSWORD, KEY = "jaegers-own", "administrators-own", "the-private-key"


def store(password: str = PASSWORD, **settings: Any) -> Recording:
    def make() -> None:
        args = ElasticsearchArgs(
            shared=shared(),
            settings=SpanStoreSettings(**settings),
            image="opensearch:2",
            python_image="python:3",
            index_prefix="test",
            retention_hours=72,
            password=pulumi.Output.secret(password) if "username" in settings else None,
            master_password=pulumi.Output.secret(MASTER_PASSWORD),
            key=pulumi.Output.secret(KEY),
        )
        Elasticsearch("span-store", args)

    return record(make)


def test_a_managed_domain_is_inside_the_vpc_encrypted_and_lets_nobody_in_without_a_login() -> None:
    [domain] = store(**MANAGED).all("Domain")
    assert domain["vpcOptions"]["subnetIds"] == ["subnet-1", "subnet-2"]
    assert domain["encryptAtRest"] == {"enabled": True}
    assert domain["nodeToNodeEncryption"] == {"enabled": True}
    assert domain["domainEndpointOptions"]["enforceHttps"] is True
    users = domain["advancedSecurityOptions"]["value"]
    assert users["internalUserDatabaseEnabled"] is True
    assert users["masterUserOptions"]["masterUserName"] == "administrator"
    assert domain["clusterConfig"]["zoneAwarenessConfig"] == {"availabilityZoneCount": 2}


def test_only_the_declared_ranges_reach_the_domain() -> None:
    [group] = store(**MANAGED).all("SecurityGroup")
    assert [rule["cidrBlocks"] for rule in group["ingress"]] == [["10.0.0.0/16"]]
    assert "egress" not in group


def test_a_job_makes_the_user_with_the_administrators_password_as_a_file() -> None:
    made = store(**MANAGED)
    [container] = pod(made.only("Job"))["containers"]
    assert container["command"][-1] == "users"
    assert environment(container)["SPAN_STORE_USERNAME"] == "jaeger"
    assert environment(container)["SPAN_STORE_MASTER_USERNAME"] == "administrator"
    assert "/etc/span-store/master" in {one["mountPath"] for one in container["volumeMounts"]}


def test_the_user_may_touch_its_own_environments_indices_only() -> None:
    role = json.loads(store(**MANAGED).only("ConfigMap", "span-store-role")["data"]["role.json"])
    rights = {
        pattern: set(one["allowed_actions"])
        for one in role["permissions"]["index_permissions"]
        for pattern in one["index_patterns"]
    }
    assert rights.keys() == {"test-jaeger-*", "*"}
    assert rights["*"] == {"indices:monitor/*"}
    assert not {"*", "indices:*", "cluster_all"} & {
        *role["permissions"]["cluster_permissions"],
        *rights["test-jaeger-*"],
    }


def test_the_job_runs_again_when_a_password_changes_and_tells_none() -> None:
    jobs = [store(password, **MANAGED).only("Job") for password in (PASSWORD, PASSWORD, "another-one")]
    first, same, other = (job["spec"]["template"]["metadata"]["annotations"] for job in jobs)
    assert first == same != other
    assert all(secret not in json.dumps(jobs) for secret in (PASSWORD, MASTER_PASSWORD))


def test_in_cluster_nodes_know_their_peers_and_each_has_a_volume() -> None:
    made = store(**THREE_NODES)
    claims = {one["metadata"]["name"] for one in made.all("PersistentVolumeClaim")}
    assert claims == {"data-opensearch-0", "data-opensearch-1", "data-opensearch-2", "opensearch-snapshots"}
    told = made.only("ConfigMap", "opensearch-config")["data"]["opensearch.yml"]
    assert "cluster.initial_cluster_manager_nodes:\n- opensearch-0\n- opensearch-1\n- opensearch-2\n" in told
    assert "discovery.seed_hosts:\n- opensearch-peers\n" in told
    assert "single-node" not in told


def test_in_cluster_has_tls_and_users_and_its_secrets_in_secrets_only() -> None:
    made = store(**THREE_NODES)
    told = made.only("ConfigMap", "opensearch-config")["data"]
    assert "plugins.security.ssl.http.enabled: true" in told["opensearch.yml"]
    assert "plugins.security.disabled" not in told["opensearch.yml"]
    for secret in (PASSWORD, MASTER_PASSWORD, KEY):
        assert all(secret not in json.dumps(one) for one in made.all("ConfigMap") + made.all("StatefulSet"))
    assert made.only("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_in_cluster_every_node_mounts_the_one_volume_that_snapshots_go_to() -> None:
    made = store(**THREE_NODES)
    claim = made.only("PersistentVolumeClaim", "opensearch-snapshots")["spec"]
    assert (claim["accessModes"], claim["storageClassName"]) == (["ReadWriteMany"], "efs")
    assert claim["resources"]["requests"] == {"storage": "30Gi"}
    spec = pod(made.only("StatefulSet"))
    [volume] = [one["name"] for one in spec["volumes"] if one.get("persistentVolumeClaim")]
    [mount] = [one for one in spec["containers"][0]["volumeMounts"] if one["name"] == volume]
    told = yaml.safe_load(made.only("ConfigMap", "opensearch-config")["data"]["opensearch.yml"])
    assert [mount["mountPath"]] == told["path.repo"]


def test_in_cluster_a_job_takes_snapshots_as_the_administrator() -> None:
    job = store(**THREE_NODES).only("CronJob", "span-store-snapshots")
    [container] = pod(job)["containers"]
    assert container["command"][-1] == "snapshot"
    told = environment(container)
    assert told["SPAN_STORE_MASTER_USERNAME"] == "administrator"
    assert (told["SPAN_STORE_INDEX_PREFIX"], told["SPAN_STORE_RETENTION_HOURS"]) == ("test", "72")
    assert "/etc/span-store/master" in {one["mountPath"] for one in container["volumeMounts"]}
    assert not store(**MANAGED).all("CronJob")


def test_an_external_store_without_an_administrator_is_used_as_it_is() -> None:
    made = store(**EXTERNAL, username="jaeger", ca=CERTIFICATE)
    kinds = sorted(one.type.rpartition(":")[2] for one in made.resources)
    assert kinds == ["ConfigMap", "ConfigMap", "Elasticsearch", "Secret"]
    assert made.only("ConfigMap", "span-store-ca")["data"] == {"ca.crt": CERTIFICATE}
