"""The life of IAM roles and policies, through the stand-in, against a local AWS."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.aws import moto
from tests.unit.aws_engine import ACCOUNT, Engine, engine, local_settings

ROLE = "aws:iam/role:Role"
POLICY = "aws:iam/policy:Policy"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"


def document(action: str) -> str:
    statement = {"Effect": "Allow", "Action": [action], "Resource": ["arn:aws:s3:::logs"]}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
LOKI = {"name": "loki", "assumeRolePolicy": TRUST}


@pytest.fixture
def address() -> Iterator[str]:
    with moto.account() as found:
        yield found


@pytest.fixture
def aws(address: str) -> Iterator[Engine]:
    with engine(local_settings(address, defaultTags='{"tags": {"stack": "sandbox"}}')) as made:
        yield made


@pytest.fixture
def iam(address: str) -> Any:
    return moto.client("iam", address)


def test_a_role_lives_from_create_to_delete(aws: Engine) -> None:
    role = aws.create(ROLE, {**LOKI, "description": "Loki", "tags": {"team": "platform"}})
    assert role.resource_id == "loki"
    assert role.outputs["arn"] == f"arn:aws:iam::{ACCOUNT}:role/loki"
    assert role.outputs["assumeRolePolicy"] == TRUST, "in the program's spelling"
    assert role.outputs["tagsAll"] == {"stack": "sandbox", "team": "platform"}
    assert not aws.diff(role, role.inputs).diffs
    assert aws.refresh(role) == role

    changed = {**LOKI, "maxSessionDuration": 7200, "tags": {"team": "infra"}}
    assert sorted(aws.diff(role, changed).diffs) == ["description", "maxSessionDuration", "tags.team"]
    role = aws.update(role, changed)
    assert role.outputs["maxSessionDuration"] == 7200
    assert aws.refresh(role) == role
    assert not aws.diff(role, changed).diffs

    answer = aws.diff(role, {**changed, "path": "/observability/"})
    assert list(answer.replaces) == ["path"]
    assert answer.deleteBeforeReplace, "two roles cannot bear one name"

    aws.delete(role)
    assert aws.refresh(role) is None
    aws.delete(role)


def test_a_trust_policy_changed_by_hand_is_drift(aws: Engine, iam: Any) -> None:
    role = aws.create(ROLE, LOKI)
    iam.update_assume_role_policy(RoleName="loki", PolicyDocument=TRUST.replace("pods.eks", "ec2"))
    seen = aws.refresh(role)
    assert seen is not None
    assert list(aws.diff(seen, LOKI).diffs) == ["assumeRolePolicy"]


def test_an_inline_policy_lives_from_create_to_delete(aws: Engine) -> None:
    aws.create(ROLE, LOKI)
    first = {"role": "loki", "name": "bucket", "policy": document("s3:ListBucket")}
    inline = aws.create(ROLE_POLICY, first)
    assert inline.resource_id == "loki:bucket"
    assert not aws.diff(inline, first).diffs
    assert aws.refresh(inline) == inline
    second = {**first, "policy": document("s3:GetObject")}
    assert list(aws.diff(inline, second).diffs) == ["policy"]
    inline = aws.update(inline, second)
    assert aws.refresh(inline) == inline
    aws.delete(inline)
    assert aws.refresh(inline) is None
    aws.delete(inline)


def test_an_inline_policy_of_a_role_that_is_gone_is_gone(aws: Engine) -> None:
    role = aws.create(ROLE, {**LOKI, "forceDetachPolicies": True})
    inline = aws.create(ROLE_POLICY, {"role": "loki", "policy": document("s3:ListBucket")})
    aws.delete(role)
    assert aws.refresh(inline) is None
    aws.delete(inline)


def test_a_managed_policy_lives_through_more_versions_than_iam_keeps(aws: Engine, iam: Any) -> None:
    policy = aws.create(POLICY, {"name": "logs", "policy": document("s3:ListBucket"), "description": "Loki's"})
    assert policy.resource_id == policy.outputs["arn"] == f"arn:aws:iam::{ACCOUNT}:policy/logs"
    assert aws.refresh(policy) == policy
    for number in range(7):
        policy = aws.update(policy, {**policy.inputs, "policy": document(f"s3:Get{number}")})
        assert aws.refresh(policy) == policy
    assert len(iam.list_policy_versions(PolicyArn=policy.resource_id)["Versions"]) == 5
    assert "description" in aws.diff(policy, {**policy.inputs, "description": "other"}).replaces
    aws.delete(policy)
    assert aws.refresh(policy) is None
    aws.delete(policy)


def test_an_attachment_lives_from_create_to_delete(aws: Engine) -> None:
    aws.create(ROLE, LOKI)
    policy = aws.create(POLICY, {"name": "logs", "policy": document("s3:ListBucket")})
    wanted = {"role": "loki", "policyArn": policy.resource_id}
    attachment = aws.create(ATTACHMENT, wanted)
    assert not aws.diff(attachment, wanted).diffs
    assert aws.refresh(attachment) == attachment
    assert list(aws.diff(attachment, {**wanted, "role": "other"}).replaces) == ["role"]
    aws.delete(attachment)
    assert aws.refresh(attachment) is None
    aws.delete(attachment)
