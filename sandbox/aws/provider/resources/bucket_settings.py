# ruff: noqa: ARG002 - the signatures are Resource's
"""What is set on a bucket: each of these is one PUT, GET and DELETE of S3, and its id is the bucket's name."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from sandbox.aws.provider.api import from_api, to_api
from sandbox.aws.provider.resources.base import Resource, unless_gone
from sandbox.aws.provider.resources.bucket import GONE
from sandbox.aws.provider.shape import Fields, Replaces, an_object, objects, policy, text, truth
from sandbox.aws.provider.wire import Values

_BUCKET = text(required=True, replaces=Replaces.ALWAYS)


class BucketSetting(Resource):
    """Something set on a bucket as a whole: every change writes all of it again."""

    gone: ClassVar[tuple[str, ...]] = ()  # AWS's codes for "not set"
    computed = ("region",)

    @abstractmethod
    def put(self, bucket: str, inputs: Values) -> None:
        """Writes the setting."""

    @abstractmethod
    def get(self, bucket: str) -> Values | None:
        """The setting as AWS has it, None when it is not set."""

    @abstractmethod
    def clear(self, bucket: str) -> object:
        """Takes the setting away."""

    def create(self, inputs: Values) -> str:
        self.put(inputs["bucket"], inputs)
        return str(inputs["bucket"])

    def read(self, resource_id: str, inputs: Mapping[str, Any]) -> Values | None:
        found = unless_gone(lambda: self.get(resource_id), *GONE, *self.gone)
        return None if found is None else {"bucket": resource_id, "region": self.aws.region, **found}

    def update(self, resource_id: str, old: Values, new: Values) -> None:
        self.put(resource_id, new)

    def delete(self, resource_id: str, state: Mapping[str, Any]) -> None:
        unless_gone(lambda: self.clear(resource_id), *GONE, *self.gone)


class BucketVersioning(BucketSetting):
    type_name = "aws:s3/bucketVersioning:BucketVersioning"
    fields: ClassVar[Fields] = {
        "bucket": _BUCKET,
        "versioningConfiguration": an_object({"status": text(required=True)}, required=True),
    }

    def put(self, bucket: str, inputs: Values) -> None:
        wanted: Any = to_api(inputs["versioningConfiguration"], self.fields["versioningConfiguration"].fields)
        self.aws.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=wanted)

    def get(self, bucket: str) -> Values | None:
        status = self.aws.s3.get_bucket_versioning(Bucket=bucket).get("Status")
        return {"versioningConfiguration": {"status": status}} if status else None

    def clear(self, bucket: str) -> object:
        # A bucket that has had versions can only be suspended, never set back.
        return self.aws.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})


class BucketServerSideEncryptionConfiguration(BucketSetting):
    type_name = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    gone = ("ServerSideEncryptionConfigurationNotFoundError",)
    fields: ClassVar[Fields] = {
        "bucket": _BUCKET,
        "rules": objects(
            {
                "applyServerSideEncryptionByDefault": an_object(
                    {
                        "sseAlgorithm": text(required=True, api="SSEAlgorithm"),
                        "kmsMasterKeyId": text(api="KMSMasterKeyID"),
                    }
                ),
                "bucketKeyEnabled": truth(),
            },
            required=True,
        ),
    }

    def put(self, bucket: str, inputs: Values) -> None:
        rules: Any = [to_api(rule, self.fields["rules"].fields) for rule in inputs["rules"]]
        self.aws.s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})

    def get(self, bucket: str) -> Values | None:
        rules = self.aws.s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        return {"rules": [from_api(rule, self.fields["rules"].fields) for rule in rules]}

    def clear(self, bucket: str) -> object:
        return self.aws.s3.delete_bucket_encryption(Bucket=bucket)


class BucketPublicAccessBlock(BucketSetting):
    type_name = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    gone = ("NoSuchPublicAccessBlockConfiguration",)
    _switches: ClassVar[Fields] = {
        "blockPublicAcls": truth(),
        "blockPublicPolicy": truth(),
        "ignorePublicAcls": truth(),
        "restrictPublicBuckets": truth(),
    }
    fields: ClassVar[Fields] = {"bucket": _BUCKET, **_switches}

    def put(self, bucket: str, inputs: Values) -> None:
        # A switch that is left out is off, as S3 has it.
        wanted: Any = to_api({name: inputs.get(name, False) for name in self._switches}, self._switches)
        self.aws.s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=wanted)

    def get(self, bucket: str) -> Values | None:
        found = self.aws.s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
        return {name: value or False for name, value in from_api(found, self._switches).items()}

    def clear(self, bucket: str) -> object:
        return self.aws.s3.delete_public_access_block(Bucket=bucket)


class BucketOwnershipControls(BucketSetting):
    type_name = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
    gone = ("OwnershipControlsNotFoundError",)
    fields: ClassVar[Fields] = {
        "bucket": _BUCKET,
        "rule": an_object({"objectOwnership": text(required=True)}, required=True),
    }

    def put(self, bucket: str, inputs: Values) -> None:
        rule: Any = to_api(inputs["rule"], self.fields["rule"].fields)
        self.aws.s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [rule]})

    def get(self, bucket: str) -> Values | None:
        rules = self.aws.s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
        return {"rule": from_api(rules[0], self.fields["rule"].fields)} if rules else None

    def clear(self, bucket: str) -> object:
        return self.aws.s3.delete_bucket_ownership_controls(Bucket=bucket)


class BucketPolicy(BucketSetting):
    type_name = "aws:s3/bucketPolicy:BucketPolicy"
    gone = ("NoSuchBucketPolicy",)
    fields: ClassVar[Fields] = {"bucket": _BUCKET, "policy": policy(required=True)}

    def put(self, bucket: str, inputs: Values) -> None:
        self.aws.s3.put_bucket_policy(Bucket=bucket, Policy=inputs["policy"])

    def get(self, bucket: str) -> Values | None:
        return {"policy": self.aws.s3.get_bucket_policy(Bucket=bucket)["Policy"]}

    def clear(self, bucket: str) -> object:
        return self.aws.s3.delete_bucket_policy(Bucket=bucket)
