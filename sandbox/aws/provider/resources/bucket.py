# ruff: noqa: ARG002 - the signatures are Resource's
"""The S3 bucket itself; everything about it that has a resource type of its own is in `bucket_settings`."""

from collections.abc import Mapping
from typing import Any, ClassVar

from sandbox.aws.provider.errors import AwsError
from sandbox.aws.provider.resources.base import Resource, finish, tag_list, tag_map, unless_gone
from sandbox.aws.provider.shape import Fields, Replaces, text, text_map, truth
from sandbox.aws.provider.wire import Values

GONE = ("NoSuchBucket", "404")
# The one region whose name must not be given when a bucket is created.
_FIRST_REGION = "us-east-1"


class Bucket(Resource):
    """`aws.s3.Bucket` of pulumi-aws 7 (the former BucketV2)."""

    type_name = "aws:s3/bucket:Bucket"
    fields: ClassVar[Fields] = {
        "bucket": text(replaces=Replaces.ALWAYS),
        "forceDestroy": truth(write_only=True),
        "tags": text_map(unset={}),
    }
    computed = ("arn", "bucketDomainName", "bucketRegion", "bucketRegionalDomainName", "region")
    name_field = "bucket"
    name_max_length = 63
    name_lower_case = True

    def create(self, inputs: Values) -> str:
        name = inputs["bucket"]
        if unless_gone(lambda: self.aws.s3.head_bucket(Bucket=name), *GONE) is not None:
            raise AwsError(f"bucket {name} exists already and is not this stack's; import it, or choose another name")
        place: Any = {}
        if self.aws.region != _FIRST_REGION:
            place = {"CreateBucketConfiguration": {"LocationConstraint": self.aws.region}}
        self.aws.s3.create_bucket(Bucket=name, **place)
        return finish(name, lambda: self._put_tags(name, inputs))

    def read(self, resource_id: str, inputs: Mapping[str, Any]) -> Values | None:
        if unless_gone(lambda: self.aws.s3.head_bucket(Bucket=resource_id), *GONE) is None:
            return None
        where = self.aws.s3.get_bucket_location(Bucket=resource_id).get("LocationConstraint") or _FIRST_REGION
        tags = unless_gone(lambda: self.aws.s3.get_bucket_tagging(Bucket=resource_id)["TagSet"], "NoSuchTagSet")
        return {
            "bucket": resource_id,
            "arn": f"arn:aws:s3:::{resource_id}",
            "bucketDomainName": f"{resource_id}.s3.amazonaws.com",
            "bucketRegion": where,
            "bucketRegionalDomainName": f"{resource_id}.s3.{where}.amazonaws.com",
            "region": where,
            **self.observed_tags(tag_map(tags), inputs),
        }

    def update(self, resource_id: str, old: Values, new: Values) -> None:
        if self.tags_all(new):
            self._put_tags(resource_id, new)
        else:
            self.aws.s3.delete_bucket_tagging(Bucket=resource_id)

    def delete(self, resource_id: str, state: Mapping[str, Any]) -> None:
        if state.get("forceDestroy"):
            unless_gone(lambda: self._empty(resource_id), *GONE)
        unless_gone(lambda: self.aws.s3.delete_bucket(Bucket=resource_id), *GONE)

    def _put_tags(self, name: str, inputs: Values) -> None:
        if tags := self.tags_all(inputs):
            self.aws.s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tag_list(tags)})

    def _empty(self, name: str) -> None:
        """Removes all objects with all their versions and delete markers, and unfinished uploads.

        Versioning goes on again for it: where it is suspended, moto fails on a key that has a delete marker.
        """
        self.aws.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        for page in self.aws.s3.get_paginator("list_object_versions").paginate(Bucket=name):
            found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            doomed: Any = [{"Key": item.get("Key"), "VersionId": item.get("VersionId")} for item in found]
            if doomed:
                answer = self.aws.s3.delete_objects(Bucket=name, Delete={"Objects": doomed, "Quiet": True})
                for problem in answer.get("Errors", ()):
                    raise AwsError(f"{problem.get('Key')} in bucket {name} cannot be deleted: {problem.get('Message')}")
        for uploads in self.aws.s3.get_paginator("list_multipart_uploads").paginate(Bucket=name):
            for upload in uploads.get("Uploads", ()):
                self.aws.s3.abort_multipart_upload(
                    Bucket=name, Key=upload.get("Key", ""), UploadId=upload.get("UploadId", "")
                )
