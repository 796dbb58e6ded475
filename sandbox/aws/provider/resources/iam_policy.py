# ruff: noqa: ARG002 - the signatures are Resource's
"""IAM policies that stand on their own."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from sandbox.aws.provider.resources.base import Resource, tag_changes, tag_list, tag_map, unless_gone
from sandbox.aws.provider.resources.role import GONE
from sandbox.aws.provider.shape import Fields, Replaces, policy, text, text_map
from sandbox.aws.provider.wire import Values

_MAX_VERSIONS = 5  # IAM keeps no more of one policy


class Policy(Resource):
    """A managed policy; its id is its ARN."""

    type_name = "aws:iam/policy:Policy"
    fields: ClassVar[Fields] = {
        "description": text(replaces=Replaces.ALWAYS),
        "name": text(replaces=Replaces.ALWAYS),
        "path": text(replaces=Replaces.ALWAYS),
        "policy": policy(required=True),
        "tags": text_map(unset={}),
    }
    computed = ("arn", "policyId")
    name_field = "name"
    name_max_length = 128

    def create(self, inputs: Values) -> str:
        optional: Any = {name.title(): inputs[name] for name in ("description", "path") if name in inputs}
        answer = self.aws.iam.create_policy(
            PolicyName=inputs["name"],
            PolicyDocument=inputs["policy"],
            Tags=tag_list(self.tags_all(inputs)),
            **optional,
        )
        return answer["Policy"].get("Arn", "")

    def read(self, resource_id: str, inputs: Mapping[str, Any]) -> Values | None:
        answer = unless_gone(lambda: self.aws.iam.get_policy(PolicyArn=resource_id), GONE)
        if answer is None:
            return None
        found: Any = answer["Policy"]
        version = self.aws.iam.get_policy_version(PolicyArn=resource_id, VersionId=found["DefaultVersionId"])
        return {
            "arn": found["Arn"],
            "description": found.get("Description") or None,
            "name": found["PolicyName"],
            "path": found["Path"],
            "policy": json.dumps(version["PolicyVersion"].get("Document")),
            "policyId": found["PolicyId"],
            **self.observed_tags(tag_map(found.get("Tags")), inputs),
        }

    def update(self, resource_id: str, old: Values, new: Values) -> None:
        versions = self._old_versions(resource_id)
        if len(versions) >= _MAX_VERSIONS - 1:
            self.aws.iam.delete_policy_version(PolicyArn=resource_id, VersionId=versions[0])
        self.aws.iam.create_policy_version(PolicyArn=resource_id, PolicyDocument=new["policy"], SetAsDefault=True)
        held = tag_map(self.aws.iam.list_policy_tags(PolicyArn=resource_id)["Tags"])
        wanted, removed = tag_changes(held, self.tags_all(new))
        if wanted:
            self.aws.iam.tag_policy(PolicyArn=resource_id, Tags=tag_list(wanted))
        if removed:
            self.aws.iam.untag_policy(PolicyArn=resource_id, TagKeys=removed)

    def delete(self, resource_id: str, state: Mapping[str, Any]) -> None:
        for version in unless_gone(lambda: self._old_versions(resource_id), GONE) or ():
            self.aws.iam.delete_policy_version(PolicyArn=resource_id, VersionId=version)
        unless_gone(lambda: self.aws.iam.delete_policy(PolicyArn=resource_id), GONE)

    def _old_versions(self, arn: str) -> list[str]:
        """The versions that are not in force, oldest first."""
        versions: Any = self.aws.iam.list_policy_versions(PolicyArn=arn)["Versions"]
        old = [version for version in versions if not version["IsDefaultVersion"]]
        return [version["VersionId"] for version in sorted(old, key=lambda version: int(version["VersionId"][1:]))]
