"""S3 as it is, asked before anything is changed."""

import os

import urllib3
from urllib3.exceptions import HTTPError

_TIMEOUT_SECONDS = 5
_EVERYONES = "https://s3.amazonaws.com"


def bucket_exists(name: str) -> bool:
    """True when anyone has a bucket of that name. False also where S3 cannot be asked: the provider then says so.

    Asked as nobody: S3 refuses to show a bucket, but tells anyone in which region it is.
    """
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or _EVERYONES
    try:
        answer = urllib3.request("HEAD", f"{endpoint}/{name}", timeout=_TIMEOUT_SECONDS, retries=False, redirect=False)
    except HTTPError:
        return False
    # Some proxy between may refuse everything; it does not know the region.
    return answer.status == 200 or (answer.status < 500 and "x-amz-bucket-region" in answer.headers)
