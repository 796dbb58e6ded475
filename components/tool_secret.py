"""The Kubernetes Secret that a tool mounts: made from the stack's config, or somebody else's that settings name."""

from collections.abc import Iterable, Mapping

import pulumi
from pulumi_kubernetes import core

from components.shared import SharedOutputs
from components.workload.spec import metadata


def tool_secret(
    resource_name: str,
    *,
    shared: SharedOutputs,
    name: str,
    labels: Mapping[str, str],
    values: Mapping[str, pulumi.Input[str]],
    parent: pulumi.Resource,
) -> list[core.v1.Secret]:
    """Makes the Secret `name`; nothing where `existing_secrets` lists it. Workloads that mount it wait for the result.

    values: key -> value; of an existing Secret they are in there already.
    """
    if name in shared.existing_secrets:
        return []
    return [
        core.v1.Secret(
            resource_name,
            metadata=metadata(name, shared.namespace, labels),
            string_data=dict(values),
            opts=pulumi.ResourceOptions(parent=parent),
        )
    ]


def versions(secrets: Iterable[core.v1.Secret]) -> pulumi.Output[str]:
    """Changes with what is in them, and says nothing of it: rolls the pods of a tool that reads it at its start only.

    The cluster's numbers for their present content; an existing Secret is somebody else's to roll out.
    """
    numbers = (secret.metadata.apply(lambda found: f"-{found.resource_version}") for secret in secrets)
    return pulumi.Output.concat(*numbers)
