"""How a resource type says which properties it takes: the vocabulary of the schemas in `resources/`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What a property holds, in the words of an error message."""

    TEXT = "a string"
    POLICY = "a JSON document as a string"
    WHOLE = "a whole number"
    TRUTH = "true or false"
    TEXTS = "a list of strings"
    MAP = "a map of strings"
    OBJECT = "an object"
    OBJECTS = "a list of objects"


class Replaces(StrEnum):
    """When a changed value needs a new resource instead of an update."""

    NEVER = "never"
    ALWAYS = "always"
    TURNED_OFF = "turned off"  # what AWS lets one switch on in place, but not off


@dataclass(frozen=True, kw_only=True)
class Field:
    """One property, named in a schema as the pulumi-aws SDK names it on the wire (camelCase)."""

    kind: Kind
    required: bool = False
    replaces: Replaces = Replaces.NEVER
    fields: Mapping[str, "Field"] = field(default_factory=dict)  # of OBJECT and OBJECTS
    api: str = ""  # AWS's own name where it is not the property's with a capital
    unordered: bool = False  # a set to AWS: another order is no change
    secret: bool = False  # kept encrypted in the state
    write_only: bool = False  # AWS never tells it: what the program says is all that is known
    unset: object = None  # what AWS reports while nobody has set the property

    def __post_init__(self) -> None:
        if bool(self.fields) != (self.kind in (Kind.OBJECT, Kind.OBJECTS)):
            raise ValueError(f"{self.kind}: fields belong to objects, and objects need them")

    def api_name(self, name: str) -> str:
        """The property's name in AWS's API: `engineVersion` is EngineVersion there, if not said otherwise."""
        return self.api or name[0].upper() + name[1:]


Fields = Mapping[str, Field]


def text(
    *,
    required: bool = False,
    replaces: Replaces = Replaces.NEVER,
    api: str = "",
    secret: bool = False,
    write_only: bool = False,
    unset: str | None = None,
) -> Field:
    return Field(
        kind=Kind.TEXT,
        required=required,
        replaces=replaces,
        api=api,
        secret=secret,
        write_only=write_only,
        unset=unset,
    )


def policy(*, required: bool = False, replaces: Replaces = Replaces.NEVER, api: str = "") -> Field:
    """A policy document: two spellings of the same JSON are the same policy."""
    return Field(kind=Kind.POLICY, required=required, replaces=replaces, api=api)


def whole(*, required: bool = False, replaces: Replaces = Replaces.NEVER, api: str = "") -> Field:
    return Field(kind=Kind.WHOLE, required=required, replaces=replaces, api=api)


def truth(
    *, required: bool = False, replaces: Replaces = Replaces.NEVER, api: str = "", write_only: bool = False
) -> Field:
    return Field(kind=Kind.TRUTH, required=required, replaces=replaces, api=api, write_only=write_only)


def texts(*, required: bool = False, replaces: Replaces = Replaces.NEVER, api: str = "") -> Field:
    """A set of strings (all the lists of strings of this stack's types are sets to AWS)."""
    return Field(kind=Kind.TEXTS, required=required, replaces=replaces, api=api, unordered=True)


def text_map(*, unset: Mapping[str, str] | None = None, api: str = "") -> Field:
    return Field(kind=Kind.MAP, unset=unset, api=api)


def an_object(fields: Fields, *, required: bool = False, replaces: Replaces = Replaces.NEVER, api: str = "") -> Field:
    return Field(kind=Kind.OBJECT, required=required, replaces=replaces, api=api, fields=fields)


def objects(fields: Fields, *, required: bool = False, api: str = "", unordered: bool = False) -> Field:
    return Field(kind=Kind.OBJECTS, required=required, api=api, fields=fields, unordered=unordered)
