"""Registers components against Pulumi's mocks and keeps what they asked for, by type and name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pulumi

from components.shared import SharedOutputs


@dataclass(frozen=True)
class Recorded:
    """One resource as the engine was asked for it: property names as on the wire."""

    type: str
    name: str
    inputs: dict[str, Any]


class Recording(pulumi.runtime.Mocks):
    def __init__(self) -> None:
        self.resources: list[Recorded] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.resources.append(Recorded(args.typ, args.name, args.inputs))
        return args.resource_id or f"{args.name}-id", args.inputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"unexpected call of {args.token}")

    def only(self, kind: str, name: str | None = None) -> dict[str, Any]:
        """Inputs of the one resource of a Kubernetes kind (and object name)."""
        [found] = [
            one.inputs
            for one in self.resources
            if one.type.endswith(f":{kind}") and (name is None or one.inputs["metadata"]["name"] == name)
        ]
        return found

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [one.inputs for one in self.resources if one.type.endswith(f":{kind}")]


def shared(**overrides: Any) -> SharedOutputs:
    plain: dict[str, Any] = {
        "environment": "test",
        "cluster": "c",
        "stack": "test",
        "namespace": "monitoring",
        "agents_namespace": "monitoring-agents",
        "pull_secrets": (),
        "existing_secrets": (),
        "protect_data": False,
    }
    return SharedOutputs(**{**plain, **overrides})


def record(make: Callable[[], object]) -> Recording:
    """Runs `make` against fresh mocks and waits until everything it registered has arrived."""
    recording = Recording()
    pulumi.runtime.set_mocks(recording, project="observability-stack", stack="test", preview=False)

    pulumi.runtime.test(make)()  # type: ignore[no-untyped-call]
    return recording


def pod(workload: dict[str, Any]) -> dict[str, Any]:
    """The pod spec of a Deployment, StatefulSet, DaemonSet or CronJob."""
    spec = workload["spec"]
    if "jobTemplate" in spec:
        spec = spec["jobTemplate"]["spec"]
    found: dict[str, Any] = spec["template"]["spec"]
    return found


def environment(container: dict[str, Any]) -> dict[str, Any]:
    """Variable -> value, or where it is taken from."""
    return {one["name"]: one.get("value") or one.get("valueFrom") for one in container.get("env", [])}
