"""Is the node a real one: does what a manifest asks for apply, and does it come back after a part was killed?"""

import json
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from sandbox import node
from sandbox.errors import SandboxError
from sandbox.node import commands, layout, preflight
from sandbox.paths import repo_root
from sandbox.toolchain import images
from tests.waiting import eventually

NAMESPACE = "node-test"
pytestmark = [pytest.mark.real_node, pytest.mark.full]


def kubectl(*args: str) -> str:
    return commands.kubectl(node.kubeconfig(), *args, timeout_seconds=120)


def in_pod(command: str) -> str:
    return kubectl("-n", NAMESPACE, "exec", "deploy/web", "--", "sh", "-c", command)


@pytest.fixture(scope="module", autouse=True)
def workload() -> Iterator[None]:
    node.import_images(images.ensure(["docker.io/library/busybox:1.35.0"]).values())
    kubectl("apply", "-f", str(repo_root() / "tests" / "node_workload.yaml"))
    kubectl("-n", NAMESPACE, "rollout", "status", "deploy/web", "--timeout=90s")
    yield
    kubectl("delete", "namespace", NAMESPACE, "--timeout=90s")


def test_security_context_applies_and_the_disk_belongs_to_the_group() -> None:
    assert in_pod("id -u; stat -c %g /data").split() == ["1234", "2345"]
    with pytest.raises(SandboxError, match="Read-only file system"):
        in_pod("touch /anywhere")


def test_a_service_is_reached_by_name() -> None:
    assert served()
    assert in_pod("wget -q -O - http://web.node-test.svc.cluster.local/") == "served\n"


def test_a_pod_that_asks_for_too_much_is_refused() -> None:
    with pytest.raises(SandboxError, match='violates PodSecurity "restricted:latest"'):
        kubectl("-n", NAMESPACE, "run", "root", "--image=docker.io/library/busybox:1.35.0")


def test_a_disk_can_be_full_and_grows_in_use() -> None:
    assert "No space left on device" in in_pod("dd if=/dev/zero of=/data/full bs=1M 2>&1 || true")
    request = {"spec": {"resources": {"requests": {"storage": "500Mi"}}}}
    kubectl("-n", NAMESPACE, "patch", "pvc", "data", "-p", json.dumps(request))
    eventually(lambda: claim()["status"]["capacity"]["storage"] == "500Mi", 30)
    in_pod("dd if=/dev/zero of=/data/more bs=1M count=50 && rm /data/more /data/full")


def test_the_kubelet_reports_a_disks_use() -> None:
    def used_bytes() -> float:
        metrics = kubectl("get", "--raw", f"/api/v1/nodes/{layout.NODE_NAME}/proxy/metrics").splitlines()
        wanted = f'kubelet_volume_stats_used_bytes{{namespace="{NAMESPACE}",persistentvolumeclaim="data"}}'
        return sum(float(line.split()[-1]) for line in metrics if line.startswith(wanted))

    assert eventually(used_bytes, 150) > 0


def test_more_memory_than_the_limit_is_the_end_of_the_container() -> None:
    with pytest.raises(SandboxError, match="exit code 137"):
        in_pod("tail /dev/zero")


def test_nothing_listens_beyond_loopback_and_the_bridge() -> None:
    programs = {*preflight.PORTS.values(), "containerd"}
    wide = [
        (name, connection.laddr.ip)
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
        and connection.laddr
        and (name := psutil.Process(connection.pid).name() if connection.pid else "")
        and any(program.startswith(name) for program in programs)
        and not connection.laddr.ip.startswith(("127.", layout.NODE_IP))
    ]
    assert wide == []


@pytest.mark.parametrize("program", ["kubelet", "kube-proxy", "containerd", "kube-apiserver", "etcd"])
def test_up_mends_what_was_killed_and_keeps_what_runs(program: str) -> None:
    before = pod_identities()
    for process in psutil.process_iter(["name"]):
        if process.info["name"] == program:
            process.kill()
    node.up()
    eventually(served, 180)
    assert pod_identities() == before


def test_up_of_a_node_that_is_well_takes_seconds() -> None:
    began = time.monotonic()
    node.up()
    assert time.monotonic() - began < 10


def served() -> bool:
    try:
        return in_pod("wget -q -O - http://web/") == "served\n"
    except SandboxError:
        return False


def claim() -> Any:
    return json.loads(kubectl("-n", NAMESPACE, "get", "pvc", "data", "-o", "json"))


def pod_identities() -> list[str]:
    return kubectl("-n", NAMESPACE, "get", "pods", "-o", "jsonpath={.items[*].metadata.uid}").split()
