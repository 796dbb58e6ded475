"""Alloy in Promtail's place: the objects it asks for."""

from pathlib import Path

import yaml

from components.alloy import Alloy, AlloyArgs
from components.promtail import PromtailArgs
from components.settings.loki import LokiSettings
from components.settings.tools import LogsSettings
from components.shared import Endpoint
from rendering.declarations import load_services
from tests.components.recording import Recording, environment, pod, record, shared

SERVICES = load_services(Path(__file__).resolve().parents[2] / "configs" / "services.yaml")


def alloy() -> Recording:
    args = AlloyArgs(
        collector=PromtailArgs(
            shared=shared(),
            settings=LogsSettings(collector="alloy"),
            image="alloy:1",
            services=SERVICES,
            loki=Endpoint(name="loki", namespace="monitoring", port=3100),
            limits=LokiSettings(),
        ),
        busybox_image="busybox:1",
    )
    return record(lambda: Alloy("alloy", args))


def test_it_gets_promtails_pipelines_and_nothing_it_cannot_read() -> None:
    document = yaml.safe_load(alloy().only("ConfigMap", "alloy-config")["data"]["promtail.yaml"])
    assert {config["job_name"] for config in document["scrape_configs"]} == {
        "kubernetes-pods",
        "systemd-journal",
        "node-files",
    }
    assert not {"server", "limits_config", "wal"} & set(document)


def test_the_nodes_name_is_put_in_before_it_starts() -> None:
    spec = pod(alloy().only("DaemonSet"))
    [naming] = spec["initContainers"]
    assert environment(naming)["NODE"] == {"fieldRef": {"fieldPath": "spec.nodeName"}}
    text = alloy().only("ConfigMap", "alloy-config")["data"]["promtail.yaml"]
    assert "node: NAME-OF-THIS-NODE" in text
    assert "NAME-OF-THIS-NODE" in naming["command"][-1]


def test_it_asks_for_the_pods_of_its_own_node_alone() -> None:
    [naming] = pod(alloy().only("DaemonSet"))["initContainers"]
    document = yaml.safe_load(alloy().only("ConfigMap", "alloy-config")["data"]["promtail.yaml"])
    [discovery] = document["scrape_configs"][0]["kubernetes_sd_configs"]
    assert discovery["selectors"] == [{"role": "pod", "field": "spec.nodeName=NAME-OF-THIS-NODE"}]
    # as many lines hold the name as there are places; sed changes one in a line
    assert "s/NAME-OF-THIS-NODE/$NODE/" in naming["command"][-1]


def test_it_goes_on_where_promtail_stopped_and_leaves_its_record_as_it_is() -> None:
    spec = pod(alloy().only("DaemonSet"))
    [container] = spec["containers"]
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    document = yaml.safe_load(alloy().only("ConfigMap", "alloy-config")["data"]["promtail.yaml"])
    mount = mounts["promtails-positions"]
    assert document["positions"]["filename"] == f"{mount['mountPath']}/positions.yaml"
    assert mount["readOnly"]
    assert volumes["promtails-positions"]["hostPath"]["path"].endswith("-promtail")
    assert volumes["storage"]["hostPath"]["path"].endswith("-alloy")


def test_a_part_that_waits_is_no_reason_to_restart() -> None:
    [container] = pod(alloy().only("DaemonSet"))["containers"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/metrics"  # /-/healthy wants every part to be well


def test_it_may_see_pods_and_nothing_else() -> None:
    recorded = alloy()
    [rule] = recorded.only("ClusterRole")["rules"]
    assert (rule["resources"], rule["verbs"]) == (["pods"], ["get", "list", "watch"])
    assert recorded.only("ClusterRoleBinding")["subjects"][0]["name"] == "alloy"
