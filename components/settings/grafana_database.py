"""Grafana's own PostgreSQL database: its slice of the settings."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from components.settings.base import Model, Pem


class GrafanaDatabaseSettings(Model):
    """PostgreSQL for what Grafana keeps, in place of a file on its volume; needed for more than one replica."""

    host: str = Field(pattern=r"^[A-Za-z0-9.-]+$", examples=["grafana.dharma.example"], description="name or address")
    port: Annotated[int, Field(ge=1, le=65535)] = 5432
    # Nothing but letters, digits and _: Grafana derives the lock that its replicas migrate under from what matches \w.
    name: str = Field(
        default="grafana",
        pattern=r"^[a-z_][a-z0-9_]{0,62}$",
        examples=["grafana"],
        description="of a database that holds nothing else: a restore drops the tables of `user` in it first",
    )
    user: str = Field(
        default="grafana",
        pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,62}$",
        examples=["grafana"],
        description="who owns the database; the password is the secret grafana_database_password",
    )
    sslmode: Literal["disable", "require", "verify-full"] = Field(
        default="verify-full", description="as PostgreSQL names it; require encrypts and asks for no certificate"
    )
    ca: Pem | None = Field(default=None, description="authority that signed the server's certificate, PEM")

    @model_validator(mode="after")
    def _trust_is_whole(self) -> Self:
        if self.sslmode == "verify-full" and self.ca is None:
            raise ValueError(
                "sslmode is verify-full but ca is not set; write the authority's certificate (for RDS, the region's "
                "bundle)"
            )
        # PostgreSQL's clients would take an authority beside `require` for an order to verify after all.
        if self.sslmode != "verify-full" and self.ca is not None:
            raise ValueError(f"ca is set but sslmode is {self.sslmode}; set sslmode to verify-full, or leave ca out")
        return self
