# ruff: noqa: ARG002 - the signatures are Resource's
"""IAM roles."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from sandbox.aws.provider.api import to_api
from sandbox.aws.provider.resources.base import Resource, tag_changes, tag_list, tag_map, unless_gone
from sandbox.aws.provider.shape import Fields, Replaces, policy, text, text_map, truth, whole
from sandbox.aws.provider.wire import Values

GONE = "NoSuchEntity"


class Role(Resource):
    type_name = "aws:iam/role:Role"
    fields: ClassVar[Fields] = {
        "assumeRolePolicy": policy(required=True, api="AssumeRolePolicyDocument"),
        "description": text(),
        "forceDetachPolicies": truth(write_only=True),
        "maxSessionDuration": whole(),
        "name": text(replaces=Replaces.ALWAYS, api="RoleName"),
        "path": text(replaces=Replaces.ALWAYS),
        "permissionsBoundary": text(),
        "tags": text_map(unset={}),
    }
    computed = ("arn", "createDate", "uniqueId")
    name_field = "name"

    def create(self, inputs: Values) -> str:
        wanted = {name: value for name, value in inputs.items() if name not in ("forceDetachPolicies", "tags")}
        call: Any = to_api(wanted, self.fields)
        self.aws.iam.create_role(**call, Tags=tag_list(self.tags_all(inputs)))
        return str(inputs["name"])

    def read(self, resource_id: str, inputs: Mapping[str, Any]) -> Values | None:
        answer = unless_gone(lambda: self.aws.iam.get_role(RoleName=resource_id), GONE)
        if answer is None:
            return None
        role: Any = answer["Role"]
        return {
            "arn": role["Arn"],
            "assumeRolePolicy": json.dumps(role["AssumeRolePolicyDocument"]),
            "createDate": role["CreateDate"].isoformat(),
            "description": role.get("Description") or None,
            "maxSessionDuration": role.get("MaxSessionDuration", 3600),
            "name": role["RoleName"],
            "path": role["Path"],
            "permissionsBoundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
            "uniqueId": role["RoleId"],
            **self.observed_tags(tag_map(role.get("Tags")), inputs),
        }

    def update(self, resource_id: str, old: Values, new: Values) -> None:
        self.aws.iam.update_assume_role_policy(RoleName=resource_id, PolicyDocument=new["assumeRolePolicy"])
        self.aws.iam.update_role(
            RoleName=resource_id,
            Description=new.get("description", ""),
            MaxSessionDuration=new.get("maxSessionDuration", 3600),
        )
        boundary = new.get("permissionsBoundary")
        if boundary:
            self.aws.iam.put_role_permissions_boundary(RoleName=resource_id, PermissionsBoundary=boundary)
        elif old.get("permissionsBoundary"):
            self.aws.iam.delete_role_permissions_boundary(RoleName=resource_id)
        held = tag_map(self.aws.iam.list_role_tags(RoleName=resource_id)["Tags"])
        wanted, removed = tag_changes(held, self.tags_all(new))
        if wanted:
            self.aws.iam.tag_role(RoleName=resource_id, Tags=tag_list(wanted))
        if removed:
            self.aws.iam.untag_role(RoleName=resource_id, TagKeys=removed)

    def delete(self, resource_id: str, state: Mapping[str, Any]) -> None:
        if state.get("forceDetachPolicies"):
            unless_gone(lambda: self._detach_all(resource_id), GONE)
        unless_gone(lambda: self.aws.iam.delete_role(RoleName=resource_id), GONE)

    def _detach_all(self, name: str) -> None:
        for attached in self.aws.iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            self.aws.iam.detach_role_policy(RoleName=name, PolicyArn=attached.get("PolicyArn", ""))
        for inline in self.aws.iam.list_role_policies(RoleName=name)["PolicyNames"]:
            self.aws.iam.delete_role_policy(RoleName=name, PolicyName=inline)


class RolePolicy(Resource):
    """A policy inside a role; its id is `<role>:<policy>`."""

    type_name = "aws:iam/rolePolicy:RolePolicy"
    fields: ClassVar[Fields] = {
        "name": text(replaces=Replaces.ALWAYS),
        "policy": policy(required=True),
        "role": text(required=True, replaces=Replaces.ALWAYS),
    }
    name_field = "name"
    name_max_length = 128

    def create(self, inputs: Values) -> str:
        resource_id = f"{inputs['role']}:{inputs['name']}"
        self._put(resource_id, inputs["policy"])
        return resource_id

    def read(self, resource_id: str, inputs: Mapping[str, Any]) -> Values | None:
        role, _, name = resource_id.partition(":")
        answer = unless_gone(lambda: self.aws.iam.get_role_policy(RoleName=role, PolicyName=name), GONE)
        if answer is None:
            return None
        return {"name": name, "policy": json.dumps(answer["PolicyDocument"]), "role": role}

    def update(self, resource_id: str, old: Values, new: Values) -> None:
        self._put(resource_id, new["policy"])

    def delete(self, resource_id: str, state: Mapping[str, Any]) -> None:
        role, _, name = resource_id.partition(":")
        unless_gone(lambda: self.aws.iam.delete_role_policy(RoleName=role, PolicyName=name), GONE)

    def _put(self, resource_id: str, document: str) -> None:
        role, _, name = resource_id.partition(":")
        self.aws.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document)


class RolePolicyAttachment(Resource):
    """A managed policy attached to a role; its id is `<role>/<policy ARN>`."""

    type_name = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    fields: ClassVar[Fields] = {
        "policyArn": text(required=True, replaces=Replaces.ALWAYS),
        "role": text(required=True, replaces=Replaces.ALWAYS),
    }

    def create(self, inputs: Values) -> str:
        self.aws.iam.attach_role_policy(RoleName=inputs["role"], PolicyArn=inputs["policyArn"])
        return f"{inputs['role']}/{inputs['policyArn']}"

    def read(self, resource_id: str, inputs: Mapping[str, Any]) -> Values | None:
        role, _, arn = resource_id.partition("/")
        pages = self.aws.iam.get_paginator("list_attached_role_policies").paginate(RoleName=role)
        found = unless_gone(
            lambda: [item.get("PolicyArn") for page in pages for item in page["AttachedPolicies"]], GONE
        )
        return {"policyArn": arn, "role": role} if arn in (found or ()) else None

    def update(self, resource_id: str, old: Values, new: Values) -> None:
        raise AssertionError("every property of an attachment replaces it")

    def delete(self, resource_id: str, state: Mapping[str, Any]) -> None:
        role, _, arn = resource_id.partition("/")
        unless_gone(lambda: self.aws.iam.detach_role_policy(RoleName=role, PolicyArn=arn), GONE)
