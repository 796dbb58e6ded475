"""IAM policy documents out of `aws.iam.get_policy_document`'s arguments: plain computation, no AWS."""

import json
import zlib
from collections.abc import Mapping
from typing import Any

from sandbox.aws.provider.shape import objects, text, texts

_PRINCIPAL = {"identifiers": texts(required=True), "type": text(required=True)}
_CONDITION = {"test": text(required=True), "values": texts(required=True), "variable": text(required=True)}

ARGUMENTS = {
    "policyId": text(),
    "statements": objects(
        {
            "actions": texts(),
            "conditions": objects(_CONDITION),
            "effect": text(),
            "notActions": texts(),
            "notPrincipals": objects(_PRINCIPAL),
            "notResources": texts(),
            "principals": objects(_PRINCIPAL),
            "resources": texts(),
            "sid": text(),
        }
    ),
    "version": text(),
}


def document(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The policy document, spelt as the real provider spells it."""
    result: dict[str, Any] = {"Version": arguments.get("version", "2012-10-17")}
    if "policyId" in arguments:
        result["Id"] = arguments["policyId"]
    result["Statement"] = [_statement(statement) for statement in arguments.get("statements", ())]
    return result


def invoke(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What `get_policy_document` returns."""
    made = document(arguments)
    pretty = json.dumps(made, indent=2)
    return {
        **arguments,
        "id": str(zlib.crc32(pretty.encode())),
        "json": pretty,
        "minifiedJson": json.dumps(made, separators=(",", ":")),
        "version": made["Version"],
    }


def _statement(given: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if "sid" in given:
        made["Sid"] = given["sid"]
    made["Effect"] = given.get("effect", "Allow")
    for name, word in (
        ("actions", "Action"),
        ("notActions", "NotAction"),
        ("resources", "Resource"),
        ("notResources", "NotResource"),
    ):
        if given.get(name):
            made[word] = _one_or_many(given[name])
    for name, word in (("principals", "Principal"), ("notPrincipals", "NotPrincipal")):
        if given.get(name):
            made[word] = _principals(given[name])
    if given.get("conditions"):
        made["Condition"] = _conditions(given["conditions"])
    return made


def _principals(given: list[Mapping[str, Any]]) -> Any:
    if len(given) == 1 and given[0]["type"] == "*" and given[0]["identifiers"] == ["*"]:
        return "*"
    merged: dict[str, list[str]] = {}
    for principal in given:
        merged.setdefault(principal["type"], []).extend(principal["identifiers"])
    return {kind: _one_or_many(names) for kind, names in merged.items()}


def _conditions(given: list[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    made: dict[str, dict[str, Any]] = {}
    for condition in given:
        made.setdefault(condition["test"], {})[condition["variable"]] = _one_or_many(condition["values"])
    return made


def _one_or_many(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else sorted(values, reverse=True)
