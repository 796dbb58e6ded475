"""A secret is found in whatever form it is written down: else the tests that look for secrets look at nothing."""

import base64
import json
from pathlib import Path

import pytest
import yaml

from sandbox.aws import certificates
from tests.secret_forms import revealed

PASSWORD = 'pass"word\\9 ü'


@pytest.mark.parametrize(
    "text",
    [
        f"login with {PASSWORD}!",
        json.dumps({"password": PASSWORD}),
        json.dumps({"file": json.dumps({"password": PASSWORD})}),
        base64.b64encode(PASSWORD.encode()).decode(),
        f"Basic {base64.b64encode(f'admin:{PASSWORD}'.encode()).decode()}",
        base64.b64encode(f"{{'password': '{PASSWORD}', 'user': 'x'}}".encode()).decode(),
        base64.b64encode(f"ab{PASSWORD}cd".encode()).decode(),
    ],
    ids=["plain", "json", "json in json", "base64", "basic login", "file in base64", "file at another offset"],
)
def test_a_password_is_found(text: str) -> None:
    assert revealed(text, {"password": PASSWORD, "other": "another-word"}) == ["password"]


def test_a_certificate_is_found_also_where_it_is_indented(tmp_path: Path) -> None:
    for name in ("one", "two"):
        certificates.ensure(tmp_path / name, "127.0.0.1")
    ours, theirs = ((tmp_path / name / "ca.pem").read_text() for name in ("one", "two"))
    secrets = {"smtp_ca": ours, "other_ca": theirs}
    for text in (
        ours,
        json.dumps({"ca": ours}),
        base64.b64encode(ours.encode()).decode(),
        yaml.safe_dump({"tls": {"ca": ours}}, default_style="|"),
    ):
        assert revealed(text, secrets) == ["smtp_ca"]


def test_other_text_reveals_nothing() -> None:
    assert revealed("a password and a word, YWRtaW46c2VjcmV0", {"password": PASSWORD}) == []
