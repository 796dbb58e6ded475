"""Refuses, at preview, to take what exists and is not this stack's, and to shrink a volume.

Server-side apply would adopt a same-named object silently, and a later destroy would delete it. So would S3 in its
first region a bucket of the same account.
"""

from collections.abc import Mapping
from copy import copy
from typing import Any

import pulumi

from components import s3
from components.settings.base import SettingsError

OWNER_LABEL = "observability-stack/stack"
_BUCKET = "aws:s3/bucket:Bucket"
_ON_PREVIEW = pulumi.ResourceHookOptions(on_dry_run=True)


class GuardError(Exception):
    """What is refused and what to do instead."""


def guard_cluster(stack: str, context: str | None) -> None:
    """From here on every Kubernetes object carries the stack's name.

    Each change to the cluster is looked at, and each new bucket. Raises SettingsError for a context that is not known.
    """
    if context is not None:
        _check_context(context)

    def check_owner(args: pulumi.ResourceHookArgs) -> None:
        manifest: Mapping[str, Any] = args.new_inputs or {}
        owner = _owner(manifest, context)
        if owner is not None and owner != stack:
            raise GuardError(_taken(manifest, owner))

    on_cluster = pulumi.ResourceHookBinding(
        before_create=[pulumi.ResourceHook("refuse-takeover", check_owner, _ON_PREVIEW)],
        before_update=[pulumi.ResourceHook("refuse-shrinking", check_size, _ON_PREVIEW)],
    )
    on_bucket = pulumi.ResourceHookBinding(
        before_create=[pulumi.ResourceHook("refuse-bucket", check_bucket, _ON_PREVIEW)]
    )

    def guard(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        if args.type_ == _BUCKET:
            return pulumi.ResourceTransformationResult(args.props, _with(args.opts, on_bucket))
        if not (isinstance(args.resource, pulumi.CustomResource) and args.type_.startswith("kubernetes:")):
            return None
        metadata: Any = copy(args.props["metadata"])  # ObjectMetaArgs, as we wrote it
        metadata.labels = {**(metadata.labels or {}), OWNER_LABEL: stack}
        return pulumi.ResourceTransformationResult({**args.props, "metadata": metadata}, _with(args.opts, on_cluster))

    # One that is called here: transforms, which the engine calls, send every object to it and back twice over.
    pulumi.runtime.register_stack_transformation(guard)


def _with(opts: pulumi.ResourceOptions, hooks: pulumi.ResourceHookBinding) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(hooks=hooks))


def check_size(args: pulumi.ResourceHookArgs) -> None:
    """Raises GuardError for a volume that would get smaller. Other objects pass."""
    if not args.type.endswith(":PersistentVolumeClaim"):
        return
    old, new = (_requested_gib(inputs or {}) for inputs in (args.old_inputs, args.new_inputs))
    if new < old:
        raise GuardError(f"{args.name} has {old} GiB and no volume can shrink; set storage.size_gib to {old} or more")


def check_bucket(args: pulumi.ResourceHookArgs) -> None:
    """Raises GuardError for a bucket that is there already, whoever has it."""
    name = (args.new_inputs or {})["bucket"]
    if s3.bucket_exists(name):
        raise GuardError(
            f"bucket {name} exists and is not this stack's; choose another name (setting object_store.bucket), "
            "or remove that bucket"
        )


def check_existing_secrets(namespace: str, expected_keys: Mapping[str, frozenset[str]], context: str | None) -> None:
    """Raises SettingsError where a Secret that others were to make is not there, or lacks a key that a tool reads.

    expected_keys: name of the Secret -> its keys. Without a cluster to ask nothing is said: the provider does that.
    """
    faults = []
    for name, keys in expected_keys.items():
        try:
            found = _existing(
                {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}}, context
            )
        except ConnectionError:
            return
        missing = keys - set(found.to_dict().get("data") or {}) if found else keys
        if missing:
            state = "lacks" if found else "does not exist; make it with"
            faults.append(f"existing_secrets: {namespace}/{name} {state} the key(s) {', '.join(sorted(missing))}")
    if faults:
        raise SettingsError("\n".join(faults))


def _check_context(context: str) -> None:
    from components import cluster  # noqa: PLC0415 - as below

    if context not in (known := cluster.contexts()):
        raise SettingsError(
            f"kubernetes_context is {context}, which the kubeconfig does not name; run: aws eks update-kubeconfig "
            f"--name <cluster>, or write one that it does ({', '.join(known) or 'it names none'})"
        )


def _requested_gib(claim: Mapping[str, Any]) -> int:
    """As components/workload writes it."""
    return int(claim["spec"]["resources"]["requests"]["storage"].removesuffix("Gi"))


def _owner(manifest: Mapping[str, Any], context: str | None) -> str | None:
    """Whose the existing object is; None where there is none, or no cluster to ask (the provider then says so)."""
    try:
        found = _existing(manifest, context)
    except ConnectionError:
        return None
    return found and str((found.metadata.labels or {}).get(OWNER_LABEL) or "somebody outside Pulumi")


def _existing(manifest: Mapping[str, Any], context: str | None) -> Any:
    from components import cluster  # noqa: PLC0415 - takes half a second, and most runs make nothing new

    return cluster.existing(manifest, context)


def _taken(manifest: Mapping[str, Any], owner: str) -> str:
    metadata = manifest["metadata"]
    place = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return (
        f"{manifest['kind']} {place}{metadata['name']} exists and belongs to {owner}, not to this stack; "
        "remove it, or choose other namespaces (setting namespaces)"
    )
