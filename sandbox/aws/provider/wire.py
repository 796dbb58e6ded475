"""Between the engine's messages and plain Python values."""

from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct

from sandbox.aws.provider.shape import Fields, Kind

# The engine sends one of these in place of a value that a preview cannot know (one per type of value:
# pulumi's sdk/go/common/resource/plugin/rpc.go).
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_UNKNOWNS = frozenset(
    {
        UNKNOWN,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # truth
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # list
        "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
    }
)
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"

Values = dict[str, Any]


def unpack(message: Struct) -> Values:
    """The message as plain values: whole numbers as `int`, secrets unwrapped, nulls left out, at every level."""
    values: Values = without_nulls(_plain(json_format.MessageToDict(message)))
    return values


def pack(values: Mapping[str, Any]) -> Struct:
    """Plain values as the engine's message."""
    return json_format.ParseDict(without_nulls(dict(values)), Struct())


def without_nulls(value: Any) -> Any:
    """The value without the keys that hold nothing; a property set to null is a property not set."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get(_SIGNATURE) == _SECRET:  # the engine strips them for resources, but not for the settings
            return _plain(value["value"])
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    # The message knows floating point only.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def is_unknown(value: object) -> bool:
    """True for what a preview cannot know."""
    return isinstance(value, str) and value in _UNKNOWNS


def has_unknown(value: object) -> bool:
    """True when the value is unknown, or anything inside it is."""
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return is_unknown(value)


def mark_secrets(values: Mapping[str, Any], fields: Fields) -> Values:
    """The values with those wrapped that the schema calls secret, so that the engine encrypts them in the state.

    What the program itself marked as secret needs no mark from here: the engine keeps it.
    """
    marked: Values = {}
    for name, value in values.items():
        known = fields.get(name)
        if known is None:
            marked[name] = value
        elif known.secret:
            marked[name] = {_SIGNATURE: _SECRET, "value": value}
        elif known.kind is Kind.OBJECT and isinstance(value, dict):
            marked[name] = mark_secrets(value, known.fields)
        elif known.kind is Kind.OBJECTS and isinstance(value, list):
            marked[name] = [mark_secrets(item, known.fields) for item in value]
        else:
            marked[name] = value
    return marked
