"""Typed, validated settings: the only reader of pulumi.Config."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pulumi
import yaml
from pulumi.runtime.config import CONFIG, get_config_env
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from components.settings import faults
from components.settings.base import SettingsError
from components.settings.secrets import catalogue, expected_keys, load_secrets
from components.settings.tree import Settings

__all__ = ["Loaded", "Settings", "SettingsError", "load", "of_stack_file", "parse"]


_PREFIX = "observability-stack:"


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What one stack's config says."""

    settings: Settings
    secrets: Mapping[str, pulumi.Output[str]]
    existing_secrets: Mapping[str, frozenset[str]]  # name of a Secret that others make -> the keys needed in it
    region: str  # AWS's
    stack: str


def load() -> Loaded:
    """Reads and checks this stack's config. Raises SettingsError before any resource exists."""
    config = pulumi.Config()
    values = {name: raw for name in Settings.model_fields if (raw := config.get(name)) is not None}
    settings = parse({name: _decoded(name, raw) for name, raw in values.items()})
    _refuse_unknown(config.name, settings)
    region = pulumi.Config("aws").get("region")
    if region is None:
        raise SettingsError("aws:region is not set; run: pulumi config set aws:region us-east-1")
    return Loaded(
        settings=settings,
        secrets=load_secrets(config, settings),
        existing_secrets=expected_keys(settings),
        region=region,
        stack=pulumi.get_stack(),
    )


def parse(values: Mapping[str, Any]) -> Settings:
    """Checks plain values. Raises SettingsError with one line per fault: field, value seen, what to write instead."""
    try:
        return Settings.model_validate_json(json.dumps(values))
    except ValidationError as error:
        # A default that follows from a faulty field is no fault of its own.
        found = [detail for detail in error.errors() if detail["type"] != "default_factory_not_called"]
        raise SettingsError("\n".join(faults.in_words(detail, Settings) for detail in found)) from None


def of_stack_file(path: Path) -> Settings:
    """What a stack file of this project says, without an engine; secrets in it are left out. Raises SettingsError.

    Once `pulumi config set` has written the file, its numbers and flags stand there as text.
    """
    config = yaml.safe_load(path.read_text(encoding="utf-8"))["config"]
    own = {key.removeprefix(_PREFIX): value for key, value in config.items() if key.startswith(_PREFIX)}
    plain = {name: value for name, value in own.items() if not (isinstance(value, dict) and "secure" in value)}
    return parse(
        {
            name: _decoded(name, value) if isinstance(value, str) and name in Settings.model_fields else value
            for name, value in plain.items()
        }
    )


def _decoded(name: str, raw: str) -> Any:
    """Pulumi hands every value over as text; all but strings are JSON."""
    if Settings.model_fields[name].annotation is str or _is_choice(Settings.model_fields[name]):
        return raw
    try:
        return json.loads(raw)
    except json.JSONDecodeError:
        return raw  # the model says what was expected


def _is_choice(field: FieldInfo) -> bool:
    return bool(get_args(field.annotation)) and all(isinstance(choice, str) for choice in get_args(field.annotation))


def _refuse_unknown(project: str, settings: Settings) -> None:
    given = {
        key.removeprefix(f"{project}:") for key in (CONFIG.get() or get_config_env()) if key.startswith(f"{project}:")
    }
    known = {*Settings.model_fields, *(secret.name for secret in catalogue(settings))}
    if unknown := sorted(given - known):
        raise SettingsError("\n".join(faults.unknown(key, known) for key in unknown))
