"""The life of OpenSearch domains and the security groups around them, through the stand-in, against a local AWS."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from sandbox.aws import moto
from sandbox.aws.provider.managed_domain import ADMINISTRATOR_VARIABLE, ENDPOINT_VARIABLE
from tests.unit.aws_engine import ACCOUNT, REGION, Engine, Known, engine, local_settings

DOMAIN = "aws:opensearch/domain:Domain"
DOMAIN_POLICY = "aws:opensearch/domainPolicy:DomainPolicy"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
ANYONE = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "es:ESHttp*", "Resource": "*"}],
    }
)
SPANS: dict[str, Any] = {
    "domainName": "spans",
    "engineVersion": "OpenSearch_2.19",
    "clusterConfig": {
        "instanceType": "r6g.large.search",
        "instanceCount": 2,
        "zoneAwarenessEnabled": True,
        "zoneAwarenessConfig": {"availabilityZoneCount": 2},
    },
    "ebsOptions": {"ebsEnabled": True, "volumeType": "gp3", "volumeSize": 100},
    "encryptAtRest": {"enabled": True},
    "nodeToNodeEncryption": {"enabled": True},
    "domainEndpointOptions": {"enforceHttps": True, "tlsSecurityPolicy": "Policy-Min-TLS-1-2-PFS-2023-10"},
    "vpcOptions": {"subnetIds": ["subnet-b", "subnet-a"], "securityGroupIds": ["sg-1"]},
    "advancedSecurityOptions": {
        "enabled": True,
        "internalUserDatabaseEnabled": True,
        "masterUserOptions": {"masterUserName": "jaeger", "masterUserPassword": "Pass-word-1"},
    },
    "accessPolicies": ANYONE,
    "tags": {"team": "platform"},
}


@pytest.fixture(autouse=True)
def _no_managed_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENDPOINT_VARIABLE, raising=False)
    monkeypatch.delenv(ADMINISTRATOR_VARIABLE, raising=False)


@pytest.fixture
def address() -> Iterator[str]:
    with moto.account() as found:
        yield found


@pytest.fixture
def aws(address: str) -> Iterator[Engine]:
    with engine(local_settings(address)) as made:
        yield made


@pytest.fixture
def group(aws: Engine) -> Iterator[Known]:
    made = aws.create(GROUP, {"name": "spans"})
    yield made
    aws.delete(made)


def client(address: str, service: str) -> Any:
    make: Any = boto3.client
    return make(service, endpoint_url=address, region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")


def test_a_domain_lives_from_create_to_delete(aws: Engine) -> None:
    domain = aws.create(DOMAIN, SPANS)
    assert domain.resource_id == domain.outputs["arn"] == f"arn:aws:es:{REGION}:{ACCOUNT}:domain/spans"
    assert domain.outputs["endpoint"] == f"spans.{REGION}.es.amazonaws.com"
    assert domain.outputs["clusterConfig"]["dedicatedMasterEnabled"] is False, "AWS's own defaults are outputs"
    assert not aws.diff(domain, SPANS).diffs
    assert aws.refresh(domain) == domain

    changed = {**SPANS, "ebsOptions": {**SPANS["ebsOptions"], "volumeSize": 200}, "tags": {}}
    assert list(aws.diff(domain, changed).diffs) == ["ebsOptions.volumeSize", "tags.team"]
    assert not aws.diff(domain, changed).replaces
    domain = aws.update(domain, changed)
    assert domain.outputs["ebsOptions"]["volumeSize"] == 200
    assert aws.refresh(domain) == domain
    assert not aws.diff(domain, changed).diffs

    aws.delete(domain)
    assert aws.refresh(domain) is None
    aws.delete(domain)


@pytest.mark.parametrize(
    ("changes", "replaces"),
    [
        ({"domainName": "other"}, ["domainName"]),
        ({"encryptAtRest": {"enabled": False}}, ["encryptAtRest.enabled"]),
        ({"nodeToNodeEncryption": {"enabled": False}}, ["nodeToNodeEncryption.enabled"]),
        ({"vpcOptions": {"subnetIds": ["subnet-a", "subnet-b"], "securityGroupIds": ["sg-1"]}}, None),
        ({"engineVersion": "OpenSearch_3.1"}, []),
    ],
)
def test_what_needs_a_new_domain(aws: Engine, changes: dict[str, Any], replaces: list[str] | None) -> None:
    domain = aws.create(DOMAIN, SPANS)
    answer = aws.diff(domain, {**SPANS, **changes})
    assert list(answer.replaces) == (replaces or [])
    assert bool(answer.diffs) == (replaces is not None), "the order of a set is no change"


def test_the_endpoint_leads_to_the_opensearch_behind_the_domain(aws: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT_VARIABLE, "10.111.0.1:9200")
    domain = aws.create(DOMAIN, {"domainName": "spans"})
    assert domain.outputs["endpoint"] == "10.111.0.1:9200"
    assert aws.refresh(domain) == domain


def test_the_master_password_is_kept_though_aws_never_tells_it(aws: Engine) -> None:
    domain = aws.create(DOMAIN, SPANS)
    seen = aws.refresh(domain)
    assert seen is not None
    assert seen.inputs["advancedSecurityOptions"] == SPANS["advancedSecurityOptions"]
    user = {"masterUserName": "jaeger", "masterUserPassword": "Other-word-2"}
    changed = {**SPANS, "advancedSecurityOptions": {**SPANS["advancedSecurityOptions"], "masterUserOptions": user}}
    path = "advancedSecurityOptions.masterUserOptions.masterUserPassword"
    assert list(aws.diff(seen, changed).diffs) == [path]


def test_a_domain_changed_by_hand_is_drift(aws: Engine, address: str) -> None:
    domain = aws.create(DOMAIN, SPANS)
    client(address, "opensearch").update_domain_config(
        DomainName="spans", EBSOptions={"EBSEnabled": True, "VolumeType": "gp3", "VolumeSize": 10}
    )
    seen = aws.refresh(domain)
    assert seen is not None
    assert list(aws.diff(seen, SPANS).diffs) == ["ebsOptions.volumeSize"]


def test_a_domain_policy_lives_from_create_to_delete(aws: Engine) -> None:
    aws.create(DOMAIN, {"domainName": "spans"})
    wanted = {"domainName": "spans", "accessPolicies": ANYONE}
    policy = aws.create(DOMAIN_POLICY, wanted)
    assert not aws.diff(policy, wanted).diffs
    assert aws.refresh(policy) == policy
    policy = aws.update(policy, {**wanted, "accessPolicies": ANYONE.replace("es:ESHttp*", "es:ESHttpGet")})
    assert aws.refresh(policy) == policy


def test_a_security_group_lives_from_create_to_delete(aws: Engine) -> None:
    rule = {"protocol": "tcp", "fromPort": 443, "toPort": 443, "cidrBlocks": ["10.0.0.0/8", "10.112.0.0/16"]}
    wanted: dict[str, Any] = {"name": "spans", "description": "Spans", "ingress": [rule], "tags": {"a": "b"}}
    group = aws.create(GROUP, wanted)
    assert group.outputs["ingress"] == [rule]
    assert group.outputs["arn"].endswith(f":security-group/{group.resource_id}")
    assert not aws.diff(group, wanted).diffs
    assert aws.refresh(group) == group

    other = {**rule, "cidrBlocks": ["10.0.0.0/8"], "self": True, "description": "nodes"}
    anywhere = {"protocol": "-1", "fromPort": 0, "toPort": 0, "cidrBlocks": ["0.0.0.0/0"]}
    changed = {**wanted, "ingress": [other], "egress": [anywhere], "tags": {"a": "c"}}
    assert sorted(aws.diff(group, changed).diffs) == ["egress", "ingress", "tags.a"]
    group = aws.update(group, changed)
    assert aws.refresh(group) == group
    assert not aws.diff(group, changed).diffs
    assert list(aws.diff(group, {**changed, "description": "Other"}).replaces) == ["description"]

    aws.delete(group)
    assert aws.refresh(group) is None
    aws.delete(group)


def test_a_new_group_lets_nothing_out_that_is_not_written(aws: Engine, address: str) -> None:
    group = aws.create(GROUP, {"name": "closed"})
    found = client(address, "ec2").describe_security_groups(GroupIds=[group.resource_id])["SecurityGroups"][0]
    assert found["IpPermissionsEgress"] == []


def test_a_rule_added_by_hand_is_drift(aws: Engine, address: str) -> None:
    rule = {"protocol": "tcp", "fromPort": 443, "toPort": 443, "cidrBlocks": ["10.0.0.0/8"]}
    group = aws.create(GROUP, {"name": "spans", "ingress": [rule]})
    by_hand = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    client(address, "ec2").authorize_security_group_ingress(GroupId=group.resource_id, IpPermissions=[by_hand])
    seen = aws.refresh(group)
    assert seen is not None
    assert list(aws.diff(seen, {"name": "spans", "ingress": [rule]}).diffs) == ["ingress"]
    seen = aws.update(seen, {"name": "spans", "ingress": [rule]})
    assert seen.outputs["ingress"] == [rule]


@pytest.mark.parametrize("kind", [INGRESS, EGRESS], ids=["ingress", "egress"])
def test_a_rule_of_its_own_lives_from_create_to_delete(aws: Engine, group: Known, kind: str) -> None:
    wanted = {
        "securityGroupId": group.resource_id,
        "ipProtocol": "tcp",
        "fromPort": 443,
        "toPort": 443,
        "cidrIpv4": "10.0.0.0/8",
        "tags": {"a": "b"},
    }
    rule = aws.create(kind, wanted)
    assert rule.resource_id == rule.outputs["securityGroupRuleId"]
    assert not aws.diff(rule, wanted).diffs
    assert aws.refresh(rule) == rule
    assert aws.refresh(group) == group, "the rule is its own resource's affair, not the group's"
    changed = {**wanted, "cidrIpv4": "10.1.0.0/16"}
    assert list(aws.diff(rule, changed).diffs) == ["cidrIpv4"]
    rule = aws.update(rule, changed)
    assert rule.outputs["cidrIpv4"] == "10.1.0.0/16"
    assert aws.refresh(rule) == rule
    aws.delete(rule)
    assert aws.refresh(rule) is None
    aws.delete(rule)
