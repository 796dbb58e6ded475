"""Puts what is wrong with an input into words: the field, the value seen, what to write instead."""

import difflib
import json
import re
from collections.abc import Collection
from types import UnionType
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails


def in_words(detail: ErrorDetails, root: type[BaseModel]) -> str:
    """One line about one fault that pydantic found in an input for the model `root`."""
    loc, path = detail["loc"], ".".join(str(part) for part in detail["loc"])
    field = _field_at(root, loc)
    match detail["type"]:
        case "missing":
            return f"{path} is not set; {_meaning(field)}"
        case "extra_forbidden":
            model = _model_at(root, loc[:-1])
            return unknown(path, _names(model) if model else ())
        case "value_error":
            return _refused(path, detail["input"], str(detail["ctx"]["error"]))
        case _:
            return f"{path} is {_seen(detail['input'])}; {_instead(detail, field, root)}"


def unknown(path: str, known: Collection[str]) -> str:
    """A key that nobody reads, with the nearest one that somebody does."""
    prefix, _, key = path.rpartition(".")
    nearest = difflib.get_close_matches(key, known, n=1)
    if nearest:
        return f"{path} is not a setting; did you mean {'.'.join(filter(None, [prefix, nearest[0]]))}?"
    return f"{path} is not a setting; known: {', '.join(sorted(known))}"


def _refused(path: str, seen: Any, reason: str) -> str:
    """A check of ours said no. Of a group of settings it names the one it means; a single value is shown here."""
    if not path:
        return reason
    return f"{path}: {reason}" if isinstance(seen, dict | list) else f"{path} is {_seen(seen)}; {reason}"


# pydantic's kind of fault -> what to write instead; braces take pydantic's own figures.
_INSTEAD = {
    "greater_than_equal": "set {ge} or more",
    "less_than_equal": "set {le} or less",
    "greater_than": "set more than {gt}",
    "literal_error": "write {expected}",
    "int_type": "write a whole number, without quotes",
    "int_from_float": "write a whole number",
    "float_type": "write a number, without quotes",
    "bool_type": "write true or false, without quotes",
    "string_type": "write text, in quotes where YAML would read something else",
    "tuple_type": "write a list",
    "dict_type": "write a map",
}


def _instead(detail: ErrorDetails, field: FieldInfo | None, root: type[BaseModel]) -> str:
    kind = detail["type"]
    if kind in _INSTEAD:
        return _INSTEAD[kind].format_map(detail.get("ctx", {}))
    model = _model_at(root, detail["loc"])
    if kind == "model_type" and model is not None:
        return f"write a group of settings: {', '.join(_names(model))}"
    if kind == "string_pattern_mismatch" and field is not None and field.examples:
        return f"write something like {field.examples[0]}"
    return f"{detail['msg'][0].lower()}{detail['msg'][1:]}"


def _seen(value: Any) -> str:
    """The value as it was written; what stands before an @ may be a password, and this ends up in logs."""
    return re.sub(r'[^/@\s"]*@', "***@", json.dumps(value))


def _meaning(field: FieldInfo | None) -> str:
    return f"set it: {field.description}" if field and field.description else "set it in this stack's config"


def _names(model: type[BaseModel]) -> tuple[str, ...]:
    """The keys of a group as people write them."""
    return tuple(field.alias or name for name, field in model.model_fields.items())


def _field_at(root: type[BaseModel], loc: tuple[int | str, ...]) -> FieldInfo | None:
    model = _model_at(root, loc[:-1])
    return _field(model, loc[-1]) if model and loc else None


def _field(model: type[BaseModel], key: int | str) -> FieldInfo | None:
    """By name, or by the alias that people write."""
    by_alias = {field.alias: field for field in model.model_fields.values() if field.alias}
    return model.model_fields.get(str(key)) or by_alias.get(str(key))


def _model_at(root: type[BaseModel], loc: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The model that an input at `loc` is for, if it is for one."""
    here: Any = root
    for part in loc:
        model = _model_of(here)
        if model is not None:
            field = _field(model, part)
            here = field.annotation if field else None
        else:
            here = _held_by(here)
    return _model_of(here)


def _model_of(annotation: Any) -> type[BaseModel] | None:
    """The model itself, or the one in `Model | None`."""
    candidates = get_args(annotation) if get_origin(annotation) is UnionType else (annotation,)
    return next((one for one in candidates if isinstance(one, type) and issubclass(one, BaseModel)), None)


def _held_by(annotation: Any) -> Any:
    """What the values of a map, or the places of a list, are."""
    match get_origin(annotation), get_args(annotation):
        case (origin, (_, values)) if origin is dict:
            return values
        case (origin, (places, *_)) if origin in (tuple, list):
            return places
    return None
