"""The sandbox's login at Loki's gateway: made once, and only its hash leaves."""

from pathlib import Path

import pytest

from sandbox import loki_login
from sandbox.paths import state_dir


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def test_the_password_stays_the_same_and_only_its_owner_reads_it() -> None:
    first = loki_login.environment()
    assert loki_login.environment() == first
    assert len(first["LOKI_PASSWORD"]) >= 24
    assert [path.stat().st_mode & 0o777 for path in state_dir().iterdir()] == [0o600]


def test_nginx_is_given_a_salted_hash_of_it_which_is_another_for_another_password() -> None:
    login = loki_login.environment()
    one = loki_login.htpasswd()
    assert one.startswith(f"{login['LOKI_USERNAME']}:{{SSHA}}")
    assert login["LOKI_PASSWORD"] not in one
    assert loki_login.htpasswd() == one  # else each `up` would change the Secret
    (state_dir() / "loki-password").unlink()
    assert loki_login.htpasswd() != one
