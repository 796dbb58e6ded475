# ruff: noqa: ARG002 - the signatures are Resource's
"""EC2 security groups, with rules written inside them or as resources of their own."""

from collections.abc import Mapping
from typing import Any, ClassVar

from sandbox.aws.provider.errors import AwsError
from sandbox.aws.provider.resources.base import Resource, finish, tag_changes, tag_list, tag_map, unless_gone
from sandbox.aws.provider.resources.security_rules import (
    Rule,
    from_permissions,
    from_property,
    to_permissions,
    to_property,
)
from sandbox.aws.provider.shape import Fields, Replaces, objects, text, text_map, texts, truth, whole
from sandbox.aws.provider.wire import Values

GONE = ("InvalidGroup.NotFound", "InvalidGroupId.Malformed")
_RULES = {
    "cidrBlocks": texts(),
    "description": text(),
    "fromPort": whole(required=True),
    "ipv6CidrBlocks": texts(),
    "prefixListIds": texts(),
    "protocol": text(required=True),
    "securityGroups": texts(),
    "self": truth(),
    "toPort": whole(required=True),
}
_DESCRIPTION = "Managed by Pulumi"  # what the real provider writes where the program says nothing


class SecurityGroup(Resource):
    """A group; its inline rules, where the program gives any, are all the rules it has.

    Rules are reported only where they are written inline: the others belong to resources of their own.
    """

    type_name = "aws:ec2/securityGroup:SecurityGroup"
    fields: ClassVar[Fields] = {
        "description": text(replaces=Replaces.ALWAYS),
        "egress": objects(_RULES, unordered=True),
        "ingress": objects(_RULES, unordered=True),
        "name": text(replaces=Replaces.ALWAYS),
        "tags": text_map(unset={}),
        "vpcId": text(replaces=Replaces.ALWAYS),
    }
    computed = ("arn", "ownerId", "region")
    name_field = "name"
    name_max_length = 255

    def create(self, inputs: Values) -> str:
        place: Any = {"VpcId": inputs["vpcId"]} if "vpcId" in inputs else {}
        tags: Any = tag_list(self.tags_all(inputs))
        if tags:
            place["TagSpecifications"] = [{"ResourceType": "security-group", "Tags": tags}]
        group = self.aws.ec2.create_security_group(
            GroupName=inputs["name"], Description=inputs.get("description", _DESCRIPTION), **place
        )["GroupId"]
        return finish(
            group,
            # AWS opens a new group to everywhere; the real provider closes it, so that only written rules hold.
            lambda: self._set_rules(group, "egress", inputs.get("egress", [])),
            lambda: self._set_rules(group, "ingress", inputs.get("ingress", [])),
        )

    def read(self, resource_id: str, inputs: Mapping[str, Any]) -> Values | None:
        found = self._describe(resource_id)
        if found is None:
            return None
        rules = {
            side: to_property(from_permissions(found[permissions]), inputs.get(side), resource_id)
            for side, permissions in (("egress", "IpPermissionsEgress"), ("ingress", "IpPermissions"))
            if side in inputs or not inputs
        }
        return {
            "arn": f"arn:aws:ec2:{self.aws.region}:{found['OwnerId']}:security-group/{resource_id}",
            "description": found["Description"],
            "name": found["GroupName"],
            "ownerId": found["OwnerId"],
            "region": self.aws.region,
            "vpcId": found.get("VpcId"),
            **rules,
            **self.observed_tags(tag_map(found.get("Tags")), inputs),
        }

    def update(self, resource_id: str, old: Values, new: Values) -> None:
        for side in ("egress", "ingress"):
            if side in new or side in old:
                self._set_rules(resource_id, side, new.get(side, []))
        found = self._describe(resource_id)
        if found is None:
            raise AwsError(f"security group {resource_id} is gone; run `pulumi refresh`")
        wanted, removed = tag_changes(tag_map(found.get("Tags")), self.tags_all(new))
        if wanted:
            self.aws.ec2.create_tags(Resources=[resource_id], Tags=tag_list(wanted))
        if removed:
            self.aws.ec2.delete_tags(Resources=[resource_id], Tags=[{"Key": key} for key in removed])

    def delete(self, resource_id: str, state: Mapping[str, Any]) -> None:
        unless_gone(lambda: self.aws.ec2.delete_security_group(GroupId=resource_id), *GONE)

    def _describe(self, group: str) -> Any:
        answer = unless_gone(lambda: self.aws.ec2.describe_security_groups(GroupIds=[group]), *GONE)
        return answer["SecurityGroups"][0] if answer and answer["SecurityGroups"] else None

    def _set_rules(self, group: str, side: str, rules: list[Values]) -> None:
        """Leaves the group with exactly these rules on that side."""
        ec2: Any = self.aws.ec2
        found = self._describe(group)
        held = from_permissions(found["IpPermissionsEgress" if side == "egress" else "IpPermissions"])
        wanted = from_property(rules, group)
        if surplus := held - wanted:
            getattr(ec2, f"revoke_security_group_{side}")(GroupId=group, IpPermissions=to_permissions(surplus))
        if lacking := wanted - held:
            getattr(ec2, f"authorize_security_group_{side}")(GroupId=group, IpPermissions=to_permissions(lacking))


class _SecurityGroupRule(Resource):
    """One rule as a resource of its own; its id is the rule's."""

    side: ClassVar[str]
    fields: ClassVar[Fields] = {
        "cidrIpv4": text(),
        "cidrIpv6": text(),
        "description": text(),
        "fromPort": whole(),
        "ipProtocol": text(required=True),
        "prefixListId": text(),
        "referencedSecurityGroupId": text(),
        "securityGroupId": text(required=True, replaces=Replaces.ALWAYS),
        "tags": text_map(unset={}),
        "toPort": whole(),
    }
    computed = ("arn", "region", "securityGroupRuleId")

    def create(self, inputs: Values) -> str:
        ec2: Any = self.aws.ec2
        rule = Rule.of_resource(inputs)
        call: Any = {"GroupId": inputs["securityGroupId"], "IpPermissions": to_permissions({rule})}
        if tags := tag_list(self.tags_all(inputs)):
            call["TagSpecifications"] = [{"ResourceType": "security-group-rule", "Tags": tags}]
        answer = getattr(ec2, f"authorize_security_group_{self.side}")(**call)
        return str(answer["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def read(self, resource_id: str, inputs: Mapping[str, Any]) -> Values | None:
        gone = (*GONE, "InvalidSecurityGroupRuleId.NotFound")
        answer: Any = unless_gone(
            lambda: self.aws.ec2.describe_security_group_rules(SecurityGroupRuleIds=[resource_id]), *gone
        )
        if not answer or not answer["SecurityGroupRules"]:
            return None
        found = answer["SecurityGroupRules"][0]
        owner = found.get("GroupOwnerId") or self.aws.account_id()
        every_port = found.get("IpProtocol") == "-1"
        return {
            "arn": f"arn:aws:ec2:{self.aws.region}:{owner}:security-group-rule/{resource_id}",
            "cidrIpv4": found.get("CidrIpv4"),
            "cidrIpv6": found.get("CidrIpv6"),
            "description": found.get("Description") or None,
            "fromPort": None if every_port else found.get("FromPort"),
            "ipProtocol": found["IpProtocol"],
            "prefixListId": found.get("PrefixListId"),
            "referencedSecurityGroupId": found.get("ReferencedGroupInfo", {}).get("GroupId"),
            "region": self.aws.region,
            "securityGroupId": found["GroupId"],
            "securityGroupRuleId": resource_id,
            "toPort": None if every_port else found.get("ToPort"),
            **self.observed_tags(tag_map(found.get("Tags")), inputs),
        }

    def update(self, resource_id: str, old: Values, new: Values) -> None:
        ec2: Any = self.aws.ec2
        names = {
            "cidrIpv4": "CidrIpv4",
            "cidrIpv6": "CidrIpv6",
            "description": "Description",
            "fromPort": "FromPort",
            "ipProtocol": "IpProtocol",
            "prefixListId": "PrefixListId",
            "referencedSecurityGroupId": "ReferencedGroupId",
            "toPort": "ToPort",
        }
        if any(old.get(name) != new.get(name) for name in names):
            rule = {api: new[name] for name, api in names.items() if name in new}
            change = {"SecurityGroupRuleId": resource_id, "SecurityGroupRule": rule}
            ec2.modify_security_group_rules(GroupId=new["securityGroupId"], SecurityGroupRules=[change])
        wanted, removed = tag_changes({**self.default_tags, **old.get("tags", {})}, self.tags_all(new))
        if wanted:
            ec2.create_tags(Resources=[resource_id], Tags=tag_list(wanted))
        if removed:
            ec2.delete_tags(Resources=[resource_id], Tags=[{"Key": key} for key in removed])

    def delete(self, resource_id: str, state: Mapping[str, Any]) -> None:
        revoke = getattr(self.aws.ec2, f"revoke_security_group_{self.side}")
        unless_gone(
            lambda: revoke(GroupId=state["securityGroupId"], SecurityGroupRuleIds=[resource_id]),
            *GONE,
            "InvalidSecurityGroupRuleId.NotFound",
            "InvalidPermission.NotFound",
        )


class SecurityGroupIngressRule(_SecurityGroupRule):
    type_name = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    side = "ingress"


class SecurityGroupEgressRule(_SecurityGroupRule):
    type_name = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
    side = "egress"
