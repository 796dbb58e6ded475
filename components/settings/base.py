"""The building blocks that several tools' settings are made of."""

import ipaddress
import ssl
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


class SettingsError(ValueError):
    """Bad input, found before anything changes: which field, the value seen, what to write instead."""


class Model(BaseModel):
    """A checked, unchangeable group of settings; a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


MOST_REPLICAS = 10
Replicas = Annotated[int, Field(ge=1, le=MOST_REPLICAS)]


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write a whole URL such as https://grafana.example.com")
    return value.rstrip("/")


def _cidr(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError as error:
        raise ValueError("write an address range such as 203.0.113.0/24") from error
    return value


def _pem(value: str) -> str:
    try:
        ssl.create_default_context(cadata=value)
    except (ssl.SSLError, ValueError) as error:
        raise ValueError("write certificates as PEM text, from -----BEGIN CERTIFICATE----- on") from error
    return value.strip() + "\n"


HttpUrl = Annotated[str, AfterValidator(_http_url)]
Pem = Annotated[str, AfterValidator(_pem)]
Cidr = Annotated[str, AfterValidator(_cidr)]
Quantity = Annotated[int, Field(gt=0)]
Days = Annotated[int, Field(ge=1, le=3650)]


class Resources(Model):
    """What one container asks of a node, and the most it gets."""

    cpu_millicores: Quantity
    memory_mib: Quantity
    cpu_limit_millicores: Quantity
    memory_limit_mib: Quantity

    @model_validator(mode="after")
    def _limits_hold_requests(self) -> "Resources":
        if self.cpu_limit_millicores < self.cpu_millicores:
            raise ValueError(
                f"cpu_limit_millicores is {self.cpu_limit_millicores}, less than the {self.cpu_millicores} requested; "
                "raise the limit or lower cpu_millicores"
            )
        if self.memory_limit_mib < self.memory_mib:
            raise ValueError(
                f"memory_limit_mib is {self.memory_limit_mib}, less than the {self.memory_mib} requested; "
                "raise the limit or lower memory_mib"
            )
        return self


def container_resources(cpu: int, memory: int, cpu_limit: int, memory_limit: int) -> Resources:
    """Millicores and MiB: requests, then limits."""
    return Resources(
        cpu_millicores=cpu, memory_mib=memory, cpu_limit_millicores=cpu_limit, memory_limit_mib=memory_limit
    )


class Storage(Model):
    """A volume per replica. Raising `size_gib` grows it in place; lowering it is refused at preview."""

    size_gib: Quantity = Field(description="of each replica's volume")
    storage_class: str | None = Field(default=None, description="the cluster's default class where not set")


_EVERYONE = ("0.0.0.0/0", "::/0")


class Exposure(Model):
    """How people outside the cluster reach a UI. Nothing is published unless this says so."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer", "Ingress"] = Field(
        default="ClusterIP", description="ClusterIP is inside only; LoadBalancer is an AWS network load balancer"
    )
    url: HttpUrl | None = Field(default=None, description="what people type; the in-cluster address where not set")
    node_port: Annotated[int, Field(ge=30000, le=32767)] | None = Field(default=None, description="of a NodePort")
    source_ranges: tuple[Cidr, ...] = Field(default=(), description="who may connect to a LoadBalancer")
    certificate_arn: str | None = Field(default=None, description="ACM certificate of a LoadBalancer's TLS listener")
    ingress_class: str | None = Field(default=None, description="of an Ingress")
    tls_secret: str | None = Field(default=None, description="Secret with the Ingress's certificate")

    @model_validator(mode="after")
    def _whole(self) -> "Exposure":
        if self.type != "ClusterIP" and self.url is None:
            raise ValueError(f"type is {self.type} but url is not set; write the URL that people will open")
        if self.type == "NodePort" and self.node_port is None:
            raise ValueError("type is NodePort but node_port is not set; choose one from 30000 to 32767")
        if self.type == "LoadBalancer":
            self._check_load_balancer()
        if self.type == "Ingress" and not (self.ingress_class and self.tls_secret):
            raise ValueError("type is Ingress; set ingress_class and tls_secret (the Secret with its certificate)")
        return self

    def _check_load_balancer(self) -> None:
        if not self.source_ranges:
            raise ValueError("type is LoadBalancer but source_ranges is empty; list the ranges that may connect")
        if not self.certificate_arn:
            raise ValueError(
                "type is LoadBalancer but certificate_arn is not set; a login must not travel in clear text"
            )
        if not (self.url or "").startswith("https://"):
            raise ValueError(f"type is LoadBalancer with a certificate but url is {self.url}; write its https:// URL")

    @property
    def open_to_everyone(self) -> bool:
        """True when a LoadBalancer would accept connections from any address."""
        return self.type == "LoadBalancer" and any(cidr in _EVERYONE for cidr in self.source_ranges)


class Published(Model):
    """Settings of a tool whose UI has no login of its own."""

    exposure: Exposure = Exposure()

    @model_validator(mode="after")
    def _never_open_to_the_world(self) -> Self:
        if self.exposure.open_to_everyone:
            raise ValueError("exposure.source_ranges admits everyone, and this UI has no login; list your own ranges")
        return self
