"""boto3 clients for the local AWS, made when first needed: a preview without a look at AWS costs none."""

import os
import threading
from typing import TYPE_CHECKING, Any

from sandbox.aws.provider.errors import AwsError
from sandbox.aws.provider.settings import ProviderSettings

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_opensearch import OpenSearchServiceClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sts import STSClient

_CONNECT_SECONDS = 5
_READ_SECONDS = 30


class Clients:
    """The AWS services, as the provider's settings say."""

    def __init__(self, settings: ProviderSettings) -> None:
        self.settings = settings
        self._made: dict[str, Any] = {}
        self._lock = threading.RLock()  # a boto3 session must not be used by two threads at once; its clients may

    @property
    def region(self) -> str:
        """The region; raises AwsError when neither the settings nor the environment have one."""
        region = self.settings.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        if not region:
            raise AwsError("no AWS region is set; write one: pulumi config set aws:region eu-west-1")
        return region

    @property
    def s3(self) -> "S3Client":
        return self._client("s3")  # type: ignore[no-any-return]

    @property
    def iam(self) -> "IAMClient":
        return self._client("iam")  # type: ignore[no-any-return]

    @property
    def sts(self) -> "STSClient":
        return self._client("sts")  # type: ignore[no-any-return]

    @property
    def opensearch(self) -> "OpenSearchServiceClient":
        return self._client("opensearch")  # type: ignore[no-any-return]

    @property
    def ec2(self) -> "EC2Client":
        return self._client("ec2")  # type: ignore[no-any-return]

    def account_id(self) -> str:
        """The account that the credentials belong to."""
        with self._lock:
            if "account" not in self._made:
                self._made["account"] = self.sts.get_caller_identity()["Account"]
            account: str = self._made["account"]
            return account

    def _client(self, service: str) -> Any:
        with self._lock:
            if service not in self._made:
                self._made[service] = self._make(service)
            return self._made[service]

    def _make(self, service: str) -> Any:
        import boto3  # noqa: PLC0415 - half a second that a preview without changes need not spend
        from botocore.config import Config  # noqa: PLC0415

        config = Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"max_attempts": self.settings.max_retries, "mode": "standard"},
            s3={"addressing_style": "path" if self.settings.s3_use_path_style else "auto"},
            proxies={},  # the local AWS is on this machine
        )
        if "session" not in self._made:
            self._made["session"] = boto3.session.Session(
                aws_access_key_id=self.settings.access_key,
                aws_secret_access_key=self.settings.secret_key,
                region_name=self.region,
            )
        return self._made["session"].client(service, endpoint_url=self._endpoint(service), config=config)

    def _endpoint(self, service: str) -> str:
        """The service's address. The stand-in is for a local AWS only: without an address it stops."""
        address = (
            self.settings.endpoint(service)
            or os.environ.get(f"AWS_ENDPOINT_URL_{service.upper()}")
            or os.environ.get("AWS_ENDPOINT_URL")
        )
        if not address:
            raise AwsError(
                f"aws:endpoints has no address for {service}, and the AWS stand-in never calls the real AWS; "
                'set AWS_ENDPOINT_URL: eval "$(python -m sandbox env)"'
            )
        return address
