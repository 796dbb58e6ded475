"""The provider's own settings (`aws:region`, `aws:endpoints`, ...), named as the real provider names them."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from sandbox.aws.provider.check import Failure
from sandbox.aws.provider.wire import has_unknown

# What the engine adds for itself.
_ENGINE_KEYS = frozenset({"version", "pluginDownloadURL", "__internal", "__defaults"})


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Endpoint(_Model):
    """Where each service answers. The AWS services this stack uses; another one is an error."""

    ec2: str | None = None
    iam: str | None = None
    opensearch: str | None = None
    s3: str | None = None
    sts: str | None = None


class DefaultTags(_Model):
    tags: dict[str, str] = Field(default_factory=dict)


class ProviderSettings(_Model):
    """The settings that the stand-in honours. Anything else that the real provider has is refused by name."""

    region: str | None = None
    access_key: str | None = None
    secret_key: str | None = None
    endpoints: tuple[Endpoint, ...] = ()
    # The model's alias generator would call these s3_usePathStyle-like names something else.
    s3_use_path_style: bool = Field(default=False, alias="s3UsePathStyle")
    max_retries: int = Field(default=3, ge=0, le=25)
    default_tags: DefaultTags = DefaultTags()
    skip_credentials_validation: bool = False
    # Accepted, and nothing to do: there is no metadata service, the list of regions and the account are not asked for.
    skip_metadata_api_check: bool = False
    skip_region_validation: bool = True
    skip_requesting_account_id: bool = False

    def endpoint(self, service: str) -> str | None:
        """The address set for `service`, None when none is."""
        found = [address for entry in self.endpoints if (address := getattr(entry, service, None))]
        return found[-1] if found else None


def decoded(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings without the engine's own keys, and with what is not text decoded: it travels as JSON text."""
    return {name: _decode(name, value) for name, value in values.items() if name not in _ENGINE_KEYS}


def parse(values: Mapping[str, Any]) -> ProviderSettings:
    """The settings from what the engine sends. Raises pydantic's ValidationError."""
    return ProviderSettings.model_validate(decoded(values))


def failures(values: Mapping[str, Any]) -> list[Failure]:
    """What is wrong with the settings; those that a preview cannot know yet are left out."""
    known = {name: value for name, value in decoded(values).items() if not has_unknown(value)}
    try:
        ProviderSettings.model_validate(known)
    except ValidationError as error:
        return [_failure(item["loc"], item["msg"], item["type"]) for item in error.errors()]
    return []


def _failure(where: tuple[int | str, ...], message: str, kind: str) -> Failure:
    path = ".".join(str(part) for part in where)
    if kind == "extra_forbidden":
        known = sorted(field.alias or name for name, field in ProviderSettings.model_fields.items())
        return Failure(path, f"aws:{path} is not a setting the AWS stand-in knows; it knows {', '.join(known)}")
    return Failure(path, f"aws:{path}: {message}")


_TEXTS = frozenset({"region", "accessKey", "secretKey"})


def _decode(name: str, value: Any) -> Any:
    if name in _TEXTS or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
