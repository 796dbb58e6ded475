"""A Deployment's rollout, seen and undone with kubectl: what the person who reads the log would type."""

import json
import subprocess
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from delivery.errors import GateError

_REVISION = "deployment.kubernetes.io/revision"
_ANSWER_SECONDS = 20
_OBSERVED_SECONDS = 15


class KubectlError(Exception):
    """kubectl failed; its own words."""


@dataclass(frozen=True)
class Rollout:
    """One revision of a Deployment."""

    revision: int
    replica_set: str
    images: tuple[str, ...]
    began: datetime
    previous: int | None
    """The revision to go back to; None where there is none left."""


@dataclass(frozen=True)
class Deployment:
    """A Deployment on the cluster that kubectl talks to (KUBECONFIG)."""

    namespace: str
    name: str

    def current(self) -> Rollout:
        """The revision that is being, or has been, rolled out. Raises GateError when it cannot be read."""
        try:
            deployment = self._observed()
            listed = json.loads(self._kubectl("get", "replicasets", "-o", "json"))["items"]
            pods = json.loads(self._kubectl("get", "pods", "-o", "json"))["items"]
        except KubectlError as error:
            raise GateError(
                f"deployment {self.name} in namespace {self.namespace} cannot be read: {error}; "
                "give its name with --deployment, and a kubeconfig that may read it in KUBECONFIG"
            ) from None
        return _rollout(deployment, [each for each in listed if _owned(each, deployment)], pods)

    def revision(self) -> int:
        """The number of the revision that is current now. Raises KubectlError."""
        return int(self._get()["metadata"]["annotations"][_REVISION])

    def wait(self, timeout_seconds: float) -> None:
        """Until the newest revision is rolled out. Raises KubectlError when it is not in time."""
        self._kubectl(
            "rollout", "status", f"deployment/{self.name}", f"--timeout={timeout_seconds:.0f}s",
            answer_seconds=timeout_seconds + _ANSWER_SECONDS,
        )  # fmt: skip

    def undo(self, to_revision: int) -> None:
        """Starts the way back to an earlier revision. Raises KubectlError."""
        self._kubectl("rollout", "undo", f"deployment/{self.name}", f"--to-revision={to_revision}")

    def _observed(self) -> dict[str, Any]:
        """The Deployment, once its controller has seen its newest change: right after an apply it has not yet."""
        for _ in range(_OBSERVED_SECONDS):
            deployment = self._get()
            if deployment["status"].get("observedGeneration", 0) >= deployment["metadata"]["generation"]:
                return deployment
            time.sleep(1)
        raise KubectlError(f"its controller has not seen its newest change within {_OBSERVED_SECONDS} s")

    def _get(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._kubectl("get", f"deployment/{self.name}", "-o", "json"))
        return found

    def _kubectl(self, *arguments: str, answer_seconds: float = _ANSWER_SECONDS) -> str:
        command = ["kubectl", "--namespace", self.namespace, *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=answer_seconds)
        except FileNotFoundError:
            raise KubectlError("kubectl is not on PATH") from None
        except subprocess.TimeoutExpired:
            raise KubectlError(f"kubectl gave no answer within {answer_seconds:.0f} s") from None
        if done.returncode:
            raise KubectlError(" ".join(done.stderr.split()) or f"kubectl ended with {done.returncode}")
        return done.stdout


def _owned(each: dict[str, Any], owner: dict[str, Any]) -> bool:
    return owner["metadata"]["uid"] in (one["uid"] for one in each["metadata"].get("ownerReferences", []))


def _rollout(deployment: dict[str, Any], replica_sets: list[dict[str, Any]], pods: list[dict[str, Any]]) -> Rollout:
    revisions = {int(each["metadata"]["annotations"][_REVISION]): each for each in replica_sets}
    revision = int(deployment["metadata"]["annotations"][_REVISION])
    current = revisions[revision]
    # A revision that was returned to keeps its old ReplicaSet; its pods are new.
    began = min(each["metadata"]["creationTimestamp"] for each in [p for p in pods if _owned(p, current)] or [current])
    return Rollout(
        revision,
        current["metadata"]["name"],
        tuple(container["image"] for container in deployment["spec"]["template"]["spec"]["containers"]),
        datetime.fromisoformat(began),
        max((number for number in revisions if number < revision), default=None),
    )
