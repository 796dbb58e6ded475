"""The whole settings of one environment, and what its parts demand of each other."""

from typing import Literal, Self

from pydantic import Field, model_validator

from components.settings.base import MOST_REPLICAS, Model
from components.settings.loki import MOST_LOG_GB_PER_DAY, LokiSettings
from components.settings.span_store import SpanStoreSettings
from components.settings.tools import (
    AlertmanagerSettings,
    BackupSettings,
    ExportersSettings,
    GrafanaSettings,
    JaegerSettings,
    LoadSettings,
    LogsSettings,
    ObjectStoreSettings,
    PrometheusSettings,
)
from rendering.jaeger import shards_in_use
from rendering.loki_size import (
    GB_PER_DAY_OF_A_PROCESS,
    GB_PER_DAY_OF_MICROSERVICES,
    NAMES,
    REPLICATION_FACTOR,
    required_of,
    required_replicas,
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
    kubernetes_context: str = Field(
        default="",
        examples=["arn:aws:eks:us-east-1:111122223333:cluster/dharma-production"],
        description="of the kubeconfig: the stack touches this cluster and no other; the current one where empty",
    )
    profile: Literal["eks", "sandbox"] = Field(default="eks", description="which control-plane parts can be scraped")
    protect_data: bool = Field(default=True, description="destroy refuses buckets, volumes and the span store")
    namespaces: NamespaceSettings = NamespaceSettings()
    images: ImageSettings = ImageSettings()
    existing_secrets: tuple[str, ...] = Field(
        default=(), description="Secrets that somebody else makes and fills, such as an operator; see Secrets below"
    )
    object_store: ObjectStoreSettings = Field(description="its `bucket` at least")
    span_store: SpanStoreSettings = Field(description="its `mode` at least: managed, in_cluster or external")
    prometheus: PrometheusSettings = Field(description="its `runbook_base_url` at least")
    alertmanager: AlertmanagerSettings = AlertmanagerSettings()
    loki: LokiSettings = LokiSettings()
    logs: LogsSettings = LogsSettings()
    jaeger: JaegerSettings = JaegerSettings()
    grafana: GrafanaSettings = GrafanaSettings()
    backup: BackupSettings = BackupSettings()
    exporters: ExportersSettings = ExportersSettings()
    load: LoadSettings = LoadSettings()

    @model_validator(mode="after")
    def _namespaces_differ(self) -> Self:
        if self.namespaces.monitoring == self.namespaces.agents:
            raise ValueError(
                f"namespaces.agents is {self.namespaces.agents}, the same as namespaces.monitoring; node agents need a "
                "privileged namespace of their own"
            )
        return self

    @model_validator(mode="after")
    def _loki_holds_the_load(self) -> Self:
        if self.loki.layout == "microservices":
            self._microservices_hold_the_load()
            return self
        needed, expected = required_replicas(self.load.log_gb_per_day), self.load.log_gb_per_day
        if needed > MOST_REPLICAS:
            raise ValueError(
                f"loki.layout is monolithic, which takes {MOST_LOG_GB_PER_DAY} GB a day at most, and "
                f"load.log_gb_per_day is {expected:g}; set layout to microservices, or log less (logs.drop_debug)"
            )
        if self.loki.replicas < needed:
            raise ValueError(
                f"loki.replicas is {self.loki.replicas}; set {needed} or more: {expected:g} GB a day "
                f"(load.log_gb_per_day) at {GB_PER_DAY_OF_A_PROCESS} for each process, "
                f"every line kept {REPLICATION_FACTOR} times"
            )
        return self

    def _microservices_hold_the_load(self) -> None:
        expected = self.load.log_gb_per_day
        if expected > GB_PER_DAY_OF_MICROSERVICES:
            raise ValueError(
                f"load.log_gb_per_day is {expected:g}; Loki as it is laid out here takes {GB_PER_DAY_OF_MICROSERVICES} "
                "at most: log less (logs.drop_debug), or send these logs to a Loki of their own"
            )
        for name in NAMES:
            replicas, _ = self.loki.microservice(name, expected)
            if replicas < (needed := required_of(name, expected)):
                raise ValueError(
                    f"loki.microservices.{name}.replicas is {replicas}; set {needed} or more for {expected:g} GB a day "
                    "(load.log_gb_per_day), or leave it out"
                )

    @model_validator(mode="after")
    def _tenants_are_others(self) -> Self:
        if self.environment in self.loki.tenants:
            raise ValueError(
                f"loki.tenants names {self.environment}, the environment, which is the platform's own tenant; name the "
                "others only"
            )
        return self

    @model_validator(mode="after")
    def _shards_fit(self) -> Self:
        store, hours = self.span_store, self.jaeger.retention_hours
        needed, budget = shards_in_use(hours, store.shards, store.replicas), store.shard_budget()
        if needed > budget:
            raise ValueError(
                f"jaeger.retention_hours is {hours} with span_store.shards {store.shards} and replicas "
                f"{store.replicas}: {needed} shards, and {store.instance_count} node(s) bear {budget}; keep spans for "
                "less long, or set fewer shards or more nodes (span_store.instance_count)"
            )
        return self
