"""The namespaces everything else lives in, with what guards them: Pod Security, quota, default limits."""

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes import core, meta

from components.settings.tree import NamespaceSettings
from components.shared import PART_OF, SharedOutputs

# Far above what the stack needs, low enough that a runaway controller is stopped before it fills the cluster.
_QUOTA = {"pods": "100", "persistentvolumeclaims": "50", "services.loadbalancers": "4"}
# Agents are as many as the cluster has nodes, and it may grow at any time.
_QUOTA_OF_AGENTS = {name: most for name, most in _QUOTA.items() if name != "pods"}
# For a container that somebody starts by hand in here; the stack's own all say what they need.
_DEFAULT_LIMITS = {"cpu": "500m", "memory": "256Mi"}
_DEFAULT_REQUESTS = {"cpu": "50m", "memory": "64Mi"}


@dataclass(frozen=True, kw_only=True)
class FoundationArgs:
    shared: SharedOutputs
    settings: NamespaceSettings


class Foundation(pulumi.ComponentResource):
    """Two namespaces: one enforces Pod Security `restricted`; the other, for node agents alone, is privileged.

    With `mode: existing` the namespaces and their labels are somebody else's; quota and limits are still ours.
    """

    def __init__(self, name: str, args: FoundationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("observability:index:Foundation", name, None, opts)
        shared = args.shared
        for namespace, level, quota in (
            (shared.namespace, "restricted", _QUOTA),
            (shared.agents_namespace, "privileged", _QUOTA_OF_AGENTS),
        ):
            made = [self._namespace(namespace, level, shared)] if args.settings.mode == "create" else []
            within = pulumi.ResourceOptions(parent=self, depends_on=made)
            metadata = meta.v1.ObjectMetaArgs(name=PART_OF, namespace=namespace)
            core.v1.ResourceQuota(
                f"{namespace}-quota", metadata=metadata, spec=core.v1.ResourceQuotaSpecArgs(hard=quota), opts=within
            )
            core.v1.LimitRange(
                f"{namespace}-limits",
                metadata=metadata,
                spec=core.v1.LimitRangeSpecArgs(
                    limits=[
                        core.v1.LimitRangeItemArgs(
                            type="Container", default=_DEFAULT_LIMITS, default_request=_DEFAULT_REQUESTS
                        )
                    ]
                ),
                opts=within,
            )
        self.register_outputs({"namespace": shared.namespace, "agents_namespace": shared.agents_namespace})

    def _namespace(self, name: str, level: str, shared: SharedOutputs) -> core.v1.Namespace:
        return core.v1.Namespace(
            name,
            metadata=meta.v1.ObjectMetaArgs(
                name=name,
                labels={
                    "app.kubernetes.io/part-of": PART_OF,
                    "app.kubernetes.io/managed-by": "pulumi",
                    "pod-security.kubernetes.io/enforce": level,
                    "pod-security.kubernetes.io/warn": level,
                },
            ),
            # its volumes go with a namespace
            opts=pulumi.ResourceOptions(parent=self, protect=shared.protect_data),
        )
