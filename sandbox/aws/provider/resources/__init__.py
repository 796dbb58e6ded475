"""The AWS resource types that the stand-in knows: those that the program uses, and no more."""

from sandbox.aws.provider.resources.base import Resource
from sandbox.aws.provider.resources.bucket import Bucket
from sandbox.aws.provider.resources.bucket_lifecycle import BucketLifecycleConfiguration
from sandbox.aws.provider.resources.bucket_settings import (
    BucketOwnershipControls,
    BucketPolicy,
    BucketPublicAccessBlock,
    BucketServerSideEncryptionConfiguration,
    BucketVersioning,
)
from sandbox.aws.provider.resources.domain import Domain, DomainPolicy
from sandbox.aws.provider.resources.iam_policy import Policy
from sandbox.aws.provider.resources.role import Role, RolePolicy, RolePolicyAttachment
from sandbox.aws.provider.resources.security_group import (
    SecurityGroup,
    SecurityGroupEgressRule,
    SecurityGroupIngressRule,
)

_TYPES: tuple[type[Resource], ...] = (
    Bucket,
    BucketLifecycleConfiguration,
    BucketOwnershipControls,
    BucketPolicy,
    BucketPublicAccessBlock,
    BucketServerSideEncryptionConfiguration,
    BucketVersioning,
    Domain,
    DomainPolicy,
    Policy,
    Role,
    RolePolicy,
    RolePolicyAttachment,
    SecurityGroup,
    SecurityGroupEgressRule,
    SecurityGroupIngressRule,
)

TYPES: dict[str, type[Resource]] = {kind.type_name: kind for kind in _TYPES}
