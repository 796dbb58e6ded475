"""The reference page of all settings, written from the settings themselves.

`python -m components.settings.reference` writes docs/configuration.md anew.
"""

import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from components.settings.base import Cidr, HttpUrl, Resources, Storage
from components.settings.secrets import Secret, catalogue
from components.settings.tree import Settings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"
REWRITE = "python -m components.settings.reference"

INTRODUCTION = f"""# Configuration

Written by `{REWRITE}` from the settings themselves. Every key lives in
`Pulumi.<stack>.yaml` under `observability-stack:`; everything is checked before the first resource is touched, and a
refusal names the field, the value seen and what to write instead. A single value is set with, for example:

```sh
pulumi config set --path 'observability-stack:loki.retention_days' 14
```

Beside them `aws:region` is required. What is said per service (port, team, objectives, sampling) is in
[services.yaml](../configs/services.yaml), who is told of which alert in [teams.yaml](../configs/teams.yaml), image tags
in [versions.yaml](../configs/versions.yaml).
"""

SECRETS = """## Secrets

Set with `pulumi config set --secret <name> '<value>'`; a missing one is refused at preview with that very command. They
reach a tool as files of a Kubernetes Secret, or as environment where a tool can read no file, and never a ConfigMap.

Those of a Kubernetes Secret that `existing_secrets` lists are not asked for: whoever makes that Secret (an operator
that reads a vault, say) writes them under these keys, before the first `pulumi up`, into a namespace that exists
(`namespaces.mode: existing`). A Secret that is missing, or lacks a key, is refused at preview.

| secret | is | needed when | Secret and key |
|---|---|---|---|
"""


def page(settings: Settings) -> str:
    """The whole page. `settings` is any valid example: the catalogue of secrets is asked with it."""
    titles = _titles()
    sections = [_section(model, titles) for model in titles]
    secrets = "".join(_secret_row(one) for one in catalogue(settings))
    return "\n".join([INTRODUCTION, *sections, SECRETS + secrets])


def _secret_row(secret: Secret) -> str:
    place = f"`{secret.held_in}`, `{secret.key}`" if secret.held_in else ""
    return f"| `{secret.name}` | {secret.meaning} | {secret.needed_when} | {place} |\n"


Titles = Mapping[type[BaseModel], str]


def _titles() -> Titles:
    """Every group in order of first mention, and its heading: where it is written, or its class where in many."""
    titles: dict[type[BaseModel], str] = {Settings: "All"}

    def walk(model: type[BaseModel], path: str) -> None:
        for name, field in model.model_fields.items():
            for inner in _inner_models(field.annotation):
                here = f"{path}.{name}".lstrip(".")
                titles[inner] = inner.__name__ if inner in titles else here
                walk(inner, here)

    walk(Settings, "")
    return titles


def _inner_models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _inner_models(argument)


def _section(model: type[BaseModel], titles: Titles) -> str:
    rows = [_row(name, field, titles) for name, field in model.model_fields.items()]
    head = [f"## {titles[model]}", "", _about(model), "", "| key | takes | default | meaning |", "|---|---|---|---|"]
    return "\n".join([*head, *rows, ""])


def _about(model: type[BaseModel]) -> str:
    return inspect.cleandoc(model.__doc__ or "")


def _row(name: str, field: FieldInfo, titles: Titles) -> str:
    inner = next(_inner_models(field.annotation), None)
    meaning = field.description or (_about(inner).splitlines()[0] if inner and titles[inner] != inner.__name__ else "")
    if field.examples:
        meaning += f"{'; ' if meaning else ''}e.g. `{field.examples[0]}`"
    return f"| `{field.alias or name}` | {_takes(field, titles)} | {_default(field)} | {meaning.replace('<', '&lt;')} |"


def _takes(field: FieldInfo, titles: Titles) -> str:
    checks = {getattr(check, "func", None) for check in field.metadata}
    words = "URL" if checks & _checks(HttpUrl) else _type(field.annotation, titles)
    limits = {type(limit).__name__: limit for limit in field.metadata}
    low, high = getattr(limits.get("Ge"), "ge", None), getattr(limits.get("Le"), "le", None)
    if low is not None and high is not None:
        return f"{words}, {low} to {high}"
    above = getattr(limits.get("Gt"), "gt", None)
    return f"{words}, more than {above}" if above is not None else words


def _checks(annotated: Any) -> set[Any]:
    """The functions that check a type such as HttpUrl."""
    return {getattr(check, "func", None) for check in get_args(annotated)[1:]} - {None}


_WORDS = {str: "text", int: "whole number", float: "number", bool: "`true`, `false`", HttpUrl: "URL", Cidr: "CIDR"}


def _type(annotation: Any, titles: Titles) -> str:
    if annotation in _WORDS:
        return _WORDS[annotation]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        title = titles[annotation]
        return f"[{title}](#{title.lower().replace('.', '')})"
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in arguments)
    inner = _type(
        arguments[1] if origin is dict else arguments[0], titles
    )  # `X | None` and Annotated[X, ...] hold an X
    return {tuple: f"list of {inner}", dict: f"map of name to {inner}"}.get(origin, inner)


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:  # follows from other fields; its meaning says how
        return ""
    match field.default:
        case default if default is PydanticUndefined:
            return "**required**"
        case Storage(size_gib=size):
            return f"{size} GiB"
        case Resources() as all_of:
            requests = f"{all_of.cpu_millicores}m and {all_of.memory_mib} MiB"
            return f"{requests}, at most {all_of.cpu_limit_millicores}m and {all_of.memory_limit_mib} MiB"
        case None | () | BaseModel():
            return ""
        case default:
            return f"`{json.dumps(default)}`" if default != {} else ""


def example() -> Settings:
    """The least that makes valid settings."""
    return Settings.model_validate(
        {
            "environment": "dev",
            "cluster": "dev",
            "object_store": {"bucket": "dev-logs"},
            "span_store": {"mode": "external", "url": "https://spans.example.com:9200"},
            "prometheus": {"runbook_base_url": "https://example.com/runbooks"},
        }
    )


if __name__ == "__main__":
    PAGE.write_text(page(example()), encoding="utf-8")
    print(PAGE.relative_to(PAGE.parents[1]))
