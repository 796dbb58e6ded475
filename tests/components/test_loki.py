"""Loki, Promtail: the objects they ask for."""

from typing import Any

import pulumi
import pytest
import yaml

from components.loki import Loki, LokiArgs, chunk_prefixes
from components.settings.base import Exposure
from components.settings.loki import LokiSettings, MemcachedSettings
from components.shared import Endpoint
from tests.components.recording import Recording, environment, pod, record, shared

ALERTMANAGER = Endpoint(name="alertmanager", namespace="monitoring", port=9093)
PROMETHEUS = Endpoint(name="prometheus", namespace="monitoring", port=9090)


def loki(**overrides: Any) -> Recording:
    plain: dict[str, Any] = {
        "shared": shared(),
        "settings": LokiSettings(),
        "image": "loki:1",
        "busybox_image": "busybox:1",
        "memcached_image": "memcached:1",
        "nginx_image": "nginx:1",
        "bucket": "logs",
        "region": "eu-west-1",
        "service_count": 9,
        "nodes": 1,
        "log_gb_per_day": 10,
        "alertmanager": ALERTMANAGER,
        "prometheus": PROMETHEUS,
        "rules": {"alerts-logs.yaml": "groups: []\n"},
    }
    return record(lambda: Loki("loki", LokiArgs(**{**plain, **overrides})))


def test_the_configuration_names_the_stacks_bucket() -> None:
    config = loki().only("ConfigMap", "loki-config")["data"]
    s3 = yaml.safe_load(config["loki.yaml"])["common"]["storage"]["s3"]
    assert (s3["bucketnames"], s3["region"]) == ("logs", "eu-west-1")


def test_limits_follow_from_the_clusters_nodes() -> None:
    def limits(nodes: int) -> dict[str, Any]:
        config = loki(nodes=nodes).only("ConfigMap", "loki-config")["data"]
        found: dict[str, Any] = yaml.safe_load(config["loki.yaml"])["limits_config"]
        return found

    assert limits(4)["ingestion_rate_mb"] == 4 * limits(1)["ingestion_rate_mb"]
    assert limits(4)["max_global_streams_per_user"] > limits(1)["max_global_streams_per_user"]


def test_the_rules_are_mounted_where_the_ruler_looks_for_its_one_tenant() -> None:
    recorded = loki()
    directory = yaml.safe_load(recorded.only("ConfigMap", "loki-config")["data"]["loki.yaml"])["ruler"]["storage"]
    mounts = {
        one["name"]: one["mountPath"] for one in pod(recorded.only("StatefulSet"))["containers"][0]["volumeMounts"]
    }
    assert mounts["rules"] == f"{directory['local']['directory']}/fake"
    assert recorded.only("ConfigMap", "loki-rules")["data"] == {"alerts-logs.yaml": "groups: []\n"}


def test_with_tenants_every_request_names_one_and_the_rules_are_the_environments_own() -> None:
    settings = LokiSettings(tenants=("team-a",))
    recorded = loki(settings=settings)
    [container] = pod(recorded.only("StatefulSet"))["containers"]
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    assert yaml.safe_load(recorded.only("ConfigMap", "loki-config")["data"]["loki.yaml"])["auth_enabled"] is True
    assert mounts["rules"].endswith("/rules/test")
    assert chunk_prefixes(settings, "test") == ("fake/", "test/", "team-a/")


def test_without_tenants_chunks_are_in_one_place() -> None:
    assert chunk_prefixes(LokiSettings(), "test") == ("fake/",)


def test_what_is_in_memory_has_minutes_to_reach_s3_at_a_stop() -> None:
    assert pod(loki().only("StatefulSet"))["terminationGracePeriodSeconds"] >= 300


def test_the_write_ahead_log_is_on_the_volume() -> None:
    recorded = loki()
    wal = yaml.safe_load(recorded.only("ConfigMap", "loki-config")["data"]["loki.yaml"])["ingester"]["wal"]
    mounts = {
        one["name"]: one["mountPath"] for one in pod(recorded.only("StatefulSet"))["containers"][0]["volumeMounts"]
    }
    assert wal["enabled"] is True
    assert wal["dir"].startswith(f"{mounts['data']}/")


def test_keys_of_s3_come_by_reference_and_only_where_there_are_keys() -> None:
    keys = {name: pulumi.Output.secret("value") for name in ("s3_access_key_id", "s3_secret_access_key")}
    variables = environment(pod(loki(s3_keys=keys).only("StatefulSet"))["containers"][0])
    assert variables["AWS_ACCESS_KEY_ID"] == {"secretKeyRef": {"name": "loki-s3-keys", "key": "s3_access_key_id"}}
    assert "AWS_ACCESS_KEY_ID" not in environment(pod(loki().only("StatefulSet"))["containers"][0])


def test_in_production_the_role_is_the_service_accounts() -> None:
    account = loki(role_arn="arn:aws:iam::1:role/loki").only("ServiceAccount")
    assert account["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/loki"}


def test_an_object_store_of_ones_own_is_waited_for() -> None:
    [waiting] = pod(loki(s3_endpoint="http://10.0.0.1:5000").only("StatefulSet"))["initContainers"]
    assert environment(waiting)["HOST"] == "10.0.0.1"
    assert environment(waiting)["PORT"] == "5000"
    assert "initContainers" not in pod(loki().only("StatefulSet"))


def test_a_change_of_configuration_rolls_the_pod_and_a_change_of_rules_does_not() -> None:
    def mark(recorded: Recording) -> str:
        annotations = recorded.only("StatefulSet")["spec"]["template"]["metadata"]["annotations"]
        return str(annotations["observability-stack/config"])

    assert mark(loki()) != mark(loki(bucket="other"))
    assert mark(loki()) == mark(loki(rules={"alerts-logs.yaml": "groups: [{name: other, rules: []}]\n"}))


def test_replicas_find_each_other_by_names_of_their_own() -> None:
    recorded = loki(settings=LokiSettings(replicas=3))
    document = yaml.safe_load(recorded.only("ConfigMap", "loki-config")["data"]["loki.yaml"])
    peers = recorded.only("Service", "loki-peers")
    assert document["memberlist"]["join_members"] == ["loki-peers.monitoring:7946"]
    assert [port["port"] for port in peers["spec"]["ports"]] == [7946]
    # They have to find each other to become ready.
    assert peers["spec"]["publishNotReadyAddresses"] is True
    assert recorded.only("StatefulSet")["spec"]["replicas"] == 3


def test_replicas_share_two_caches_which_are_asked_by_the_names_that_they_have() -> None:
    recorded = loki(settings=LokiSettings(replicas=3, memcached=MemcachedSettings(chunks_mib=2048)))
    document = yaml.safe_load(recorded.only("ConfigMap", "loki-config")["data"]["loki.yaml"])
    asked = {
        "loki-chunks-cache": document["chunk_store_config"]["chunk_cache_config"],
        "loki-results-cache": document["query_range"]["results_cache"]["cache"],
    }
    for tool, cache in asked.items():
        assert cache["memcached_client"]["addresses"] == f"dns+{tool}-peers.monitoring:11211"
        assert cache["embedded_cache"]["enabled"] is False
        assert recorded.only("Service", f"{tool}-peers")["spec"]["clusterIP"] == "None"
        assert recorded.only("Deployment", tool)["spec"]["replicas"] == 2
        assert recorded.only("PodDisruptionBudget", tool)["spec"]["maxUnavailable"] == 1
    [container] = pod(recorded.only("Deployment", "loki-chunks-cache"))["containers"]
    assert container["image"] == "memcached:1"
    assert "--memory-limit=2048" in container["args"]


def test_a_full_cache_stays_below_what_counts_as_short_of_memory() -> None:
    for kept_mib in (64, 512, 8192):
        recorded = loki(settings=LokiSettings(replicas=3, results_cache_mib=kept_mib))
        [container] = pod(recorded.only("Deployment", "loki-results-cache"))["containers"]
        limit_mib = int(container["resources"]["limits"]["memory"].removesuffix("Mi"))
        assert kept_mib < 0.8 * limit_mib


def test_replicas_are_spread_over_nodes_and_zones() -> None:
    recorded = loki(settings=LokiSettings(replicas=3))
    for kind, tool in (("StatefulSet", "loki"), ("Deployment", "loki-chunks-cache")):
        spread = {one["topologyKey"] for one in pod(recorded.only(kind, tool))["topologySpreadConstraints"]}
        assert spread == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}


def test_one_process_has_its_caches_in_its_own_memory() -> None:
    recorded = loki()
    assert recorded.all("Deployment") == []
    assert "memcached_client" not in recorded.only("ConfigMap", "loki-config")["data"]["loki.yaml"]


OUTSIDE = Exposure(type="NodePort", url="http://10.0.0.1:30100", node_port=30100)


def test_what_is_reachable_from_outside_is_the_gateway_and_not_loki() -> None:
    recorded = loki(settings=LokiSettings(exposure=OUTSIDE), gateway_htpasswd=pulumi.Output.secret("a:hash"))
    [port] = recorded.only("Service", "loki-gateway")["spec"]["ports"]
    assert (port["port"], port["nodePort"]) == (3100, 30100)
    assert recorded.only("Service", "loki")["spec"]["type"] == "ClusterIP"
    [container] = pod(recorded.only("Deployment", "loki-gateway"))["containers"]
    assert container["image"] == "nginx:1"
    mounted = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    text = recorded.only("ConfigMap", "loki-gateway-config")["data"]["nginx.conf"]
    assert f"auth_basic_user_file {mounted['users']}/htpasswd;" in text
    assert f"{mounted['config']}/nginx.conf" in container["command"]


def test_a_loki_for_the_inside_has_no_gateway_and_one_of_three_has_two() -> None:
    assert "loki-gateway" not in str(loki().resources)
    three = loki(settings=LokiSettings(exposure=OUTSIDE, replicas=3), gateway_htpasswd=pulumi.Output.secret("a:hash"))
    assert three.only("Deployment", "loki-gateway")["spec"]["replicas"] == 2


def test_users_of_the_gateway_may_be_in_somebody_elses_secret() -> None:
    recorded = loki(settings=LokiSettings(exposure=OUTSIDE), shared=shared(existing_secrets=("loki-gateway",)))
    assert recorded.all("Secret") == []
    users = [one for one in pod(recorded.only("Deployment", "loki-gateway"))["volumes"] if one["name"] == "users"]
    assert users[0]["secret"]["secretName"] == "loki-gateway"


def test_two_replicas_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^loki.replicas is 2; set 1, or 3 or more"):
        loki(settings=LokiSettings(replicas=2))
