"""Each tool's slice of the settings. Defaults suit a small environment; production's values are in Pulumi.prod.yaml."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from components.settings.base import (
    Days,
    Exposure,
    HttpUrl,
    Model,
    Published,
    Quantity,
    Replicas,
    Resources,
    Storage,
    container_resources,
)
from components.settings.grafana_database import GrafanaDatabaseSettings
from rendering.collectors import Collector
from rendering.routes import GROUP_INTERVAL_MINUTES
from rendering.sizing import check_memory, check_storage

Group = Annotated[str, Field(pattern=r"^[^'\\]+$")]


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
    scrape_interval_seconds: Annotated[int, Field(ge=5, le=60)] = Field(
        default=15, description="over 15, alerts take as much longer; over 60, their windows would be empty"
    )
    expected_series: Quantity = Field(
        default=25_000,
        description="active series; a volume or memory too small for them is refused (dashboard Usage shows them)",
    )
    storage: Storage = Storage(size_gib=10)
    resources: Resources = container_resources(200, 512, 1000, 1024)
    alerts: dict[str, AlertOverride] = Field(
        default={}, description="changes to single alerts, by alert name, those from log lines too"
    )
    runbook_base_url: HttpUrl = Field(description="where docs/runbooks is published; an alert links to <it>/<Alert>.md")

    @model_validator(mode="after")
    def _volume_holds_the_retention(self) -> Self:
        check_storage(
            storage_gib=self.storage.size_gib,
            series=self.expected_series,
            scrape_interval_seconds=self.scrape_interval_seconds,
            retention_days=self.retention_days,
        )
        return self

    @model_validator(mode="after")
    def _memory_holds_the_series(self) -> Self:
        check_memory(memory_limit_mib=self.resources.memory_limit_mib, series=self.expected_series)
        return self


class AlertmanagerSettings(Published):
    """Alerts: who is told, by which channel."""

    replicas: Replicas = 1
    storage: Storage = Storage(size_gib=1)
    resources: Resources = container_resources(20, 48, 200, 128)
    slack_enabled: bool = Field(default=True, description="channels are in configs/teams.yaml")
    pagerduty_enabled: bool = Field(default=True, description="for the severities that page")
    pagerduty_url: HttpUrl | None = Field(default=None, description="where it is not the usual one, e.g. the EU's")
    smtp_smarthost: str | None = Field(
        default=None,
        pattern=r"^.+:\d+$",
        examples=["smtp.example.com:587"],
        description="host:port of the mail server; no e-mail where not set",
    )
    smtp_from: str | None = Field(default=None, description="sender; required with smtp_smarthost")
    smtp_username: str | None = Field(default=None, description="no login where not set")
    smtp_private_ca: bool = Field(
        default=False, description="the mail server's certificate is of the authority in the smtp_ca secret"
    )
    heartbeat_enabled: bool = Field(default=False, description="Watchdog goes to the heartbeat_url secret")
    webhook_enabled: bool = Field(default=False, description="what pages also goes to the webhook_url secret")
    group_interval_minutes: Annotated[int, Field(ge=1, le=60)] = Field(
        default=GROUP_INTERVAL_MINUTES,
        description="between two messages of a group: how late its next alert, or its end, is told at most",
    )

    @model_validator(mode="after")
    def _mail_is_whole(self) -> Self:
        if self.smtp_smarthost and not self.smtp_from:
            raise ValueError("smtp_smarthost is set but smtp_from is not; write the sender's address")
        return self


class LogsSettings(Model):
    """The collector of logs on each node."""

    collector: Collector = "promtail"
    resources: Resources = container_resources(50, 96, 1000, 256)
    drop_debug: bool = Field(default=False, description="lines of level debug and trace are dropped, and counted")
    lines_per_second: Quantity = Field(default=1000, description="of one service, on one node; what is over is dropped")
    burst_lines: Quantity = 2000
    mask_emails: bool = Field(default=False, description="mask e-mail addresses in lines, as secrets always are")
    extra_node_files: tuple[str, ...] = Field(default=(), description="absolute paths of further log files of a node")


class TailSamplingSettings(Model):
    """Traces decided on when they are over: those that failed or broke an objective for latency, and a share."""

    share: Annotated[float, Field(ge=0, le=1)] = Field(default=0.1, description="of the traces that were well")
    wait_seconds: Annotated[int, Field(ge=1, le=300)] = Field(
        default=10, description="from a trace's first span to the decision; longer than requests take"
    )
    max_traces: Quantity = Field(default=20_000, description="that wait at once, 10 KB each or so")


class JaegerSettings(Published):
    """Traces: taken in, sampled, queried."""

    layout: Literal["all-in-one", "split"] = Field(default="all-in-one", description="split: collector and query apart")
    collector_replicas: Replicas = Field(default=1, description="of the split layout")
    query_replicas: Replicas = Field(default=1, description="of the split layout")
    retention_hours: Annotated[int, Field(ge=24, le=2160)] = 72
    resources: Resources = container_resources(100, 192, 1000, 512)
    instrumented_namespaces: tuple[str, ...] = Field(
        default=(), description="existing namespaces that get a ConfigMap `opentelemetry` with OTEL_* settings"
    )
    tail_sampling: TailSamplingSettings | None = Field(
        default=None, description="left out, a service's `sampling_share` decides where a trace starts"
    )

    @model_validator(mode="after")
    def _a_trace_is_whole(self) -> Self:
        if self.tail_sampling and self.layout == "split" and self.collector_replicas > 1:
            raise ValueError(
                f"tail_sampling is set with layout split and collector_replicas {self.collector_replicas}: a trace's "
                "spans reach several collectors and none sees all; set collector_replicas to 1, or leave it out"
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


class BackupSettings(Model):
    """Snapshots of Grafana's database and Alertmanager's silences, in the bucket."""

    schedule: str = Field(
        default="17 3 * * *",
        pattern=r"^\S+( \S+){4}$",
        examples=["17 3 * * *"],
        description="when, in UTC, as cron writes it",
    )
    keep_days: Days = Field(default=30, description="S3 deletes snapshots that are older")
    work_mib: Quantity = Field(
        default=1024, description="scratch space; twice the size of Grafana's database is enough"
    )


class GrafanaSettings(Model):
    """Dashboards and the way in for people."""

    replicas: Replicas = Field(default=1, description="more than one need `database`")
    database: GrafanaDatabaseSettings | None = Field(
        default=None, description="a PostgreSQL that is there already; where not set, a file on Grafana's volume"
    )
    storage: Storage = Field(default=Storage(size_gib=2), description="not used where `database` is set")
    resources: Resources = container_resources(100, 192, 500, 384)
    exposure: Exposure = Exposure()
    oidc: OidcSettings | None = Field(default=None, description="single sign-on; the user admin stays beside it")

    @model_validator(mode="after")
    def _replicas_share_a_database(self) -> Self:
        if self.replicas > 1 and self.database is None:
            raise ValueError(
                f"replicas is {self.replicas} but database is not set; a file on a volume has one writer, so set "
                "database (its `host` at least) to a PostgreSQL that all replicas share, or set replicas to 1"
            )
        return self


class LoadSettings(Model):
    """What is expected to come in. What the stack is said to cost rests on it, and whether Loki is large enough."""

    nodes: Quantity = Field(default=3, description="of the cluster; an agent runs on each")
    zones: Annotated[int, Field(ge=1, le=6)] = Field(default=2, description="that the nodes are spread over")
    requests_per_second: Annotated[float, Field(gt=0)] = Field(default=2.0, description="at the gateway")
    log_gb_per_day: Annotated[float, Field(gt=0)] = Field(default=1.0, description="of lines, as they reach Loki")


PostgresqlAddress = Annotated[str, Field(pattern=r"^[^/@]+:\d+/[^?]+(\?.*)?$")]


def server(address: str) -> str:
    """host:port of a PostgresqlAddress."""
    return address.split("/", maxsplit=1)[0]


class PostgresqlSettings(Model):
    """The platform's PostgreSQL; the password is the secret postgresql_password."""

    address: PostgresqlAddress = Field(
        examples=["postgresql.dharma:5432/postgres?sslmode=require"],
        description="host:port/database?options, no user in it",
    )
    replica_addresses: tuple[PostgresqlAddress, ...] = Field(
        default=(), description="of its read replicas: how far behind one is, only itself knows; same user and password"
    )
    user: str = Field(description="one that may read statistics: a member of pg_monitor")

    @property
    def addresses(self) -> tuple[str, ...]:
        """Of all servers, the primary's first."""
        return (self.address, *self.replica_addresses)

    @model_validator(mode="after")
    def _a_server_is_named_once(self) -> Self:
        servers = [server(address) for address in self.addresses]
        if twice := sorted({one for one in servers if servers.count(one) > 1}):
            raise ValueError(
                f"address and replica_addresses name {', '.join(twice)} twice; write each server once, replicas by "
                "addresses of their own"
            )
        return self


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
