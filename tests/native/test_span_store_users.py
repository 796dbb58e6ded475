"""Jaeger's user in a real OpenSearch 2.19 with its security plugin: made by a job, with no more than Jaeger needs."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.native.span_store_process import RunningStore, running_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStore]:
    with running_store(tmp_path_factory.mktemp("store")) as running:
        yield running


def waits_saying(store: RunningStore, **others: str) -> str:
    """What `wait` prints while it goes on waiting."""
    with pytest.raises(subprocess.TimeoutExpired) as still:
        store.run("wait", seconds=6, **others)
    return (still.value.stdout or b"").decode()


def test_who_waits_for_the_store_says_why(store: RunningStore, tmp_path: Path) -> None:
    wrong = tmp_path / "files"
    for name, text in (("login/password", "wrong"), ("ca/ca.crt", (store.files / "ca" / "ca.crt").read_text())):
        (wrong / name).parent.mkdir(parents=True)
        (wrong / name).write_text(text)
    assert "the password is wrong or the user does not exist" in waits_saying(store, SPAN_STORE_FILES=str(wrong))
    (wrong / "ca" / "ca.crt").unlink()
    assert "span_store.ca names the authority" in waits_saying(store, SPAN_STORE_FILES=str(wrong))
    assert "it does not answer" in waits_saying(store, SPAN_STORE_URL="https://127.0.0.4:9200")


def test_the_user_is_made_and_making_it_again_changes_nothing(store: RunningStore) -> None:
    api = "/_plugins/_security/api"
    before = [store.administrator.get(f"{api}/{kind}").json() for kind in ("roles", "rolesmapping")]
    assert store.run("users").returncode == 0
    after = [store.administrator.get(f"{api}/{kind}").json() for kind in ("roles", "rolesmapping")]
    assert before == after
    assert after[1]["jaeger-test"]["users"] == ["jaeger"]


def test_a_refused_user_ends_the_job_with_the_stores_own_reason(store: RunningStore) -> None:
    done = store.run("users", SPAN_STORE_USERNAME="q8zr-unlike")  # the password begins so
    assert done.returncode == 1
    assert "Weak password" in done.stderr


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/_plugins/_security/api/internalusers"),
        ("PUT", "/orders"),
        ("PUT", "/prod-jaeger-span-2020-01-01"),
        ("DELETE", "/orders"),
        ("GET", "/.opendistro_security/_search"),
        ("DELETE", "/_template/test-jaeger-span"),
    ],
)
def test_the_user_can_do_no_more_than_jaeger_needs(store: RunningStore, method: str, path: str) -> None:
    with store.as_jaeger() as client:
        assert client.request(method, path, json={} if method == "PUT" else None).status_code == 403
