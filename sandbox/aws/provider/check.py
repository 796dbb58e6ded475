"""Are these inputs ones that the resource type takes? Unknown names and wrong types are errors, never ignored."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.aws.provider.shape import Field, Fields, Kind
from sandbox.aws.provider.wire import is_unknown


@dataclass(frozen=True)
class Failure:
    """One thing that is wrong: where (`rules[0].filter.prefix`) and what to write instead."""

    path: str
    reason: str


def failures(inputs: Mapping[str, Any], fields: Fields) -> list[Failure]:
    """All that is wrong with the inputs; values that a preview cannot know yet are taken on trust."""
    return list(_object(inputs, fields, ""))


def _object(values: Mapping[str, Any], fields: Fields, where: str) -> Iterator[Failure]:
    for name, value in values.items():
        path = f"{where}.{name}" if where else name
        if name not in fields:
            yield Failure(
                path, f"{path} is not a property the AWS stand-in knows; it knows {', '.join(sorted(fields))}"
            )
        elif not is_unknown(value):
            yield from _value(value, fields[name], path)
    for name, known in fields.items():
        if known.required and name not in values:
            path = f"{where}.{name}" if where else name
            yield Failure(path, f"{path} is missing; set it to {known.kind}")


def _value(value: Any, known: Field, path: str) -> Iterator[Failure]:
    if not _TAKES[known.kind](value):
        yield Failure(path, f"{path} is {value!r}; write {known.kind}")
    elif known.kind is Kind.OBJECT:
        yield from _object(value, known.fields, path)
    elif known.kind is Kind.OBJECTS:
        yield from _objects(value, known, path)


def _objects(items: list[Any], known: Field, path: str) -> Iterator[Failure]:
    for index, item in enumerate(items):
        here = f"{path}[{index}]"
        if isinstance(item, dict):
            yield from _object(item, known.fields, here)
        elif not is_unknown(item):
            yield Failure(here, f"{here} is {item!r}; write {Kind.OBJECT}")


def _is_json_object(value: Any) -> bool:
    try:
        return isinstance(value, str) and isinstance(json.loads(value), dict)
    except ValueError:
        return False


def _all_texts(values: Iterable[Any]) -> bool:
    return all(isinstance(item, str) for item in values)


_TAKES: dict[Kind, Callable[[Any], bool]] = {
    Kind.TEXT: lambda value: isinstance(value, str),
    Kind.POLICY: _is_json_object,
    Kind.WHOLE: lambda value: isinstance(value, int) and not isinstance(value, bool),
    Kind.TRUTH: lambda value: isinstance(value, bool),
    Kind.TEXTS: lambda value: isinstance(value, list) and _all_texts(value),
    Kind.MAP: lambda value: isinstance(value, dict) and _all_texts(value.values()),
    Kind.OBJECT: lambda value: isinstance(value, dict),
    Kind.OBJECTS: lambda value: isinstance(value, list),
}
