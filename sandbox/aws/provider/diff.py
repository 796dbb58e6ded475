"""What changes between the inputs of last time and those of now, and which change needs a new resource."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sandbox.aws.provider.shape import Field, Fields, Kind, Replaces
from sandbox.aws.provider.wire import has_unknown, is_unknown


class How(StrEnum):
    ADDED = "ADD"
    REMOVED = "DELETE"
    CHANGED = "UPDATE"


@dataclass(frozen=True)
class Change:
    """One changed property, by the engine's property path (`tags["kubernetes.io/name"]`)."""

    path: str
    how: How
    replaces: bool


def changes(old: Mapping[str, Any], new: Mapping[str, Any], fields: Fields) -> list[Change]:
    """Every change from the old inputs to the new ones; a value that is not known yet counts as a change."""
    return _object(old, new, fields, "", inherited=False)


def equal(old: Any, new: Any, known: Field) -> bool:
    """True when AWS would see no difference between the two values."""
    if is_unknown(new) or is_unknown(old):
        return False
    if known.kind is Kind.POLICY:
        return same_document(old, new)
    if known.kind is Kind.TEXTS and known.unordered and isinstance(old, list) and isinstance(new, list):
        return not has_unknown(new) and sorted(old) == sorted(new)
    if known.kind is Kind.OBJECTS and known.unordered and isinstance(old, list) and isinstance(new, list):
        return not has_unknown(new) and sorted(map(_canonical, old)) == sorted(map(_canonical, new))
    return bool(old == new)


def same_document(old: Any, new: Any) -> bool:
    """True when both texts hold the same JSON, however it is spelt."""
    try:
        return bool(json.loads(old) == json.loads(new))
    except (TypeError, ValueError):
        return bool(old == new)


def _object(
    old: Mapping[str, Any], new: Mapping[str, Any], fields: Fields, where: str, *, inherited: bool
) -> list[Change]:
    found: list[Change] = []
    for name in sorted({*old, *new}):
        # Old inputs may hold what an earlier version of the schema knew: a plain text then.
        known = fields.get(name, Field(kind=Kind.TEXT))
        path = f"{where}.{name}" if where else name
        found += _value(old.get(name), new.get(name), known, path, inherited)
    return found


def _value(old: Any, new: Any, known: Field, path: str, inherited: bool) -> list[Change]:
    always = inherited or known.replaces is Replaces.ALWAYS
    if old is None and new is None:
        return []
    if old is not None and new is not None:
        if equal(old, new, known):
            return []
        if known.kind is Kind.OBJECT and isinstance(old, dict) and isinstance(new, dict):
            return _object(old, new, known.fields, path, inherited=always)
        if known.kind is Kind.MAP and isinstance(old, dict) and isinstance(new, dict):
            return _map(old, new, path, always)
        if known.kind is Kind.OBJECTS and _same_length(old, new) and not known.unordered:
            return [
                change
                for index, pair in enumerate(zip(old, new, strict=True))
                for change in _item(pair[0], pair[1], known, f"{path}[{index}]", always)
            ]
    how = How.ADDED if old is None else How.REMOVED if new is None else How.CHANGED
    turned_off = known.replaces is Replaces.TURNED_OFF and old is True and new in (None, False)
    return [Change(path, how, always or turned_off)]


def _item(old: Any, new: Any, known: Field, path: str, inherited: bool) -> list[Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        return _object(old, new, known.fields, path, inherited=inherited)
    return [] if old == new and not is_unknown(new) else [Change(path, How.CHANGED, inherited)]


def _map(old: Mapping[str, str], new: Mapping[str, str], path: str, replaces: bool) -> list[Change]:
    found = []
    for key in sorted({*old, *new}):
        if key not in old:
            how = How.ADDED
        elif key not in new:
            how = How.REMOVED
        elif old[key] != new[key] or is_unknown(new[key]):
            how = How.CHANGED
        else:
            continue
        plain = re.fullmatch(r"\w+", key)
        found.append(Change(f"{path}.{key}" if plain else f"{path}[{json.dumps(key)}]", how, replaces))
    return found


def _same_length(old: Any, new: Any) -> bool:
    return isinstance(old, list) and isinstance(new, list) and len(old) == len(new)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
