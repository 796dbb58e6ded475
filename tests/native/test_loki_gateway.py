"""A real nginx with the gateway's own configuration before a real Loki with tenants: who gets in, and to what."""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from components.loki_gateway import CONFIG, FOLDER, PORT, SECRET_KEY, USER, USERS
from sandbox import loki_login
from tests.native.image_process import image_root, running_in
from tests.native.loki_process import LokiClient, free_port, running_loki
from tests.native.test_loki import HEALTHY, SERVICE, lines
from tests.waiting import eventually

pytestmark = pytest.mark.full

OWN, OTHER = "prod", "team-a"
PASSWORDS = {OWN: "correct-horse-prod", OTHER: "correct-horse-team-a"}
# As `htpasswd -nB` prints one, and `openssl passwd -apr1`.
HTPASSWD = f"""{OWN}:$2y$05$abcdefghijklmnopqrstuube8siXnpgxMvUlk9CNN2S6/1.GkbEpW
{OTHER}:$apr1$abcdefgh$4HntXQwATLG2ih7TfunPA.
"""
QUERY = {"query": '{pod="here"}'}
RANGE = "/loki/api/v1/query_range"


@dataclass(frozen=True)
class Gateway:
    url: str
    root: Path  # that nginx sees

    def requests(self) -> str:
        return (self.root / "dev/stdout").read_text()

    def errors(self) -> str:
        return (self.root / "log").read_text()

    def users(self, text: str) -> None:
        (self.root / USERS.lstrip("/") / SECRET_KEY).write_text(text)


@pytest.fixture(scope="module")
def loki(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LokiClient]:
    """One line of the platform, as its own client."""
    with running_loki(tmp_path_factory.mktemp("loki"), tenant=OWN, rules={}) as client:
        client.push({**SERVICE, "pod": "here"}, lines(time.time(), 1, 1, HEALTHY))
        yield client


@pytest.fixture(scope="module")
def gateway(loki: LokiClient) -> Iterator[Gateway]:
    port = free_port()
    config = CONFIG.read_text()
    for name, value in ((f"listen {PORT};", f"listen 127.0.0.1:{port};"), ("http://loki:3100", loki.url)):
        assert name in config
        config = config.replace(name, value)
    with image_root("nginx") as root:
        for folder in (FOLDER, USERS):
            (root / folder.lstrip("/")).mkdir(parents=True)
        (root / FOLDER.lstrip("/") / "nginx.conf").write_text(config)
        (root / "dev/stdout").touch()
        shutil.chown(root / "dev/stdout", USER, USER)
        found = Gateway(f"http://127.0.0.1:{port}", root)
        found.users(HTPASSWD)
        command = ("/usr/sbin/nginx", "-e", "stderr", "-c", f"{FOLDER}/nginx.conf", "-g", "daemon off;")
        with running_in(root, USER, *command, port=port):
            yield found


def ask(gateway: Gateway, path: str, user: str | None = None, password: str | None = None) -> httpx.Response:
    login = None if user is None else (user, PASSWORDS[user] if password is None else password)
    return httpx.get(f"{gateway.url}{path}", params=QUERY if path == RANGE else {}, auth=login)


@pytest.mark.parametrize("path", [RANGE, "/loki/api/v1/labels", "/prometheus/api/v1/rules", "/ready"])
def test_nobody_gets_in_without_a_password(gateway: Gateway, path: str) -> None:
    refused = ask(gateway, path)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Basic ")
    assert "here" not in refused.text


@pytest.mark.parametrize(("user", "password"), [(OWN, "wrong"), (OWN, ""), (OTHER, PASSWORDS[OWN])])
def test_a_wrong_password_does_not_let_in(gateway: Gateway, user: str, password: str) -> None:
    assert ask(gateway, RANGE, user, password).status_code == 401


def test_nobody_pushes_without_a_password(gateway: Gateway) -> None:
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        LokiClient(gateway.url, OWN).push(SERVICE, lines(time.time(), 1, 1, HEALTHY))


def test_a_user_finds_the_lines_of_the_tenant_of_that_name(gateway: Gateway) -> None:
    assert ["blueprint created" in ask(gateway, RANGE, user).text for user in (OWN, OTHER)] == [True, False]
    assert ask(gateway, "/ready", OTHER).status_code == 200


def test_a_tenants_header_of_ones_own_changes_nothing(gateway: Gateway) -> None:
    login = (OTHER, PASSWORDS[OTHER])
    answer = httpx.get(f"{gateway.url}{RANGE}", params=QUERY, auth=login, headers={"X-Scope-OrgID": OWN})
    assert answer.status_code == 200
    assert "blueprint created" not in answer.text


def test_what_a_user_pushes_is_the_users(gateway: Gateway, loki: LokiClient) -> None:
    now = time.time()
    stamp = str(int(now * 1e9))
    stream = {"stream": {**SERVICE, "pod": "pushed"}, "values": [[stamp, "by team-a"]]}
    login = (OTHER, PASSWORDS[OTHER])
    httpx.post(f"{gateway.url}/loki/api/v1/push", json={"streams": [stream]}, auth=login).raise_for_status()

    window = (int((now - 60) * 1e9), int((now + 60) * 1e9))
    assert [one.line for one in replace(loki, tenant=OTHER).entries('{pod="pushed"}', *window)] == ["by team-a"]
    assert loki.entries('{pod="pushed"}', *window) == []


@pytest.mark.parametrize("path", ["/flush", "/config", "/metrics", "/ingester/shutdown", "/ring", "/loki/x", "/"])
def test_lokis_own_switches_are_not_passed_on(gateway: Gateway, path: str) -> None:
    assert ask(gateway, path, OWN).status_code == 404


def test_its_log_says_who_came_and_neither_the_password_nor_what_was_asked(gateway: Gateway) -> None:
    before = len(gateway.requests().splitlines())
    ask(gateway, RANGE, OWN)
    ask(gateway, RANGE, OWN, "correct-horse-nobody")
    # A line is written once the answer has gone out.
    eventually(lambda: len(gateway.requests().splitlines()) == before + 2, 10, 0.1)
    entries = [json.loads(line) for line in gateway.requests().splitlines()[before:]]
    assert {(one["user"], one["path"], one["status"]) for one in entries} == {(OWN, RANGE, 200), (OWN, RANGE, 401)}
    assert "here" not in gateway.requests()
    assert "correct-horse" not in gateway.requests() + gateway.errors()


def test_the_sandboxs_login_lets_in(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    gateway.users(HTPASSWD + loki_login.htpasswd())
    try:
        login = loki_login.environment()
        answer = httpx.get(f"{gateway.url}/ready", auth=(login["LOKI_USERNAME"], login["LOKI_PASSWORD"]))
        assert answer.status_code == 200
    finally:
        gateway.users(HTPASSWD)


def test_a_user_who_is_taken_out_is_refused_at_once(gateway: Gateway) -> None:
    gateway.users(HTPASSWD.splitlines()[0] + "\n")
    try:
        assert ask(gateway, RANGE, OTHER).status_code == 401
        assert ask(gateway, RANGE, OWN).status_code == 200
    finally:
        gateway.users(HTPASSWD)
