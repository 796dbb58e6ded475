"""Brings the platform up on the node that is running, and takes it away."""

import json
from collections.abc import Iterable

from rendering.declarations import Platform
from sandbox import node
from sandbox.errors import SandboxError
from sandbox.platform import addresses, databases, manifests, passwords, program
from sandbox.platform.cluster import declared, kubectl, reachable
from sandbox.platform.manifests import Manifest, PlatformSettings
from sandbox.toolchain import images

_FIELD_MANAGER = "sandbox-platform"
_ROLLOUT_SECONDS = 240


def all_manifests(platform: Platform, image: str, settings: PlatformSettings) -> list[Manifest]:
    """Everything of the platform, namespaces first."""
    calls = program.CALLS.read_text(encoding="utf-8")
    return [
        *manifests.namespaces(platform),
        *databases.databases(passwords.passwords()),
        *manifests.services(platform, calls, image, settings),
        *manifests.traffic(platform, calls, image, settings),
    ]


def up() -> None:
    """Builds, imports and applies what is missing or has changed, and waits until all of it is ready.

    Safe to run again. On a simulated node nothing is built: pods do not run there. Raises SandboxError.
    """
    platform = declared()
    if node.is_simulated():
        reference = "docker.io/dharma/platform-service:simulated"
    else:
        reference, archive = program.image()
        bases = images.ensure([databases.POSTGRESQL_IMAGE, databases.REDIS_IMAGE])
        node.import_images([archive, *bases.values()])
    wanted = all_manifests(platform, reference, PlatformSettings())
    # The namespaces by themselves first: server-side apply checks each object at once.
    for batch in (manifests.namespaces(platform), wanted):
        kubectl(
            "apply", "--server-side", "--force-conflicts", f"--field-manager={_FIELD_MANAGER}", "-f", "-",
            text=json.dumps({"apiVersion": "v1", "kind": "List", "items": batch}),
        )  # fmt: skip
    wait_ready(each for each in wanted if each["kind"] == "Deployment")
    if not node.is_simulated():
        addresses.wait_answering(addresses.urls())


def down() -> None:
    """Deletes the platform's namespaces and all that is in them.

    Where no API server answers there is nothing to delete: the objects go with the node.
    """
    if reachable():
        for namespace in manifests.namespaces(declared()):
            kubectl("delete", "namespace", namespace["metadata"]["name"], "--ignore-not-found", timeout_seconds=180)


def status() -> str | None:
    """How much of the platform is ready, in one line; None when there is none."""
    deployments = _deployments() if reachable() else []
    if not deployments:
        return None
    unready = []
    for deployment in deployments:
        ready, wanted = deployment["status"].get("readyReplicas", 0), deployment["spec"]["replicas"]
        if ready < max(wanted, 1):
            unready.append(f"{deployment['metadata']['name']} {ready}/{wanted}")
    count = f"platform: {len(deployments) - len(unready)} of {len(deployments)} workloads ready"
    return f"{count}; not: {', '.join(unready)}" if unready else count


def wait_ready(deployments: Iterable[Manifest], timeout_seconds: float = _ROLLOUT_SECONDS) -> None:
    """Waits for the rollout of each. Raises SandboxError that says what its pods are waiting for."""
    for deployment in deployments:
        name, namespace = deployment["metadata"]["name"], deployment["metadata"]["namespace"]
        try:
            kubectl(
                "-n", namespace, "rollout", "status", f"deployment/{name}", f"--timeout={timeout_seconds:.0f}s",
                timeout_seconds=timeout_seconds + 10,
            )  # fmt: skip
        except SandboxError as error:
            raise SandboxError(
                f"{name} is not ready ({_reasons(name, namespace)}); its log: kubectl -n {namespace} logs deploy/{name}"
            ) from error


def _deployments() -> list[Manifest]:
    found: list[Manifest] = []
    for namespace in manifests.namespaces(declared()):
        listed = kubectl("-n", namespace["metadata"]["name"], "get", "deployments", "-o", "json")
        found += json.loads(listed)["items"]
    return found


def _reasons(name: str, namespace: str) -> str:
    """What keeps the pods of `name` from being ready, as the kubelet says it."""
    pods = json.loads(kubectl("-n", namespace, "get", "pods", "-l", f"app={name}", "-o", "json"))["items"]
    reasons = set()
    for pod in pods:
        for container in pod["status"].get("containerStatuses", []):
            waiting = container["state"].get("waiting") or container["state"].get("terminated") or {}
            reasons.add(f"{waiting.get('reason', 'not ready')} {waiting.get('message', '')}".strip())
        reasons |= {
            each["message"] for each in pod["status"].get("conditions", []) if each.get("reason") == "Unschedulable"
        }
    return "; ".join(sorted(reasons)) or "it has no pods"
