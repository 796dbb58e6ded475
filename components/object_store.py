"""The S3 bucket for logs and backups, and the IAM roles by which their ServiceAccounts may use it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.settings.tools import ObjectStoreSettings
from components.shared import PART_OF, SharedOutputs

# S3 counts in whole days from when an object was written; the margin keeps it from ever overtaking Loki's own
# compactor, which deletes at the retention plus its delay and must find the chunk still there.
EXPIRY_MARGIN_DAYS = 7
INFREQUENT_ACCESS_AFTER_DAYS = 30  # as asked, and the least AWS allows
NONCURRENT_DAYS = 7
UNFINISHED_UPLOAD_DAYS = 1


@dataclass(frozen=True, kw_only=True)
class ObjectStoreArgs:
    shared: SharedOutputs
    settings: ObjectStoreSettings
    retention_days: int  # Loki's
    chunk_prefixes: tuple[str, ...]  # Loki's tenants: the only objects a lifecycle may expire
    service_accounts: tuple[str, ...]  # Loki's
    backup_prefix: str  # objects under it are backups
    backup_keep_days: int
    backup_service_account: str


class ObjectStore(pulumi.ComponentResource):
    """A private, versioned, encrypted bucket that only answers over TLS."""

    bucket: pulumi.Output[str]
    role_arn: pulumi.Output[str] | None  # Loki's; None where the cluster has no OIDC provider
    backup_role_arn: pulumi.Output[str] | None

    def __init__(self, name: str, args: ObjectStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("observability:index:ObjectStore", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        # A bucket that is kept keeps its versions, its encryption, and who may not read it.
        kept = pulumi.ResourceOptions(
            parent=self, protect=args.shared.protect_data, retain_on_delete=args.shared.protect_data
        )
        tags = {"environment": args.shared.environment, "cluster": args.shared.cluster, "part-of": PART_OF}

        bucket = aws.s3.Bucket(
            f"{name}-bucket",
            bucket=args.settings.bucket,
            # in dev the bucket goes with the stack, logs and all; in production destroy stops here
            force_destroy=not args.shared.protect_data,
            tags=tags,
            opts=kept,
        )
        versioning = aws.s3.BucketVersioning(
            f"{name}-versioning",
            bucket=bucket.id,
            versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=kept,
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=bucket.id,
            rules=[
                aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                        sse_algorithm="AES256"
                    )
                )
            ],
            opts=kept,
        )
        public_access = aws.s3.BucketPublicAccessBlock(
            f"{name}-public-access",
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=kept,
        )
        if args.settings.over_tls:  # a stand-in that speaks plain HTTP only would be locked out by its own bucket
            aws.s3.BucketPolicy(
                f"{name}-policy",
                bucket=bucket.id,
                policy=bucket.arn.apply(tls_only),
                opts=pulumi.ResourceOptions.merge(kept, pulumi.ResourceOptions(depends_on=[public_access])),
            )
        aws.s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle",
            bucket=bucket.id,
            rules=[
                *lifecycle_rules(args.retention_days, args.chunk_prefixes),
                backup_rule(args.backup_prefix, args.backup_keep_days),
            ],
            # without versioning the rules for noncurrent versions are refused
            opts=pulumi.ResourceOptions.merge(kept, pulumi.ResourceOptions(depends_on=[versioning])),
        )
        self._say_what_infrequent_access_saves(args.retention_days)

        self.bucket = bucket.bucket
        users = _Users(args, bucket, tags, child)
        self.role_arn = users.role(name, "loki", args.service_accounts, access_policy)
        self.backup_role_arn = users.role(
            f"{name}-backup",
            "backup",
            (args.backup_service_account,),
            lambda bucket_arn: backup_policy(bucket_arn, args.backup_prefix),
        )
        self.register_outputs(
            {"bucket": self.bucket, "role_arn": self.role_arn, "backup_role_arn": self.backup_role_arn}
        )

    def _say_what_infrequent_access_saves(self, retention_days: int) -> None:
        expiry = retention_days + EXPIRY_MARGIN_DAYS
        if expiry <= INFREQUENT_ACCESS_AFTER_DAYS:
            pulumi.log.info(
                f"loki.retention_days is {retention_days}: chunks go before S3 could move them to infrequent access "
                f"(after {INFREQUENT_ACCESS_AFTER_DAYS} days), so that rule is left out",
                self,
            )
        elif retention_days <= INFREQUENT_ACCESS_AFTER_DAYS:
            pulumi.log.info(
                f"loki.retention_days is {retention_days}: S3 moves to infrequent access only after "
                f"{INFREQUENT_ACCESS_AFTER_DAYS} days, which is next to nothing of what is stored",
                self,
            )


def tls_only(bucket_arn: str) -> str:
    """The bucket policy that refuses plain HTTP."""
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "TlsOnly",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": [bucket_arn, f"{bucket_arn}/*"],
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                }
            ],
        }
    )


def lifecycle_rules(
    retention_days: int, chunk_prefixes: tuple[str, ...]
) -> list[aws.s3.BucketLifecycleConfigurationRuleArgs]:
    """What S3 deletes or moves by itself.

    Current objects only under `chunk_prefixes`: an expiry over the whole bucket would destroy Loki's index and cluster
    state (grafana.com/docs/loki, "Retention"). Old versions and unfinished uploads go everywhere, or what the compactor
    deletes would be kept and paid for.
    """
    expiry_days = retention_days + EXPIRY_MARGIN_DAYS
    moves = expiry_days > INFREQUENT_ACCESS_AFTER_DAYS
    rules = [
        aws.s3.BucketLifecycleConfigurationRuleArgs(
            id=f"chunks-{prefix.strip('/')}",
            status="Enabled",
            filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=prefix),
            transitions=[
                aws.s3.BucketLifecycleConfigurationRuleTransitionArgs(
                    days=INFREQUENT_ACCESS_AFTER_DAYS, storage_class="STANDARD_IA"
                )
            ]
            if moves
            else None,
            expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=expiry_days),
        )
        for prefix in chunk_prefixes
    ]
    rules.append(
        aws.s3.BucketLifecycleConfigurationRuleArgs(
            id="leftovers",
            status="Enabled",
            filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
            expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(expired_object_delete_marker=True),
            noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                noncurrent_days=NONCURRENT_DAYS
            ),
            abort_incomplete_multipart_upload=aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                days_after_initiation=UNFINISHED_UPLOAD_DAYS
            ),
        )
    )
    return rules


def backup_rule(prefix: str, keep_days: int) -> aws.s3.BucketLifecycleConfigurationRuleArgs:
    """Snapshots go by age; one that is overwritten or deleted before that stays a while as an old version."""
    return aws.s3.BucketLifecycleConfigurationRuleArgs(
        id="backups",
        status="Enabled",
        filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=prefix),
        expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=keep_days),
    )


@dataclass(frozen=True)
class _Users:
    """Makes the roles; none where the cluster has no OIDC provider."""

    args: ObjectStoreArgs
    bucket: aws.s3.Bucket
    tags: dict[str, str]
    opts: pulumi.ResourceOptions

    def role(
        self, name: str, user: str, service_accounts: Sequence[str], policy: Callable[[str], str]
    ) -> pulumi.Output[str] | None:
        """The role that those ServiceAccounts take, with the rights that `policy` writes for the bucket's ARN."""
        provider, shared = self.args.settings.oidc_provider_arn, self.args.shared
        if provider is None:
            return None
        role = aws.iam.Role(
            f"{name}-role",
            name=f"{PART_OF}-{shared.stack}-{user}",
            assume_role_policy=trust_policy(
                provider, [f"system:serviceaccount:{shared.namespace}:{account}" for account in service_accounts]
            ),
            tags=self.tags,
            opts=self.opts,
        )
        aws.iam.RolePolicy(f"{name}-access", role=role.id, policy=self.bucket.arn.apply(policy), opts=self.opts)
        return role.arn


def trust_policy(oidc_provider_arn: str, subjects: Sequence[str]) -> str:
    """Lets exactly these ServiceAccounts of the cluster take the role."""
    issuer = oidc_provider_arn.split(":oidc-provider/", 1)[1]
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Federated": oidc_provider_arn},
                    "Action": "sts:AssumeRoleWithWebIdentity",
                    "Condition": {
                        "StringEquals": {f"{issuer}:sub": list(subjects), f"{issuer}:aud": "sts.amazonaws.com"}
                    },
                }
            ],
        }
    )


def access_policy(bucket_arn: str) -> str:
    """What Loki does with its bucket, and no more: no wildcard action, no other bucket."""
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [bucket_arn]},
                {
                    "Effect": "Allow",
                    "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
                    "Resource": [f"{bucket_arn}/*"],
                },
            ],
        }
    )


def backup_policy(bucket_arn: str, prefix: str) -> str:
    """What the backup does: write and read back under its prefix, and see what is there. It can delete nothing."""
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": ["s3:ListBucket"],
                    "Resource": [bucket_arn],
                    "Condition": {"StringLike": {"s3:prefix": [f"{prefix}*"]}},
                },
                {
                    "Effect": "Allow",
                    "Action": ["s3:GetObject", "s3:PutObject"],
                    "Resource": [f"{bucket_arn}/{prefix}*"],
                },
            ],
        }
    )
