"""Between a schema's properties (camelCase) and the structures of AWS's API, for the parts that map one to one."""

from collections.abc import Mapping
from typing import Any

from sandbox.aws.provider.shape import Field, Fields, Kind


def to_api(values: Mapping[str, Any], fields: Fields) -> dict[str, Any]:
    """The values under the API's names, at every level."""
    return {fields[name].api_name(name): _out(value, fields[name]) for name, value in values.items()}


def from_api(answer: Mapping[str, Any], fields: Fields) -> dict[str, Any]:
    """What AWS answered, under the properties' names; None for what it left out, no word of what it never tells."""
    return {
        name: _in(answer.get(known.api_name(name)), known)
        for name, known in fields.items()
        if not (known.write_only or _only_written(known))
    }


def _only_written(known: Field) -> bool:
    return bool(known.fields) and all(inner.write_only for inner in known.fields.values())


def _out(value: Any, known: Field) -> Any:
    if known.kind is Kind.OBJECT:
        return to_api(value, known.fields)
    if known.kind is Kind.OBJECTS:
        return [to_api(item, known.fields) for item in value]
    return value


def _in(value: Any, known: Field) -> Any:
    if value is None:
        return None
    if known.kind is Kind.OBJECT:
        return from_api(value, known.fields)
    if known.kind is Kind.OBJECTS:
        return [from_api(item, known.fields) for item in value]
    return value
