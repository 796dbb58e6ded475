"""Loki's settings."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from components.settings.base import (
    MOST_REPLICAS,
    Days,
    Model,
    Published,
    Quantity,
    Replicas,
    Resources,
    Storage,
    container_resources,
)
from rendering.loki import SINGLE_TENANT
from rendering.loki_size import (
    GB_PER_DAY_OF_A_PROCESS,
    GB_PER_DAY_OF_MICROSERVICES,
    MICROSERVICES,
    REPLICATION_FACTOR,
    Microservice,
    required_of,
)

MOST_LOG_GB_PER_DAY = MOST_REPLICAS * GB_PER_DAY_OF_A_PROCESS // REPLICATION_FACTOR  # of Loki as whole processes


def _tenant(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,40}", value):
        raise ValueError("write lower-case letters, digits and dashes, such as team-a")
    return value


Tenant = Annotated[str, AfterValidator(_tenant)]


class MemcachedSettings(Model):
    """Caches that several processes of Loki share; one alone has them in its own memory."""

    replicas: Replicas = Field(default=2, description="of the cache of chunks, and of that of results")
    chunks_mib: Quantity = Field(default=1024, description="of chunks, in each replica")


class MicroserviceSettings(Model):
    """One of Loki's microservices, where it is to differ from what Loki's documentation says for the load."""

    replicas: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=None, description="where not set, as many as `load.log_gb_per_day` needs"
    )
    resources: Resources | None = Field(default=None, description="of each replica")


class LokiSettings(Published):
    """Logs: taken in, kept in S3, queried."""

    layout: Literal["monolithic", "microservices"] = Field(
        default="monolithic",
        description=f"whole processes, for up to {MOST_LOG_GB_PER_DAY} GB of lines a day, or microservices, for up to "
        f"{GB_PER_DAY_OF_MICROSERVICES}",
    )
    retention_days: Days = Field(default=30, description="S3 expires chunks seven days later")
    replicas: Replicas = Field(
        default=1, description="whole processes: 1, or from 3: every line is then kept three times"
    )
    storage: Storage = Field(default=Storage(size_gib=5), description="write-ahead log and index on the way to S3")
    resources: Resources = Field(default=container_resources(200, 384, 1000, 1024), description="of each whole process")
    microservices: dict[Microservice, MicroserviceSettings] = Field(
        default={}, description="of that layout, by name (docs/logs.md lists them)"
    )
    results_cache_mib: Quantity = Field(default=512, description="of query results; in each replica of memcached")
    memcached: MemcachedSettings = MemcachedSettings()
    ingestion_rate_mib: Quantity | None = Field(
        default=None, description="MiB/s of all streams together; where not set, what the agents may send"
    )
    per_stream_rate_mib: Quantity = Field(default=5, description="MiB/s; a stream is one container's log")
    per_stream_burst_mib: Quantity = 15
    max_entries_per_query: Quantity = 10000
    tenants: tuple[Tenant, ...] = Field(
        default=(),
        description="whose logs are kept apart from the platform's, whose tenant is named as the environment; where "
        "there are any, every request names its tenant (`X-Scope-OrgID`)",
    )

    @model_validator(mode="after")
    def _a_tenant_is_named_once(self) -> Self:
        if twice := sorted({one for one in self.tenants if self.tenants.count(one) > 1}):
            raise ValueError(f"tenants names {', '.join(twice)} twice; once is enough")
        if SINGLE_TENANT in self.tenants:
            raise ValueError(
                f"tenants names {SINGLE_TENANT}, whose are the lines of a Loki without tenants; write another name"
            )
        return self

    @model_validator(mode="after")
    def _settings_are_of_the_layout(self) -> Self:
        """What the layout would leave unread is a mistake of whoever wrote it."""
        other = {"monolithic": ("microservices",), "microservices": ("replicas", "resources")}[self.layout]
        if unread := sorted(self.model_fields_set.intersection(other)):
            instead = "leave it out, or set layout to microservices"
            if self.layout == "microservices":
                instead = "set loki.microservices.<name> in its place"
            raise ValueError(f"layout is {self.layout}, which does not read {unread[0]}; {instead}")
        return self

    @property
    def in_ring(self) -> bool:
        """Several processes that find each other, and share their caches."""
        return self.layout == "microservices" or self.replicas > 1

    def microservice(self, name: Microservice, log_gb_per_day: float) -> tuple[int, Resources]:
        """Replicas of one microservice at that load, and what each asks for; twice that is the most it gets."""
        chosen, size = self.microservices.get(name, MicroserviceSettings()), MICROSERVICES[name]
        cpu, memory = size.cpu_millicores, size.memory_mib
        return (
            chosen.replicas or required_of(name, log_gb_per_day),
            chosen.resources or container_resources(cpu, memory, 2 * cpu, 2 * memory),
        )

    @property
    def reachable_from_outside(self) -> bool:
        """Then a gateway stands in front, and asks who comes."""
        return self.exposure.type != "ClusterIP"

    def own_tenant(self, environment: str) -> str | None:
        """Of the platform's own lines and rules; None where Loki has no tenants."""
        return environment if self.tenants else None
