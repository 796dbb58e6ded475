"""Each tool's slice of the settings. Defaults suit a small environment; production's values are in Pulumi.prod.yaml."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from components.settings.base import Cidr, Days, Exposure, HttpUrl, Model, Quantity, Resources, Storage

Group = Annotated[str, Field(pattern=r"^[^'\\]+$")]
Replicas = Annotated[int, Field(ge=1, le=10)]


def _resources(cpu: int, memory: int, cpu_limit: int, memory_limit: int) -> Resources:
    return Resources(
        cpu_millicores=cpu, memory_mib=memory, cpu_limit_millicores=cpu_limit, memory_limit_mib=memory_limit
    )


class Published(Model):
    """Settings of a tool whose UI has no login of its own."""

    exposure: Exposure = Exposure()

    @model_validator(mode="after")
    def _never_open_to_the_world(self) -> Self:
        if self.exposure.open_to_everyone:
            raise ValueError("exposure.source_ranges admits everyone, and this UI has no login; list your own ranges")
        return self


class AlertOverride(Model):
    """A change to one alert, by its name."""

    threshold: float | None = Field(default=None, description="in the unit docs/alerts.md names")
    for_: str | None = Field(
        default=None, alias="for", pattern=r"^\d+[smhd]$", examples=["10m"], description="how long it must stand"
    )
    severity: Literal["critical", "warning", "info"] | None = None
    team: str | None = Field(default=None, description="one of configs/teams.yaml")
    disabled: bool = False
    reason: str | None = Field(default=None, description="why it is disabled; required then")

    @model_validator(mode="after")
    def _disabled_says_why(self) -> "AlertOverride":
        if self.disabled and not self.reason:
            raise ValueError("disabled is true but reason is not set; say why, for whoever asks at night")
        return self


class PrometheusSettings(Published):
    """Metrics: scraped, kept, evaluated."""

    replicas: Replicas = 1
    retention_days: Days = Field(default=30, description="evicted earlier only when 80 % of the volume are full")
    scrape_interval_seconds: Annotated[int, Field(ge=5, le=300)] = 15
    storage: Storage = Storage(size_gib=10)
    resources: Resources = _resources(200, 512, 1000, 1024)
    alerts: dict[str, AlertOverride] = Field(default={}, description="changes to single alerts, by alert name")
    runbook_base_url: HttpUrl = Field(description="where docs/runbooks is published; an alert links to <it>/<Alert>.md")


class AlertmanagerSettings(Published):
    """Alerts: who is told, by which channel."""

    replicas: Replicas = 1
    storage: Storage = Storage(size_gib=1)
    resources: Resources = _resources(20, 48, 200, 128)
    slack_enabled: bool = Field(default=True, description="channels are in configs/teams.yaml")
    pagerduty_enabled: bool = Field(default=True, description="for the severities that page")
    pagerduty_url: HttpUrl | None = Field(default=None, description="where it is not the usual one, e.g. the EU's")
    smtp_smarthost: str | None = Field(
        default=None, description="host:port of the mail server; no e-mail where not set"
    )
    smtp_from: str | None = Field(default=None, description="sender; required with smtp_smarthost")
    smtp_username: str | None = Field(default=None, description="no login where not set")
    heartbeat_enabled: bool = Field(default=False, description="Watchdog goes to the heartbeat_url secret")
    webhook_enabled: bool = Field(default=False, description="what pages also goes to the webhook_url secret")

    @model_validator(mode="after")
    def _mail_is_whole(self) -> Self:
        if self.smtp_smarthost and not self.smtp_from:
            raise ValueError("smtp_smarthost is set but smtp_from is not; write the sender's address")
        return self


class LokiSettings(Published):
    """Logs: taken in, kept in S3, queried."""

    retention_days: Days = Field(default=30, description="S3 expires chunks seven days later")
    replicas: Replicas = Field(default=1, description="1: the single binary holds one")
    storage: Storage = Field(default=Storage(size_gib=5), description="write-ahead log and index on the way to S3")
    resources: Resources = _resources(200, 384, 1000, 1024)
    results_cache_mib: Quantity = 512
    ingestion_rate_mib: Quantity | None = Field(
        default=None, description="MiB/s of all streams together; where not set, the declared services' rates together"
    )
    per_stream_rate_mib: Quantity = Field(default=5, description="MiB/s; a stream is one container's log")
    per_stream_burst_mib: Quantity = 10
    max_entries_per_query: Quantity = 10000


class LogsSettings(Model):
    """The collector of logs on each node."""

    collector: Literal["promtail", "alloy"] = "promtail"
    resources: Resources = _resources(50, 96, 500, 256)
    drop_debug: bool = Field(default=False, description="lines of level debug and trace are dropped, and counted")
    lines_per_second: Quantity = Field(default=1000, description="of one service, on one node; what is over is dropped")
    burst_lines: Quantity = 2000
    mask_emails: bool = Field(default=False, description="mask e-mail addresses in lines, as secrets always are")
    extra_node_files: tuple[str, ...] = Field(default=(), description="absolute paths of further log files of a node")


class JaegerSettings(Published):
    """Traces: taken in, sampled, queried."""

    layout: Literal["all-in-one", "split"] = Field(default="all-in-one", description="split: collector and query apart")
    collector_replicas: Replicas = Field(default=1, description="of the split layout")
    query_replicas: Replicas = Field(default=1, description="of the split layout")
    retention_hours: Annotated[int, Field(ge=24, le=2160)] = 72
    resources: Resources = _resources(100, 192, 1000, 512)
    instrumented_namespaces: tuple[str, ...] = Field(
        default=(), description="existing namespaces that get a ConfigMap `opentelemetry` with OTEL_* settings"
    )


class SpanStoreSettings(Model):
    """Elasticsearch/OpenSearch for spans: AWS's managed domain, one in this cluster, or one that exists."""

    mode: Literal["managed", "in_cluster", "external"] = "managed"
    url: HttpUrl | None = Field(default=None, description="of the external store")
    instance_type: str = Field(default="t3.small.search", description="of a managed domain")
    instance_count: Annotated[int, Field(ge=1, le=20)] = Field(
        default=1, description="nodes of a managed domain, or pods in_cluster"
    )
    volume_gib: Quantity = Field(default=10, description="of each node of a managed domain")
    vpc_id: str | None = Field(default=None, description="required for a managed domain, as are the next two")
    subnet_ids: tuple[str, ...] = Field(default=(), description="private ones, one per availability zone")
    client_cidrs: tuple[Cidr, ...] = Field(default=(), description="who may connect to the domain inside the VPC")
    storage: Storage = Field(default=Storage(size_gib=10), description="of each pod in_cluster")
    resources: Resources = Field(default=_resources(200, 1024, 1000, 1536), description="of each pod in_cluster")
    shards: Quantity = Field(default=1, description="of each daily index")
    replicas: Annotated[int, Field(ge=0, le=5)] = Field(default=0, description="copies of each daily index")
    username: str | None = Field(default=None, description="user of the store; its secret is span_store_password")
    tls: bool = Field(default=True, description="a managed domain answers over https only")

    @model_validator(mode="after")
    def _whole(self) -> "SpanStoreSettings":
        if self.mode == "external" and self.url is None:
            raise ValueError("mode is external but url is not set; write the store's URL")
        if self.mode == "managed":
            zones = len(self.subnet_ids)
            if zones > 1 and self.instance_count % zones:
                raise ValueError(
                    f"instance_count is {self.instance_count} over {zones} subnet_ids; a managed domain spreads "
                    f"evenly, so set a multiple of {zones}"
                )
            for field in ("vpc_id", "subnet_ids", "client_cidrs"):
                if not getattr(self, field):
                    raise ValueError(
                        f"mode is managed but {field} is not set; the domain lives inside a VPC, never public"
                    )
        return self


class ObjectStoreSettings(Model):
    """The S3 bucket for logs."""

    bucket: str = Field(
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        examples=["acme-prod-observability-logs"],
        description="globally unique bucket name",
    )
    endpoint: HttpUrl | None = Field(default=None, description="of an S3 API that is not AWS's; path-style then")
    oidc_provider_arn: str | None = Field(default=None, description="the cluster's OIDC provider, for Loki's IAM role")

    @property
    def over_tls(self) -> bool:
        """AWS's own endpoint always is; another one by its URL."""
        return self.endpoint is None or self.endpoint.startswith("https://")


class OidcSettings(Model):
    """Single sign-on to Grafana by OpenID Connect; the client's secret is grafana_oidc_client_secret."""

    name: str = Field(default="Single sign-on", description="what the login button says")
    client_id: str
    auth_url: HttpUrl
    token_url: HttpUrl
    api_url: HttpUrl = Field(description="the provider's userinfo endpoint")
    scopes: tuple[str, ...] = ("openid", "profile", "email", "groups")
    groups_claim: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")] = "groups"
    admin_group: Group | None = None
    editor_group: Group | None = None
    viewer_group: Group | None = Field(default=None, description="who may look; everyone with a login where not set")


class GrafanaSettings(Model):
    """Dashboards and the way in for people."""

    storage: Storage = Storage(size_gib=2)
    resources: Resources = _resources(100, 192, 500, 384)
    exposure: Exposure = Exposure()
    oidc: OidcSettings | None = Field(default=None, description="single sign-on; the user admin stays beside it")


class PostgresqlSettings(Model):
    """The platform's PostgreSQL; the password is the secret postgresql_password."""

    address: str = Field(
        pattern=r"^[^/@]+:\d+/[^?]+(\?.*)?$",
        examples=["postgresql.dharma:5432/postgres?sslmode=require"],
        description="host:port/database?options, no user in it",
    )
    user: str = Field(description="one that may read statistics: a member of pg_monitor")


class RedisSettings(Model):
    """The platform's Redis; the password, where it asks for one, is the secret redis_password."""

    address: str = Field(
        pattern=r"^rediss?://[^@]+:\d+$",
        examples=["redis://redis.dharma:6379"],
        description="redis://host:port, no password in it",
    )
    login: bool = Field(default=False, description="it asks for a password")


class ExportersSettings(Model):
    """What watches the platform's stores; one that is not set is not watched."""

    postgresql: PostgresqlSettings | None = None
    redis: RedisSettings | None = None

    @property
    def absent_jobs(self) -> frozenset[str]:
        """Scrape jobs of what is not watched."""
        watched = {"postgres-exporter": self.postgresql, "redis-exporter": self.redis}
        return frozenset(job for job, settings in watched.items() if settings is None)
