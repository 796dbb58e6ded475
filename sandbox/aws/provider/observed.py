"""What AWS reports, laid over what the program said: the outputs of a resource, and its inputs after a refresh.

An observed value of None means "not set"; a property that is missing from the observation is one AWS does not tell.
"""

from collections.abc import Mapping
from typing import Any

from sandbox.aws.provider.diff import equal
from sandbox.aws.provider.shape import Field, Fields, Kind
from sandbox.aws.provider.wire import Values, without_nulls


def outputs(inputs: Mapping[str, Any], observed: Mapping[str, Any], fields: Fields) -> Values:
    """Everything that is known of the resource: AWS's word, in the program's spelling where both mean the same."""
    result: Values = dict(inputs)
    for name, value in observed.items():
        result[name] = _full(inputs.get(name), value, fields.get(name))
    cleaned: Values = without_nulls(result)
    return cleaned


def refreshed_inputs(inputs: Mapping[str, Any], observed: Mapping[str, Any], fields: Fields) -> Values:
    """The inputs as they would have to be for AWS to look as it does.

    Equal to `inputs` while nobody has touched the resource; defaults that AWS fills in are no drift.
    """
    result: Values = {}
    for name, known in fields.items():
        if name not in observed:
            if name in inputs:
                result[name] = inputs[name]
        elif name in inputs:
            result[name] = _seen(inputs[name], observed[name], known)
        elif known.unset is not None and observed[name] is not None and observed[name] != known.unset:
            result[name] = observed[name]
    cleaned: Values = without_nulls(result)
    return cleaned


def imported_inputs(observed: Mapping[str, Any], fields: Fields) -> Values:
    """The inputs of a resource that is being imported: every property that AWS tells."""
    cleaned: Values = without_nulls({name: observed[name] for name in fields if name in observed})
    return cleaned


def _full(said: Any, seen: Any, known: Field | None) -> Any:
    if known is None or said is None:
        return seen
    if seen is not None and equal(said, seen, known):
        return said
    if known.kind is Kind.OBJECT and isinstance(said, dict) and isinstance(seen, dict):
        return outputs(said, seen, known.fields)
    if known.kind is Kind.OBJECTS and isinstance(said, list) and isinstance(seen, list) and len(said) == len(seen):
        return [outputs(one, other, known.fields) for one, other in zip(said, seen, strict=True)]
    return seen


def _seen(said: Any, seen: Any, known: Field) -> Any:
    if seen is None:
        return said if said in ("", False, 0, [], {}) else None
    if equal(said, seen, known):
        return said
    if known.kind is Kind.OBJECT and isinstance(said, dict) and isinstance(seen, dict):
        return _seen_object(said, seen, known.fields)
    if known.kind is Kind.OBJECTS and isinstance(said, list) and isinstance(seen, list) and len(said) == len(seen):
        return [_seen_object(one, other, known.fields) for one, other in zip(said, seen, strict=True)]
    return seen


def _seen_object(said: Mapping[str, Any], seen: Mapping[str, Any], fields: Fields) -> Values:
    return {
        name: _seen(value, seen[name], fields[name]) if name in seen and name in fields else value
        for name, value in said.items()
    }
