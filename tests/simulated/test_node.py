"""Does the simulated node keep its word: a real API, pods that look like running, and nothing left afterwards?"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from sandbox import node
from sandbox.errors import SandboxError
from sandbox.node import commands, simulated
from sandbox.paths import repo_root
from tests.waiting import eventually

NAME = "test-simulated"
MANIFEST = repo_root() / "tests" / "node_workload.yaml"


@pytest.fixture(scope="module")
def kubeconfig() -> Iterator[Path]:
    with node.simulated_cluster(NAME) as path:
        yield path
    assert NAME not in simulated.names()
    assert [process.pid for process in psutil.process_iter(["cmdline"]) if str(path.parent) in words(process)] == []


def words(process: psutil.Process) -> str:
    return " ".join(process.info["cmdline"] or [])


def kubectl(kubeconfig: Path, *args: str) -> Any:
    return json.loads(commands.kubectl(kubeconfig, *args, "-o", "json"))


def test_nodes_have_the_size_of_a_clouds_machines(kubeconfig: Path) -> None:
    sizes = [item["status"]["allocatable"] for item in kubectl(kubeconfig, "get", "nodes")["items"]]
    assert sizes == [{"cpu": "4", "memory": "16Gi", "pods": "110"}] * simulated.NODES


def test_a_workload_with_a_claim_looks_like_running(kubeconfig: Path) -> None:
    commands.kubectl(kubeconfig, "apply", "-f", MANIFEST)

    def phases() -> bool:
        pods, claims = (kubectl(kubeconfig, "-n", "node-test", "get", kind)["items"] for kind in ("pods", "pvc"))
        return [item["status"]["phase"] for item in pods + claims] == ["Running", "Bound"]

    eventually(phases, 60)


def test_admission_is_the_real_one(kubeconfig: Path) -> None:
    with pytest.raises(SandboxError, match='violates PodSecurity "restricted:latest"'):
        commands.kubectl(kubeconfig, "-n", "node-test", "run", "root", "--image=docker.io/library/busybox:1.35.0")


def test_its_kubeconfig_is_for_the_owner_only(kubeconfig: Path) -> None:
    assert kubeconfig.stat().st_mode & 0o777 == 0o600
