"""The whole settings of one environment, and what its parts demand of each other."""

from typing import Literal, Self

from pydantic import Field, model_validator

from components.settings.base import Model
from components.settings.tools import (
    AlertmanagerSettings,
    ExportersSettings,
    GrafanaSettings,
    JaegerSettings,
    LogsSettings,
    LokiSettings,
    ObjectStoreSettings,
    PrometheusSettings,
    SpanStoreSettings,
)


class NamespaceSettings(Model):
    """Where the stack lives. `existing` uses namespaces that somebody else made and labelled."""

    mode: Literal["create", "existing"] = "create"
    monitoring: str = Field(default="monitoring", description="all but node agents; Pod Security `restricted`")
    agents: str = Field(default="monitoring-agents", description="node agents only; the one privileged namespace")


class ImageSettings(Model):
    """Where images come from; names and tags are in configs/versions.yaml."""

    registry_prefix: str | None = Field(default=None, description="a mirror, put in front of every image name")
    pull_secrets: tuple[str, ...] = Field(default=(), description="names of Secrets to pull images with")
    tags: dict[str, str] = Field(default={}, description="image key -> tag, where this environment's differs")
    digests: dict[str, str] = Field(default={}, description="image key -> sha256:..., pinned beside the tag")


class Settings(Model):
    """Checked and plain; secrets are apart."""

    environment: str = Field(
        pattern=r"^[a-z][a-z0-9-]{0,20}$", examples=["prod"], description="label of every metric, log, span, message"
    )
    cluster: str = Field(
        pattern=r"^[a-z][a-z0-9-]{0,40}$",
        examples=["dharma-production"],
        description="label of every metric, log, span, message",
    )
    profile: Literal["eks", "sandbox"] = Field(default="eks", description="which control-plane parts can be scraped")
    protect_data: bool = Field(default=True, description="destroy refuses buckets, volumes and the span store")
    namespaces: NamespaceSettings = NamespaceSettings()
    images: ImageSettings = ImageSettings()
    object_store: ObjectStoreSettings = Field(description="its `bucket` at least")
    span_store: SpanStoreSettings = Field(description="its `mode` at least: managed, in_cluster or external")
    prometheus: PrometheusSettings = Field(description="its `runbook_base_url` at least")
    alertmanager: AlertmanagerSettings = AlertmanagerSettings()
    loki: LokiSettings = LokiSettings()
    logs: LogsSettings = LogsSettings()
    jaeger: JaegerSettings = JaegerSettings()
    grafana: GrafanaSettings = GrafanaSettings()
    exporters: ExportersSettings = ExportersSettings()

    @model_validator(mode="after")
    def _namespaces_differ(self) -> Self:
        if self.namespaces.monitoring == self.namespaces.agents:
            raise ValueError(
                f"namespaces.agents is {self.namespaces.agents}, the same as namespaces.monitoring; node agents need a "
                "privileged namespace of their own"
            )
        return self
