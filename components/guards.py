"""Refuses, at preview, to take over objects that exist in the cluster and are not this stack's.

Server-side apply would adopt a same-named object silently, and a later destroy would delete it.
"""

from typing import Any

import kubernetes
import pulumi
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ResourceNotFoundError
from urllib3.exceptions import HTTPError

OWNER_LABEL = "observability-stack/stack"


class TakeoverError(Exception):
    """An object of that name exists and belongs to somebody else."""


def refuse_takeover(stack: str) -> None:
    """From here on every Kubernetes object carries the stack's name, and one that exists under another's is refused."""

    def check(args: pulumi.ResourceHookArgs) -> None:
        manifest: dict[str, Any] = dict(args.new_inputs or {})
        owner = _owner(manifest)
        if owner is not None and owner != stack:
            raise TakeoverError(_message(manifest, owner))

    hook = pulumi.ResourceHook("refuse-takeover", check, pulumi.ResourceHookOptions(on_dry_run=True))

    def guard(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        if not (args.custom and args.type_.startswith("kubernetes:")):
            return None
        metadata: dict[str, Any] = dict(args.props["metadata"])  # type: ignore[arg-type]  # plain, as we wrote it
        props = {
            **args.props,
            "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), OWNER_LABEL: stack}},
        }
        opts = pulumi.ResourceOptions.merge(
            args.opts, pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(before_create=[hook]))
        )
        return pulumi.ResourceTransformResult(props=props, opts=opts)

    pulumi.runtime.register_resource_transform(guard)


def _owner(manifest: dict[str, Any]) -> str | None:
    """Whose the existing object is; None where there is none, or no cluster to ask (the provider then says so)."""
    metadata = manifest["metadata"]
    try:
        client = DynamicClient(kubernetes.config.new_client_from_config())
        kind = client.resources.get(api_version=manifest["apiVersion"], kind=manifest["kind"])
        found = client.get(kind, name=metadata["name"], namespace=metadata.get("namespace"))
    except (ResourceNotFoundError, HTTPError, kubernetes.config.ConfigException):
        return None
    except ApiException as error:
        if error.status == 404:
            return None
        raise
    return str((found.metadata.labels or {}).get(OWNER_LABEL) or "somebody outside Pulumi")


def _message(manifest: dict[str, Any], owner: str) -> str:
    metadata = manifest["metadata"]
    place = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return (
        f"{manifest['kind']} {place}{metadata['name']} exists and belongs to {owner}, not to this stack; "
        "remove it, or choose other namespaces (setting namespaces)"
    )
