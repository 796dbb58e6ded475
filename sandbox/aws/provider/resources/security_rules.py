"""Security group rules in three spellings: one flat rule, AWS's grouped permissions, the SDK's inline blocks.

AWS groups rules by protocol and ports whatever the program wrote, so comparing takes the flat form.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sandbox.aws.provider.wire import Values

# The SDK's list, AWS's list, and the key inside AWS's entries.
_SOURCES = (
    ("cidrBlocks", "IpRanges", "CidrIp"),
    ("ipv6CidrBlocks", "Ipv6Ranges", "CidrIpv6"),
    ("prefixListIds", "PrefixListIds", "PrefixListId"),
    ("securityGroups", "UserIdGroupPairs", "GroupId"),
)
_RESOURCE_SOURCES = {
    "cidrIpv4": "IpRanges",
    "cidrIpv6": "Ipv6Ranges",
    "prefixListId": "PrefixListIds",
    "referencedSecurityGroupId": "UserIdGroupPairs",
}
_KEYS = {api: key for _, api, key in _SOURCES}
_ALL = "-1"


@dataclass(frozen=True, order=True)
class Rule:
    """One protocol, one range of ports, one peer. Ports are -1 where the protocol has none."""

    protocol: str
    from_port: int
    to_port: int
    source: str  # AWS's list: IpRanges, ...
    peer: str
    description: str

    @classmethod
    def of_resource(cls, inputs: Mapping[str, Any]) -> "Rule":
        """The rule that an ingress or egress rule resource describes; with no peer AWS refuses it."""
        source, peer = next(
            ((api, inputs[name]) for name, api in _RESOURCE_SOURCES.items() if name in inputs), ("IpRanges", "")
        )
        from_port, to_port = inputs.get("fromPort", -1), inputs.get("toPort", -1)
        return cls(inputs["ipProtocol"], from_port, to_port, source, peer, inputs.get("description", ""))


def from_property(blocks: Iterable[Mapping[str, Any]], group: str) -> set[Rule]:
    """The flat rules of inline blocks; `group` is the group they are in, for `self`."""
    rules = set()
    for block in blocks:
        protocol = block["protocol"].lower().replace("all", _ALL)
        from_port, to_port = (-1, -1) if protocol == _ALL else (block["fromPort"], block["toPort"])
        peers = [(api, peer) for name, api, _ in _SOURCES for peer in block.get(name, ())]
        if block.get("self"):
            peers.append(("UserIdGroupPairs", group))
        rules |= {Rule(protocol, from_port, to_port, api, peer, block.get("description", "")) for api, peer in peers}
    return rules


def from_permissions(permissions: Iterable[Mapping[str, Any]]) -> set[Rule]:
    """The flat rules of what AWS reports."""
    return {
        Rule(
            permission["IpProtocol"],
            permission.get("FromPort", -1),
            permission.get("ToPort", -1),
            api,
            entry[key],
            entry.get("Description", ""),
        )
        for permission in permissions
        for api, key in _KEYS.items()
        for entry in permission.get(api, ())
    }


def to_permissions(rules: Iterable[Rule]) -> list[Any]:
    """The rules as AWS takes them."""
    return [_permission(rule) for rule in sorted(rules)]


def to_property(rules: set[Rule], said: list[Values] | None, group: str) -> list[Values]:
    """The rules as inline blocks: the program's own blocks while they mean the same."""
    if said is not None and from_property(said, group) == rules:
        return said
    blocks = []
    by_ports = groupby(sorted(rules), key=lambda rule: (rule.protocol, rule.from_port, rule.to_port))
    for (protocol, from_port, to_port), together in by_ports:
        members = list(together)
        for description in sorted({rule.description for rule in members}):
            chosen = [rule for rule in members if rule.description == description]
            block: Values = {"protocol": protocol, "fromPort": max(from_port, 0), "toPort": max(to_port, 0)}
            if description:
                block["description"] = description
            for name, api, _ in _SOURCES:
                if peers := [rule.peer for rule in chosen if rule.source == api and rule.peer != group]:
                    block[name] = peers
            if any(rule.peer == group for rule in chosen):
                block["self"] = True
            blocks.append(block)
    return blocks


def _permission(rule: Rule) -> dict[str, Any]:
    entry = {_KEYS[rule.source]: rule.peer}
    if rule.description:
        entry["Description"] = rule.description
    permission: dict[str, Any] = {"IpProtocol": rule.protocol, rule.source: [entry]}
    if rule.protocol != _ALL:
        permission.update(FromPort=rule.from_port, ToPort=rule.to_port)
    return permission
