"""The bucket: what S3 deletes by itself, and who gets in."""

import json
from typing import Any

from components.object_store import (
    EXPIRY_MARGIN_DAYS,
    ObjectStore,
    ObjectStoreArgs,
    access_policy,
    backup_policy,
    tls_only,
    trust_policy,
)
from components.settings.tools import ObjectStoreSettings
from tests.components.recording import Recording, record, shared


def bucket_of(retention_days: int = 30, protect_data: bool = False, **settings: Any) -> Recording:
    args = ObjectStoreArgs(
        shared=shared(protect_data=protect_data),
        settings=ObjectStoreSettings(bucket="logs-test", **settings),
        retention_days=retention_days,
        chunk_prefixes=("fake/",),
        service_accounts=("loki",),
        backup_prefix="backups/",
        backup_keep_days=30,
        backup_service_account="grafana-backup",
    )
    return record(lambda: ObjectStore("object-store", args))


def rules(recording: Recording) -> dict[str, dict[str, Any]]:
    [found] = recording.all("BucketLifecycleConfiguration")
    return {rule["id"]: rule for rule in found["rules"]}


def test_current_versions_expire_under_the_prefixes_of_chunks_and_backups_only() -> None:
    expiring = {
        rule["filter"]["prefix"]: rule["expiration"]["days"]
        for rule in rules(bucket_of(retention_days=30)).values()
        if "days" in rule.get("expiration", {})
    }
    assert expiring == {"fake/": 30 + EXPIRY_MARGIN_DAYS, "backups/": 30}


def test_chunks_move_to_infrequent_access_after_thirty_days() -> None:
    assert rules(bucket_of(retention_days=30))["chunks-fake"]["transitions"] == [
        {"days": 30, "storageClass": "STANDARD_IA"}
    ]


def test_the_move_is_left_out_where_chunks_expire_before_it() -> None:
    assert "transitions" not in rules(bucket_of(retention_days=23))["chunks-fake"]


def test_the_move_stays_where_chunks_expire_a_day_after_it() -> None:
    assert "transitions" in rules(bucket_of(retention_days=24))["chunks-fake"]


def test_old_versions_and_unfinished_uploads_go_everywhere() -> None:
    leftovers = rules(bucket_of())["leftovers"]
    assert leftovers["filter"] == {"prefix": ""}
    assert leftovers["noncurrentVersionExpiration"] == {"noncurrentDays": 7}
    assert leftovers["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 1}
    assert leftovers["expiration"] == {"expiredObjectDeleteMarker": True}


def test_destroy_may_empty_the_bucket_in_dev_only() -> None:
    assert bucket_of(protect_data=False).all("Bucket")[0]["forceDestroy"] is True
    assert bucket_of(protect_data=True).all("Bucket")[0]["forceDestroy"] is False


def test_plain_http_is_refused_on_the_bucket_and_all_in_it() -> None:
    [statement] = json.loads(tls_only("arn:aws:s3:::logs"))["Statement"]
    assert statement["Resource"] == ["arn:aws:s3:::logs", "arn:aws:s3:::logs/*"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_every_bucket_but_that_of_a_plain_http_stand_in_has_the_policy() -> None:
    assert len(bucket_of().all("BucketPolicy")) == 1
    assert len(bucket_of(endpoint="https://s3.example.com").all("BucketPolicy")) == 1
    assert bucket_of(endpoint="http://10.0.0.1:5000").all("BucketPolicy") == []


def test_only_lokis_service_account_may_take_the_role() -> None:
    provider = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/ABC"
    role = next(each for each in bucket_of(oidc_provider_arn=provider).all("Role") if each["name"].endswith("-loki"))
    assert role["assumeRolePolicy"] == trust_policy(provider, ["system:serviceaccount:monitoring:loki"])
    [statement] = json.loads(role["assumeRolePolicy"])["Statement"]
    issuer = "oidc.eks.eu-central-1.amazonaws.com/id/ABC"
    assert statement["Condition"] == {
        "StringEquals": {
            f"{issuer}:sub": ["system:serviceaccount:monitoring:loki"],
            f"{issuer}:aud": "sts.amazonaws.com",
        }
    }


def test_no_role_without_an_oidc_provider() -> None:
    assert bucket_of().all("Role") == []


def test_the_role_holds_no_wildcard_action_and_no_other_bucket() -> None:
    statements = json.loads(access_policy("arn:aws:s3:::logs"))["Statement"]
    assert all("*" not in action for statement in statements for action in statement["Action"])
    assert all(
        resource.startswith("arn:aws:s3:::logs") for statement in statements for resource in statement["Resource"]
    )


def test_the_backup_has_a_role_of_its_own_that_deletes_nothing_and_sees_only_its_prefix() -> None:
    provider = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/ABC"
    recorded = bucket_of(oidc_provider_arn=provider)
    role = next(each for each in recorded.all("Role") if each["name"].endswith("-backup"))
    assert role["assumeRolePolicy"] == trust_policy(provider, ["system:serviceaccount:monitoring:grafana-backup"])
    listing, objects = json.loads(backup_policy("arn:aws:s3:::logs", "backups/"))["Statement"]
    assert (listing["Action"], listing["Condition"]) == (
        ["s3:ListBucket"],
        {"StringLike": {"s3:prefix": ["backups/*"]}},
    )
    assert objects["Action"] == ["s3:GetObject", "s3:PutObject"]
    assert objects["Resource"] == ["arn:aws:s3:::logs/backups/*"]
