"""Are the node's native files well-formed once filled in, and does nothing of it listen beyond the bridge?"""

import json
import tomllib
from typing import Any

import pytest
import yaml

from sandbox.node import layout

KUBEADM = {"kubernetes_version": "v1.34.4", "coredns_tag": "v1", "etcd_tag": "3", "patches_dir": "/patches"}


def kubeadm(kind: str) -> dict[str, Any]:
    documents = yaml.safe_load_all(layout.render("kubeadm.yaml", **KUBEADM))
    return next(document for document in documents if document["kind"] == kind)


def argument(part: dict[str, Any], name: str) -> str:
    return str(next(entry["value"] for entry in part["extraArgs"] if entry["name"] == name))


def test_control_plane_listens_on_the_nodes_address_only() -> None:
    cluster = kubeadm("ClusterConfiguration")
    for part in ("apiServer", "controllerManager", "scheduler"):
        assert argument(cluster[part], "bind-address") == layout.NODE_IP
    assert argument(cluster["etcd"]["local"], "listen-metrics-urls") == f"http://{layout.NODE_IP}:2381"


def test_kubelet_and_kube_proxy_listen_on_the_nodes_address_or_loopback() -> None:
    kubelet = kubeadm("KubeletConfiguration")
    assert (kubelet["address"], kubelet["healthzBindAddress"]) == (layout.NODE_IP, "127.0.0.1")
    assert kubelet["readOnlyPort"] == 0
    proxy = yaml.safe_load(layout.render("kube-proxy.yaml"))
    assert {proxy[key].split(":")[0] for key in ("bindAddress", "metricsBindAddress", "healthzBindAddress")} == {
        layout.NODE_IP
    }
    assert proxy["nodePortAddresses"] == [layout.NODE_CIDR]


def test_simulated_cluster_listens_on_loopback_and_downloads_nothing() -> None:
    options = yaml.safe_load(layout.render("kwokctl.yaml", bin="/bin", kubernetes_version="v1.34.4"))["options"]
    assert options["bindAddress"] == "127.0.0.1"
    binaries = [value for key, value in options.items() if key.endswith("Binary")]
    assert len(binaries) == 6
    assert all(value.startswith("/bin/") for value in binaries)


def test_containerd_shares_nothing_with_the_machines_own() -> None:
    config = tomllib.loads(layout.render("containerd.toml", pause_image="registry.k8s.io/pause:3.10.1"))
    places = [config["root"], config["state"], config["grpc"]["address"], config["ttrpc"]["address"]]
    assert all(place.startswith((str(layout.node_dir()), str(layout.RUN_DIR))) for place in places)
    cri = config["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["sandbox_image"] == "registry.k8s.io/pause:3.10.1"
    assert cri["restrict_oom_score_adj"] is True


def test_pods_get_addresses_of_the_pod_network() -> None:
    conflist = json.loads(layout.render("cni.conflist"))
    assert conflist["plugins"][0]["ipam"]["ranges"] == [[{"subnet": layout.POD_CIDR}]]


def test_storage_class_is_the_default_and_can_grow() -> None:
    storage_class = yaml.safe_load(layout.render("storage-class.yaml"))
    assert storage_class["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true"
    assert storage_class["allowVolumeExpansion"] is True
    assert storage_class["volumeBindingMode"] == "WaitForFirstConsumer"


def test_a_placeholder_without_a_value_is_an_error() -> None:
    with pytest.raises(KeyError, match="pause_image"):
        layout.render("containerd.toml")
