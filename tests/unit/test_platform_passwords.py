"""Passwords of the platform's PostgreSQL."""

from pathlib import Path

import pytest

from sandbox.platform import passwords


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def test_passwords_are_made_once_and_differ() -> None:
    first = passwords.passwords()
    assert passwords.passwords() == first
    assert len(set(first.values())) == len(first) == 2


def test_only_the_owner_can_read_them(tmp_path: Path) -> None:
    passwords.passwords()
    modes = {path.stat().st_mode & 0o777 for path in tmp_path.rglob("platform-password-*")}
    assert modes == {0o600}
