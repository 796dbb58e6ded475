"""What every component gets: namespaces, labels and the names that must differ between stacks."""

from collections.abc import Mapping
from dataclasses import dataclass

PART_OF = "observability-stack"


@dataclass(frozen=True, kw_only=True)
class SharedOutputs:
    """Plain data, known before any resource exists; the provider travels in ResourceOptions."""

    environment: str
    cluster: str
    stack: str
    namespace: str
    agents_namespace: str
    pull_secrets: tuple[str, ...]
    existing_secrets: tuple[str, ...]
    protect_data: bool

    def cluster_scoped(self, tool: str) -> str:
        """Name of a cluster-wide object of `tool`: two stacks in one cluster must not share it."""
        return f"{PART_OF}-{self.stack}-{tool}"

    @staticmethod
    def selector(tool: str) -> Mapping[str, str]:
        """The labels that pick the pods of `tool`; they never change."""
        return {"app": tool, "app.kubernetes.io/part-of": PART_OF}

    @classmethod
    def labels(cls, tool: str, component: str) -> Mapping[str, str]:
        """All labels of an object of `tool`; `component` is the part it plays: metrics, logs, traces, alerts, ui."""
        return {
            **cls.selector(tool),
            "app.kubernetes.io/name": tool,
            "app.kubernetes.io/component": component,
            "app.kubernetes.io/managed-by": "pulumi",
        }


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where a Service answers inside the cluster. Declared by the component that owns the Service."""

    name: str
    namespace: str
    port: int
    scheme: str = "http"

    @property
    def host(self) -> str:
        return f"{self.name}.{self.namespace}"

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.address}"
