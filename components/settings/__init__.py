"""Typed, validated settings: the only reader of pulumi.Config."""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from components.settings.base import SettingsError
from components.settings.secrets import catalogue, load_secrets
from components.settings.tree import Settings

__all__ = ["Loaded", "Settings", "SettingsError", "load", "parse"]


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What one stack's config says."""

    settings: Settings
    secrets: Mapping[str, pulumi.Output[str]]
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
    return Loaded(settings=settings, secrets=load_secrets(config, settings), region=region, stack=pulumi.get_stack())


def parse(values: Mapping[str, Any]) -> Settings:
    """Checks plain values. Raises SettingsError with one line per fault: field, value seen, what to write instead."""
    try:
        return Settings.model_validate_json(json.dumps(values))
    except ValidationError as error:
        raise SettingsError("\n".join(_fault(detail) for detail in error.errors())) from None


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
        raise SettingsError("\n".join(_unknown(key, known) for key in unknown))


def _fault(detail: ErrorDetails) -> str:
    path = ".".join(str(part) for part in detail["loc"])
    match detail["type"]:
        case "missing":
            return f"{path} is not set; {_description(detail['loc'])}"
        case "extra_forbidden":
            return _unknown(path, _siblings(detail["loc"]))
        case "value_error":
            where = f"{path}: " if path else ""
            return f"{where}{detail['ctx']['error']}"
        case _:
            return f"{path} is {json.dumps(detail['input'])}; {detail['msg'][0].lower()}{detail['msg'][1:]}"


def _unknown(path: str, known: set[str]) -> str:
    prefix, _, key = path.rpartition(".")
    nearest = difflib.get_close_matches(key, known, n=1)
    hint = (
        f"did you mean {'.'.join(filter(None, [prefix, nearest[0]]))}?"
        if nearest
        else f"known: {', '.join(sorted(known))}"
    )
    return f"{path} is not a setting; {hint}"


def _description(loc: tuple[int | str, ...]) -> str:
    model = _model_at(loc[:-1])
    field = model.model_fields.get(str(loc[-1])) if model else None
    return f"set it: {field.description}" if field and field.description else "set it in this stack's config"


def _siblings(loc: tuple[int | str, ...]) -> set[str]:
    model = _model_at(loc[:-1])
    return set(model.model_fields) if model else set()


def _model_at(loc: tuple[int | str, ...]) -> type[BaseModel] | None:
    model: type[BaseModel] | None = Settings
    for part in loc:
        field = model.model_fields.get(str(part)) if model else None
        if field is None:
            return None
        candidates = [field.annotation, *get_args(field.annotation)]
        model = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
    return model
