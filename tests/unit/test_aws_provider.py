"""The stand-in as a provider: its settings, its functions, its errors, its process."""

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from sandbox.aws import launcher, moto
from sandbox.aws.provider.errors import PartlyCreatedError
from sandbox.aws.provider.resources.bucket import Bucket
from sandbox.aws.provider.server import version
from sandbox.aws.provider.wire import UNKNOWN, pack, unpack
from tests.unit.aws_engine import ACCOUNT, REGION, Engine, Refused, engine, local_settings

BUCKET = "aws:s3/bucket:Bucket"


@pytest.fixture(autouse=True)
def _no_aws_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with moto.account() as found:
        yield found


@pytest.fixture
def aws(address: str) -> Iterator[Engine]:
    with engine(local_settings(address)) as made:
        yield made


def test_the_wire_keeps_numbers_lists_and_nulls_apart() -> None:
    values: dict[str, Any] = {"a": 1, "b": 1.5, "c": [{"d": 2}], "e": None, "f": True, "g": {"h": None}}
    assert unpack(pack(values)) == {"a": 1, "b": 1.5, "c": [{"d": 2}], "f": True, "g": {}}
    assert isinstance(unpack(pack({"a": 1}))["a"], int)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"profile": "prod"}, "aws:profile is not a setting the AWS stand-in knows; it knows accessKey, defaultTags"),
        ({"endpoints": '[{"s3": "http://x", "sqs": "http://x"}]'}, "aws:endpoints.0.sqs is not a setting"),
        ({"s3UsePathStyle": "perhaps"}, "aws:s3UsePathStyle: Input should be a valid boolean"),
        ({"maxRetries": "99"}, "aws:maxRetries: Input should be less than or equal to 25"),
    ],
)
def test_a_setting_it_does_not_honour_is_refused(settings: dict[str, str], reason: str) -> None:
    with pytest.raises(Refused) as refusal, engine(settings):
        pass
    assert reason in str(refusal.value)


def test_settings_that_a_preview_does_not_know_yet_are_taken_on_trust() -> None:
    with engine({"region": REGION, "endpoints": UNKNOWN}) as aws:
        assert aws.preview(BUCKET, {"bucket": "logs"})["bucket"] == "logs"


def test_settings_may_be_secret(address: str) -> None:
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "sandbox"}
    with engine(local_settings(address, accessKey=secret, secretKey=secret)) as aws:
        assert aws.invoke("aws:index/getCallerIdentity:getCallerIdentity")["accountId"] == ACCOUNT


def test_the_engines_own_keys_are_no_settings(address: str) -> None:
    with engine(local_settings(address, version="7.51.1", __internal={})) as aws:
        assert aws.invoke("aws:index/getRegion:getRegion")["region"] == REGION


def test_a_wrong_account_is_noticed_when_the_provider_is_configured() -> None:
    with (
        pytest.raises(grpc.RpcError, match="the provider's credentials: the local AWS does not answer"),
        engine(local_settings("http://127.0.0.1:1", skipCredentialsValidation="false", maxRetries="0")),
    ):
        pass


def test_it_never_calls_the_real_aws() -> None:
    settings = {"region": REGION, "accessKey": "x", "secretKey": "x", "skipCredentialsValidation": "true"}
    with (
        engine(settings) as aws,
        pytest.raises(grpc.RpcError, match="aws:endpoints has no address for s3, and the AWS stand-in never calls"),
    ):
        aws.create(BUCKET, {"bucket": "logs"})


def test_a_production_stack_finds_the_local_aws_by_the_environment(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "sandbox")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sandbox")
    with engine({"region": REGION}) as aws:  # no endpoints, and the credentials are validated
        assert aws.invoke("aws:index/getCallerIdentity:getCallerIdentity")["accountId"] == ACCOUNT


def test_an_aws_that_is_down_is_said_in_one_line() -> None:
    with (
        engine(local_settings("http://127.0.0.1:1", maxRetries="0")) as aws,
        pytest.raises(grpc.RpcError, match=r"the local AWS does not answer .*; is the sandbox up"),
    ):
        aws.create(BUCKET, {"bucket": "logs"})


def test_a_type_it_does_not_know_is_refused(aws: Engine) -> None:
    with pytest.raises(grpc.RpcError, match="the AWS stand-in does not know the resource type aws:sqs/queue:Queue"):
        aws.check("aws:sqs/queue:Queue", {})


def test_a_resource_that_is_made_but_not_finished_is_remembered(aws: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def unfinished(_: Bucket, inputs: dict[str, Any]) -> str:
        raise PartlyCreatedError(inputs["bucket"], "the tags could not be set")

    monkeypatch.setattr(Bucket, "create", unfinished)
    with pytest.raises(grpc.RpcError, match="the tags could not be set") as failure:
        aws.create(BUCKET, {"bucket": "logs"})
    metadata: Any = failure.value.trailing_metadata()
    details = {item.key: item.value for item in metadata}["grpc-status-details-bin"]
    assert b"pulumirpc.ErrorResourceInitFailed" in details
    assert b"logs" in details


def test_the_callers_identity_comes_from_aws(aws: Engine) -> None:
    assert aws.invoke("aws:index/getCallerIdentity:getCallerIdentity")["accountId"] == ACCOUNT


def test_region_and_partition(aws: Engine) -> None:
    assert aws.invoke("aws:index/getRegion:getRegion") == {
        "description": REGION,
        "endpoint": f"ec2.{REGION}.amazonaws.com",
        "id": REGION,
        "name": REGION,
        "region": REGION,
    }
    assert aws.invoke("aws:index/getPartition:getPartition")["partition"] == "aws"


def test_a_policy_document_is_spelt_as_the_real_provider_spells_it(aws: Engine) -> None:
    statement = {
        "sid": "Bucket",
        "actions": ["s3:GetObject", "s3:PutObject"],
        "resources": ["arn:aws:s3:::logs/*"],
        "principals": [{"type": "Service", "identifiers": ["pods.eks.amazonaws.com"]}],
        "conditions": [{"test": "Bool", "variable": "aws:SecureTransport", "values": ["true"]}],
    }
    answer = aws.invoke("aws:iam/getPolicyDocument:getPolicyDocument", {"statements": [statement]})
    assert json.loads(answer["json"]) == json.loads(answer["minifiedJson"])
    assert json.loads(answer["json"]) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Bucket",
                "Effect": "Allow",
                "Action": ["s3:PutObject", "s3:GetObject"],
                "Resource": "arn:aws:s3:::logs/*",
                "Principal": {"Service": "pods.eks.amazonaws.com"},
                "Condition": {"Bool": {"aws:SecureTransport": "true"}},
            }
        ],
    }


@pytest.mark.parametrize(
    ("token", "arguments", "reason"),
    [
        ("aws:iam/getPolicyDocument:getPolicyDocument", {"overrideJson": "{}"}, "overrideJson is not a property"),
        ("aws:index/getRegion:getRegion", {"region": 1}, "region is 1; write a string"),
    ],
)
def test_a_function_refuses_what_it_does_not_take(
    aws: Engine, token: str, arguments: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Refused, match=reason):
        aws.invoke(token, arguments)


def test_a_function_it_does_not_know_is_refused(aws: Engine) -> None:
    with pytest.raises(grpc.RpcError, match="does not know the function aws:ec2/getVpc:getVpc"):
        aws.invoke("aws:ec2/getVpc:getVpc")


def test_the_engine_starts_it_as_a_program_of_its_own(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    program = launcher.folder() / "pulumi-resource-aws"
    with subprocess.Popen([program, "127.0.0.1:1"], stdout=subprocess.PIPE, cwd=tmp_path) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = provider_pb2_grpc.ResourceProviderStub(channel)
            assert stub.GetPluginInfo(empty_pb2.Empty()).version == version()
            schema = json.loads(stub.GetSchema(provider_pb2.GetSchemaRequest()).schema)
            assert BUCKET in schema["resources"]
            stub.Cancel(empty_pb2.Empty())
        started = time.monotonic()
        assert process.wait(timeout=15) == 0
        assert time.monotonic() - started < 10
