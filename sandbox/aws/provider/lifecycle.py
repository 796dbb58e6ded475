"""The life of one resource, from its inputs to its state: what is the same for every type.

Plain values in and out; `server.py` turns the engine's messages into calls of this.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.aws.provider import check, diff, naming, observed
from sandbox.aws.provider.clients import Clients
from sandbox.aws.provider.errors import AwsError, PartlyCreatedError
from sandbox.aws.provider.resources import TYPES
from sandbox.aws.provider.resources.base import Resource
from sandbox.aws.provider.wire import UNKNOWN, Values, has_unknown


@dataclass(frozen=True)
class State:
    """A resource as it is: its id, its outputs, and the inputs that describe it."""

    resource_id: str
    outputs: Values
    inputs: Values


@dataclass(frozen=True)
class Difference:
    """What an update would change, and whether the old resource has to go before the new one can come."""

    changes: list[diff.Change]
    delete_before_replace: bool


def resource(type_name: str, clients: Clients) -> Resource:
    """The type's implementation. Raises AwsError for a type that the stand-in does not know."""
    if type_name not in TYPES:
        raise AwsError(
            f"the AWS stand-in does not know the resource type {type_name}; it knows {', '.join(sorted(TYPES))}. "
            "Teach it in sandbox/aws/provider/resources, or use the real provider"
        )
    return TYPES[type_name](clients)


def checked(
    kind: Resource, name: str, seed: bytes, old: Mapping[str, Any], new: Mapping[str, Any]
) -> tuple[Values, list[check.Failure]]:
    """The inputs with the automatic name filled in, and what is wrong with them."""
    inputs = dict(new)
    field = kind.name_field
    if field and field not in inputs:
        inputs[field] = old.get(field) or naming.auto_name(
            name, seed, max_length=kind.name_max_length, lower_case=kind.name_lower_case
        )
    return inputs, check.failures(inputs, kind.fields)


def difference(kind: Resource, old: Mapping[str, Any], new: Mapping[str, Any], state: Mapping[str, Any]) -> Difference:
    """From the inputs of last time to the inputs of now; changed default tags of the provider are a change too."""
    changes = diff.changes(old, new, kind.fields)
    if "tags" in kind.fields and not any(change.path.startswith("tags") for change in changes):
        changes += [
            change
            for change in diff.changes(
                {"tags": state.get("tagsAll", {})}, {"tags": kind.tags_all(new)}, {"tags": kind.fields["tags"]}
            )
            # Tags that AWS holds and nobody asked for are drift, and a refresh has put them into the old inputs.
            if change.how is not diff.How.REMOVED or "tags" in old
        ]
        changes = [
            diff.Change(change.path.replace("tags", "tagsAll", 1), change.how, change.replaces)
            if change.path.startswith("tags")
            else change
            for change in changes
        ]
    replaces = any(change.replaces for change in changes)
    # Two resources cannot bear one name: where the name stays, the old one has to go first.
    same_name = bool(kind.name_field) and old.get(kind.name_field) == new.get(kind.name_field)
    return Difference(changes, replaces and same_name)


def preview_create(kind: Resource, inputs: Values) -> Values:
    """The outputs of a resource that does not exist yet: what only AWS can tell is unknown."""
    return {**dict.fromkeys(kind.computed, UNKNOWN), **_known_tags(kind, inputs), **inputs}


def create(kind: Resource, inputs: Values) -> State:
    """Creates it. Raises PartlyCreatedError with the id when it exists but could not be finished."""
    if has_unknown(inputs):
        raise AwsError(f"{kind.type_name}: an input is still unknown; this is a fault of the engine or the program")
    resource_id = kind.create(inputs)
    try:
        found = kind.read(resource_id, inputs)
    except Exception as error:
        raise PartlyCreatedError(resource_id, f"created, but it cannot be read back: {error}") from error
    if found is None:
        raise AwsError(f"{kind.type_name}: created {resource_id}, and AWS knows nothing of it")
    return State(resource_id, _outputs(kind, inputs, found), inputs)


def read(kind: Resource, resource_id: str, inputs: Values) -> State | None:
    """The resource as it is now, None when it is gone; without inputs it is being imported."""
    found = kind.read(resource_id, inputs)
    if found is None:
        return None
    if not inputs:
        inputs = observed.imported_inputs(found, kind.fields)
        return State(resource_id, _outputs(kind, inputs, found), inputs)
    return State(resource_id, _outputs(kind, inputs, found), observed.refreshed_inputs(inputs, found, kind.fields))


def preview_update(kind: Resource, state: Values, old: Values, new: Values) -> Values:
    """The outputs after an update: what the new inputs say over what is known."""
    kept = {name: value for name, value in state.items() if name not in old or name in new}
    return {**kept, **_known_tags(kind, new), **new}


def update(kind: Resource, resource_id: str, old: Values, new: Values) -> State:
    """Makes the resource what the new inputs say."""
    kind.update(resource_id, old, new)
    state = read(kind, resource_id, new)
    if state is None:
        raise AwsError(f"{kind.type_name}: {resource_id} is gone; run `pulumi refresh`")
    return State(resource_id, state.outputs, new)


def _known_tags(kind: Resource, inputs: Mapping[str, Any]) -> Values:
    return {"tagsAll": kind.tags_all(inputs)} if "tags" in kind.fields else {}


def _outputs(kind: Resource, inputs: Mapping[str, Any], found: Mapping[str, Any]) -> Values:
    undeclared = set(found) - set(kind.fields) - set(kind.computed) - {"tagsAll"}
    # What is declared is compared with the SDK by a test; an output that is not would escape it.
    if undeclared:
        raise AwsError(f"{kind.type_name} reports {sorted(undeclared)}, which it does not declare")
    return observed.outputs(inputs, found, kind.fields)
