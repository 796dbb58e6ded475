"""Volumes never shrink, and a bucket that exists is refused.

That nothing in Kubernetes is taken over is shown against a real API server, in tests/e2e.
"""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar

import pulumi
import pytest

from components.guards import GuardError, check_bucket, check_size
from sandbox.aws import moto
from tests.http_server import serving


def change(
    old_gib: int, new_gib: int, kind: str = "kubernetes:core/v1:PersistentVolumeClaim"
) -> pulumi.ResourceHookArgs:
    def claim(size_gib: int) -> dict[str, Any]:
        return {"spec": {"resources": {"requests": {"storage": f"{size_gib}Gi"}}}}

    return pulumi.ResourceHookArgs(
        urn="", id="", name="loki-data-0", type=kind, old_inputs=claim(old_gib), new_inputs=claim(new_gib)
    )


def test_a_smaller_volume_is_refused_with_the_least_that_is_accepted() -> None:
    with pytest.raises(GuardError, match=r"loki-data-0 has 5 GiB and no volume can shrink; set storage\.size_gib to 5"):
        check_size(change(5, 4))


def test_a_larger_volume_passes() -> None:
    check_size(change(5, 6))


def test_other_objects_are_not_looked_at() -> None:
    check_size(change(5, 4, kind="kubernetes:core/v1:ConfigMap"))


def bucket(name: str) -> pulumi.ResourceHookArgs:
    kind = "aws:s3/bucket:Bucket"
    return pulumi.ResourceHookArgs(urn="", id="", name="object-store-bucket", type=kind, new_inputs={"bucket": name})


@pytest.fixture
def account() -> Iterator[str]:
    with moto.account() as address:
        yield address


def test_a_bucket_that_exists_is_refused_with_the_ways_out(account: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", account)
    moto.client("s3", account).create_bucket(Bucket="theirs")
    with pytest.raises(GuardError) as refused:
        check_bucket(bucket("theirs"))
    assert str(refused.value) == (
        "bucket theirs exists and is not this stack's; choose another name (setting object_store.bucket), "
        "or remove that bucket"
    )
    check_bucket(bucket("ours"))


class Refusing(BaseHTTPRequestHandler):
    """Answers as S3 does to somebody it does not know, or as a proxy does that lets nobody through."""

    region: ClassVar[dict[str, str]] = {"x-amz-bucket-region": "eu-central-1"}
    answers: ClassVar[dict[str, tuple[int, dict[str, str]]]] = {
        "/private": (403, region),
        "/elsewhere": (301, region),
        "/free": (404, {}),
        "/behind-a-proxy": (403, {}),
        "/broken": (503, region),
    }

    def do_HEAD(self) -> None:
        status, headers = self.answers[self.path]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with serving(Refusing) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        yield


@pytest.mark.parametrize("name", ["private", "elsewhere"])
def test_a_bucket_that_is_not_ours_to_see_is_refused_too(name: str, s3: None) -> None:
    with pytest.raises(GuardError, match=f"^bucket {name} exists"):
        check_bucket(bucket(name))


@pytest.mark.parametrize("name", ["free", "behind-a-proxy", "broken"])
def test_what_does_not_tell_of_a_bucket_refuses_none(name: str, s3: None) -> None:
    check_bucket(bucket(name))


def test_without_an_s3_to_ask_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    check_bucket(bucket("any"))
