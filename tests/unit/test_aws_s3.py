"""The life of S3 buckets and their settings, through the stand-in, against a local AWS."""

import json
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from sandbox.aws import moto
from tests.unit.aws_engine import REGION, Engine, Refused, engine, local_settings

BUCKET = "aws:s3/bucket:Bucket"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
PUBLIC = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
OWNERSHIP = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
POLICY = "aws:s3/bucketPolicy:BucketPolicy"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

RULES: list[dict[str, Any]] = [
    {
        "id": "chunks",
        "status": "Enabled",
        "filter": {"prefix": "fake/"},
        "transitions": [{"days": 30, "storageClass": "STANDARD_IA"}],
        "expiration": {"days": 37},
    },
    {
        "id": "leftovers",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "noncurrentVersionExpiration": {"noncurrentDays": 7},
        "abortIncompleteMultipartUpload": {"daysAfterInitiation": 1},
    },
    {"id": "markers", "status": "Enabled", "filter": {}, "expiration": {"expiredObjectDeleteMarker": True}},
    {
        "id": "tagged",
        "status": "Disabled",
        "filter": {"and": {"prefix": "x/", "tags": {"a": "b", "c": "d"}}},
        "expiration": {"days": 3},
    },
]
TLS_ONLY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": ["arn:aws:s3:::logs", "arn:aws:s3:::logs/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ],
}
# Each setting of a bucket: its inputs, and changed inputs for an update.
SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    VERSIONING: (
        {"versioningConfiguration": {"status": "Enabled"}},
        {"versioningConfiguration": {"status": "Suspended"}},
    ),
    LIFECYCLE: ({"rules": RULES}, {"rules": RULES[1:]}),
    ENCRYPTION: (
        {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]},
        {
            "rules": [
                {
                    "applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": "alias/logs"},
                    "bucketKeyEnabled": True,
                }
            ]
        },
    ),
    PUBLIC: (
        {
            "blockPublicAcls": True,
            "blockPublicPolicy": True,
            "ignorePublicAcls": True,
            "restrictPublicBuckets": True,
        },
        {"blockPublicAcls": True, "blockPublicPolicy": False},
    ),
    OWNERSHIP: (
        {"rule": {"objectOwnership": "BucketOwnerEnforced"}},
        {"rule": {"objectOwnership": "BucketOwnerPreferred"}},
    ),
    POLICY: ({"policy": json.dumps(TLS_ONLY)}, {"policy": json.dumps({**TLS_ONLY, "Id": "tls-only"})}),
}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with moto.account() as found:
        yield found


@pytest.fixture
def aws(address: str) -> Iterator[Engine]:
    with engine(local_settings(address)) as made:
        yield made


@pytest.fixture
def s3(address: str) -> Iterator[Any]:
    client = moto.client("s3", address)
    yield client
    for bucket in client.list_buckets()["Buckets"]:
        versions = client.list_object_versions(Bucket=bucket["Name"])
        for item in [*versions.get("Versions", ()), *versions.get("DeleteMarkers", ())]:
            client.delete_object(Bucket=bucket["Name"], Key=item["Key"], VersionId=item["VersionId"])
        client.delete_bucket(Bucket=bucket["Name"])


def test_a_bucket_lives_from_create_to_delete(aws: Engine, s3: Any) -> None:
    bucket = aws.create(BUCKET, {"bucket": "logs", "tags": {"team": "platform"}})
    assert bucket.resource_id == "logs"
    assert bucket.outputs["arn"] == "arn:aws:s3:::logs"
    assert bucket.outputs["bucketRegionalDomainName"] == f"logs.s3.{REGION}.amazonaws.com"
    assert s3.get_bucket_tagging(Bucket="logs")["TagSet"] == [{"Key": "team", "Value": "platform"}]

    assert not aws.diff(bucket, bucket.inputs).diffs
    assert aws.refresh(bucket) == bucket

    changed = {"bucket": "logs", "tags": {"team": "infra"}}
    assert list(aws.diff(bucket, changed).diffs) == ["tags.team"]
    bucket = aws.update(bucket, changed)
    assert bucket.outputs["tagsAll"] == {"team": "infra"}
    assert aws.refresh(bucket) == bucket

    aws.delete(bucket)
    assert aws.refresh(bucket) is None
    aws.delete(bucket)  # gone already: no error


def test_another_bucket_name_needs_another_bucket(aws: Engine, s3: Any) -> None:
    bucket = aws.create(BUCKET, {"bucket": "logs"})
    answer = aws.diff(bucket, {"bucket": "more-logs"})
    assert list(answer.replaces) == ["bucket"]
    assert not answer.deleteBeforeReplace


def test_a_bucket_without_a_name_gets_one_and_keeps_it(aws: Engine, s3: Any) -> None:
    first = aws.check(BUCKET, {}, name="Logs")
    assert first["bucket"].startswith("logs-")
    assert aws.check(BUCKET, {}, name="Logs") == first, "the same seed gives the same name"
    bucket = aws.create(BUCKET, {})
    assert not aws.diff(bucket, {}).diffs


def test_a_bucket_that_is_not_ours_is_refused(aws: Engine, s3: Any) -> None:
    s3.create_bucket(Bucket="logs", CreateBucketConfiguration={"LocationConstraint": REGION})
    with pytest.raises(grpc.RpcError, match="bucket logs exists already and is not this stack's"):
        aws.create(BUCKET, {"bucket": "logs"})


def test_a_bucket_with_objects_goes_only_when_forced(aws: Engine, s3: Any) -> None:
    bucket = aws.create(BUCKET, {"bucket": "logs"})
    aws.create(VERSIONING, {"bucket": "logs", "versioningConfiguration": {"status": "Enabled"}})
    for body in (b"one", b"two"):
        s3.put_object(Bucket="logs", Key="chunk", Body=body)
    s3.delete_object(Bucket="logs", Key="chunk")
    s3.create_multipart_upload(Bucket="logs", Key="upload")
    with pytest.raises(grpc.RpcError, match="BucketNotEmpty"):
        aws.delete(bucket)
    bucket = aws.update(bucket, {"bucket": "logs", "forceDestroy": True})
    aws.delete(bucket)
    assert aws.refresh(bucket) is None


def test_tags_changed_by_hand_are_drift(aws: Engine, s3: Any) -> None:
    bucket = aws.create(BUCKET, {"bucket": "logs"})
    s3.put_bucket_tagging(Bucket="logs", Tagging={"TagSet": [{"Key": "by", "Value": "hand"}]})
    seen = aws.refresh(bucket)
    assert seen is not None
    assert list(aws.diff(seen, {"bucket": "logs"}).diffs) == ["tags"]
    seen = aws.update(seen, {"bucket": "logs"})
    assert not aws.diff(seen, {"bucket": "logs"}).diffs
    assert "tags" not in seen.outputs or seen.outputs["tags"] == {}


def test_default_tags_are_set_and_their_change_is_seen(address: str, s3: Any) -> None:
    with engine(local_settings(address, defaultTags='{"tags": {"stack": "sandbox"}}')) as aws:
        bucket = aws.create(BUCKET, {"bucket": "logs", "tags": {"team": "platform"}})
        assert bucket.outputs["tagsAll"] == {"stack": "sandbox", "team": "platform"}
        assert bucket.outputs["tags"] == {"team": "platform"}
        assert aws.refresh(bucket) == bucket
    with engine(local_settings(address, defaultTags='{"tags": {"stack": "other"}}')) as aws:
        assert list(aws.diff(bucket, bucket.inputs).diffs) == ["tagsAll.stack"]
        bucket = aws.update(bucket, bucket.inputs)
        assert bucket.outputs["tagsAll"] == {"stack": "other", "team": "platform"}
        assert not aws.diff(bucket, bucket.inputs).diffs


@pytest.mark.parametrize("kind", SETTINGS, ids=lambda kind: kind.rpartition(":")[2])
def test_a_bucket_setting_lives_from_create_to_delete(aws: Engine, s3: Any, kind: str) -> None:
    aws.create(BUCKET, {"bucket": "logs"})
    first, second = ({"bucket": "logs", **inputs} for inputs in SETTINGS[kind])
    setting = aws.create(kind, first)
    assert setting.resource_id == "logs"
    assert not aws.diff(setting, first).diffs
    assert aws.refresh(setting) == setting, "a refresh of what nobody touched changes nothing"

    assert aws.diff(setting, second).diffs
    assert not aws.diff(setting, second).replaces
    setting = aws.update(setting, second)
    assert not aws.diff(setting, second).diffs
    assert aws.refresh(setting) == setting
    assert "bucket" in aws.diff(setting, {**second, "bucket": UNKNOWN}).replaces, "another bucket is coming"

    imported = aws.adopt(kind, "logs")
    assert imported is not None
    assert aws.refresh(imported) == imported

    aws.delete(setting)
    if kind != VERSIONING:  # a bucket that has had versions stays "Suspended" for ever
        assert aws.refresh(setting) is None
    aws.delete(setting)


@pytest.mark.parametrize("kind", SETTINGS, ids=lambda kind: kind.rpartition(":")[2])
def test_a_setting_of_a_bucket_that_is_gone_is_gone(aws: Engine, s3: Any, kind: str) -> None:
    bucket = aws.create(BUCKET, {"bucket": "logs"})
    setting = aws.create(kind, {"bucket": "logs", **SETTINGS[kind][0]})
    aws.delete(bucket)
    assert aws.refresh(setting) is None
    aws.delete(setting)


def test_a_lifecycle_rule_changed_by_hand_is_drift(aws: Engine, s3: Any) -> None:
    aws.create(BUCKET, {"bucket": "logs"})
    wanted = {"bucket": "logs", "rules": RULES}
    setting = aws.create(LIFECYCLE, wanted)
    by_hand = s3.get_bucket_lifecycle_configuration(Bucket="logs")["Rules"]
    by_hand[0]["Expiration"]["Days"] = 99
    s3.put_bucket_lifecycle_configuration(Bucket="logs", LifecycleConfiguration={"Rules": by_hand})
    seen = aws.refresh(setting)
    assert seen is not None
    assert list(aws.diff(seen, wanted).diffs) == ["rules[0].expiration.days"]


def test_the_same_policy_spelt_differently_is_no_change(aws: Engine, s3: Any) -> None:
    aws.create(BUCKET, {"bucket": "logs"})
    setting = aws.create(POLICY, {"bucket": "logs", "policy": json.dumps(TLS_ONLY)})
    assert not aws.diff(setting, {"bucket": "logs", "policy": json.dumps(TLS_ONLY, indent=4)}).diffs


def test_a_preview_knows_what_can_be_known(aws: Engine) -> None:
    outputs = aws.preview(BUCKET, {"bucket": "logs", "tags": {"a": "b"}})
    assert outputs["arn"] == UNKNOWN
    assert (outputs["bucket"], outputs["tagsAll"]) == ("logs", {"a": "b"})
    versioning = aws.preview(VERSIONING, {"bucket": UNKNOWN, "versioningConfiguration": {"status": "Enabled"}})
    assert versioning["bucket"] == UNKNOWN


@pytest.mark.parametrize(
    ("kind", "inputs", "reason"),
    [
        (BUCKET, {"bukcet": "logs"}, "bukcet is not a property the AWS stand-in knows; it knows bucket, forceDestroy"),
        (BUCKET, {"forceDestroy": "yes"}, "forceDestroy is 'yes'; write true or false"),
        (BUCKET, {"tags": {"a": 1}}, "tags is {'a': 1}; write a map of strings"),
        (VERSIONING, {"bucket": "logs"}, "versioningConfiguration is missing; set it to an object"),
        (
            LIFECYCLE,
            {"bucket": "logs", "rules": [{"id": "a", "status": "Enabled", "expiration": {"day": 1}}]},
            "rules[0].expiration.day is not a property the AWS stand-in knows; it knows date, days",
        ),
        (LIFECYCLE, {"bucket": "logs", "rules": [{"id": "a"}]}, "rules[0].status is missing; set it to a string"),
        (POLICY, {"bucket": "logs", "policy": "{"}, "policy is '{'; write a JSON document as a string"),
    ],
)
def test_what_the_type_does_not_take_is_refused(aws: Engine, kind: str, inputs: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused) as refusal:
        aws.check(kind, inputs)
    assert reason in str(refusal.value)
