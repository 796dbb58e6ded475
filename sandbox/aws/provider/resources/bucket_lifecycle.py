"""The lifecycle rules of a bucket."""

from typing import Any, ClassVar

from sandbox.aws.provider.api import from_api, to_api
from sandbox.aws.provider.resources.base import tag_list, tag_map
from sandbox.aws.provider.resources.bucket_settings import BucketSetting
from sandbox.aws.provider.shape import Fields, Replaces, an_object, objects, text, text_map, truth, whole
from sandbox.aws.provider.wire import Values

_SIZES = {"objectSizeGreaterThan": whole(), "objectSizeLessThan": whole()}
_RULE = {
    "id": text(required=True, api="ID"),
    "status": text(required=True),
    "filter": an_object(
        {
            "prefix": text(),
            "tag": an_object({"key": text(required=True), "value": text(required=True)}),
            "and": an_object({"prefix": text(), "tags": text_map(), **_SIZES}),
            **_SIZES,
        }
    ),
    "abortIncompleteMultipartUpload": an_object({"daysAfterInitiation": whole()}),
    "expiration": an_object({"date": text(), "days": whole(), "expiredObjectDeleteMarker": truth()}),
    "transitions": objects({"date": text(), "days": whole(), "storageClass": text(required=True)}, unordered=True),
    "noncurrentVersionExpiration": an_object(
        {"noncurrentDays": whole(required=True), "newerNoncurrentVersions": whole()}
    ),
    "noncurrentVersionTransitions": objects(
        {
            "noncurrentDays": whole(required=True),
            "newerNoncurrentVersions": whole(),
            "storageClass": text(required=True),
        },
        unordered=True,
    ),
}


class BucketLifecycleConfiguration(BucketSetting):
    type_name = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    gone = ("NoSuchLifecycleConfiguration",)
    # The SDK's signature leaves `rules` optional; S3 refuses a configuration without one.
    fields: ClassVar[Fields] = {
        "bucket": text(required=True, replaces=Replaces.ALWAYS),
        "rules": objects(_RULE, required=True),
    }

    def put(self, bucket: str, inputs: Values) -> None:
        rules: Any = [_rule_to_api(rule) for rule in inputs["rules"]]
        self.aws.s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})

    def get(self, bucket: str) -> Values | None:
        rules = self.aws.s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
        return {"rules": [_rule_from_api(dict(rule)) for rule in rules]}

    def clear(self, bucket: str) -> object:
        return self.aws.s3.delete_bucket_lifecycle(Bucket=bucket)


def _rule_to_api(rule: Values) -> Values:
    wanted = to_api(rule, _RULE)
    # S3 wants a filter; an empty one is the whole bucket.
    wanted.setdefault("Filter", {"Prefix": ""})
    if not wanted["Filter"]:
        wanted["Filter"] = {"Prefix": ""}
    if tags := wanted["Filter"].get("And", {}).get("Tags"):
        wanted["Filter"]["And"]["Tags"] = tag_list(tags)
    return wanted


def _rule_from_api(rule: Values) -> Values:
    both = rule.get("Filter", {}).get("And")
    if both and "Tags" in both:
        rule = {**rule, "Filter": {**rule["Filter"], "And": {**both, "Tags": tag_map(both["Tags"])}}}
    return from_api(rule, _RULE)
