"""What each stack file makes of the whole program: facts that no component can see alone."""

import json
import subprocess
import sys
from collections import Counter
from functools import cache
from typing import Any

import pytest
import yaml

from sandbox.paths import repo_root
from tests.program.on_mocks import HIDDEN

STACKS = ("prod", "sandbox", "staging")
MAY_HOLD_SECRETS = ("kubernetes:core/v1:Secret", "aws:opensearch/domain:Domain")
CONFIG_MAP_BYTES = 1024 * 1024
PODS = ("Deployment", "StatefulSet", "DaemonSet", "CronJob")

Resource = dict[str, Any]


@cache
def resources(stack: str) -> tuple[Resource, ...]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.program.on_mocks", stack],
        cwd=repo_root(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return tuple(json.loads(done.stdout))


def of_kind(stack: str, *kinds: str) -> list[Resource]:
    return [one for one in resources(stack) if one["type"].rsplit(":", 1)[1] in kinds]


def pods(stack: str) -> list[Resource]:
    """The pod specs of all workloads."""
    found = []
    for one in of_kind(stack, *PODS):
        spec = one["inputs"]["spec"]
        spec = spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec
        found.append(spec["template"]["spec"])
    return found


@pytest.mark.parametrize("stack", STACKS)
def test_the_program_runs(stack: str) -> None:
    tools = {one["type"].removeprefix("observability:index:") for one in resources(stack)}

    assert {"Prometheus", "Alertmanager", "Grafana", "Loki", "Promtail", "Jaeger", "Exporters"} <= tools


@pytest.mark.parametrize("stack", STACKS)
def test_no_object_is_made_twice(stack: str) -> None:
    objects = Counter(
        (one["type"], one["inputs"]["metadata"].get("namespace"), one["inputs"]["metadata"]["name"])
        for one in resources(stack)
        if "metadata" in one["inputs"]
    )

    assert [which for which, count in objects.items() if count > 1] == []


@pytest.mark.parametrize("stack", STACKS)
def test_secrets_are_in_secrets_only(stack: str) -> None:
    holders = {one["type"] for one in resources(stack) if HIDDEN in json.dumps(one["inputs"])}

    assert "kubernetes:core/v1:Secret" in holders
    assert holders <= set(MAY_HOLD_SECRETS)


@pytest.mark.parametrize("stack", STACKS)
def test_every_config_map_fits(stack: str) -> None:
    sizes = {one["name"]: len(json.dumps(one["inputs"]["data"])) for one in of_kind(stack, "ConfigMap")}

    assert {name: size for name, size in sizes.items() if size > CONFIG_MAP_BYTES * 0.9} == {}


@pytest.mark.parametrize("stack", STACKS)
def test_every_config_map_and_secret_that_is_mounted_is_made(stack: str) -> None:
    made = {one["inputs"]["metadata"]["name"] for one in of_kind(stack, "ConfigMap", "Secret")}
    volumes = [volume for pod in pods(stack) for volume in pod.get("volumes", [])]

    mounted = {volume["configMap"]["name"] for volume in volumes if "configMap" in volume}
    mounted |= {volume["secret"]["secretName"] for volume in volumes if "secret" in volume}

    assert mounted
    assert mounted <= made


@pytest.mark.parametrize("stack", STACKS)
def test_every_image_is_in_the_catalogue(stack: str) -> None:
    images = yaml.safe_load((repo_root() / "configs" / "versions.yaml").read_text())["images"].values()
    known = {f"{one['image']}:{one[tag]}" for one in images for tag in ("tag", "sandbox_tag") if tag in one}

    containers = [one for pod in pods(stack) for one in (*pod["containers"], *pod.get("initContainers", []))]

    assert {container["image"] for container in containers} <= known


@pytest.mark.parametrize(("stack", "published"), [("prod", {"grafana", "jaeger-query"}), ("staging", {"grafana"})])
def test_only_these_are_published(stack: str, published: set[str]) -> None:
    services = [one["inputs"] for one in of_kind(stack, "Service")]
    balanced = [service for service in services if service["spec"].get("type") == "LoadBalancer"]

    assert {service["metadata"]["name"] for service in balanced} == published
    for service in balanced:
        assert service["spec"]["loadBalancerSourceRanges"]
        assert "0.0.0.0/0" not in service["spec"]["loadBalancerSourceRanges"]


def test_production_asks_for_what_its_cost_was_reckoned_with() -> None:
    """docs/cost.md: 1.8 CPU and 7.3 GiB of requests on four nodes, 127 GiB of volumes."""
    claims = of_kind("prod", "PersistentVolumeClaim")
    volumes_gib = [int(one["inputs"]["spec"]["resources"]["requests"]["storage"].removesuffix("Gi")) for one in claims]
    cpu_millicores = memory_mib = 0
    for one in of_kind("prod", "Deployment", "StatefulSet", "DaemonSet"):
        spec = one["inputs"]["spec"]
        pod_count = 4 if one["type"].endswith("DaemonSet") else spec["replicas"]
        for container in spec["template"]["spec"]["containers"]:
            requests = container["resources"]["requests"]
            cpu_millicores += pod_count * int(requests["cpu"].removesuffix("m"))
            memory_mib += pod_count * int(requests["memory"].removesuffix("Mi"))

    assert sum(volumes_gib) == 127
    assert round(cpu_millicores / 1000, 1) == 1.8
    assert round(memory_mib / 1024, 1) == 7.3
