"""Does single sign-on give each group its role in a real Grafana, and let nobody in beside them?"""

import base64
import json
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

import httpx
import pytest

from components.settings.tools import OidcSettings
from tests.http_server import serving
from tests.native.grafana_process import PASSWORD, RunningGrafana, running_grafana

pytestmark = pytest.mark.full
CLIENT = "grafana"


class Provider(BaseHTTPRequestHandler):
    """A provider of OpenID Connect at which whoever comes is signed in with the claims that a test has set."""

    id_token: dict[str, Any]
    user_info: dict[str, Any]

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/authorize":
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            assert asked["client_id"] == CLIENT
            assert asked["code_challenge_method"] == "S256"
            self.send_response(302)
            given = urlencode({"code": "for-once", "state": asked["state"]})
            self.send_header("Location", f"{asked['redirect_uri']}?{given}")
            self.end_headers()
        elif self.headers["Authorization"] == "Bearer access":
            self._answer(self.user_info)
        else:
            self.send_error(401)

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        _, _, sent = (self.headers["Authorization"] or "").partition("Basic ")
        by_header = unquote_plus(base64.b64decode(sent).decode()) == f"{CLIENT}:{PASSWORD}"
        if (
            not (by_header or form.get("client_secret") == [PASSWORD])
            or form["code"] != ["for-once"]
            or not form["code_verifier"]
        ):
            self.send_error(401)
            return
        parts = ({"alg": "none"}, self.id_token | {"exp": 4102444800}, {"signed": "by nobody"})
        token = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
        self._answer({"access_token": "access", "token_type": "Bearer", "expires_in": 600, "id_token": token})

    def _answer(self, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    with serving(Provider) as url:
        yield url


@pytest.fixture(scope="module", params=[None, "staff"], ids=["everyone may look", "a group may look"])
def viewer_group(request: pytest.FixtureRequest) -> str | None:
    group: str | None = request.param
    return group


@pytest.fixture(scope="module")
def grafana(
    provider: str, viewer_group: str | None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGrafana]:
    oidc = OidcSettings(
        client_id=CLIENT,
        auth_url=f"{provider}/authorize",
        token_url=f"{provider}/token",
        api_url=f"{provider}/userinfo",
        admin_group="observability-admins",
        editor_group="engineers",
        viewer_group=viewer_group,
    )
    with running_grafana(tmp_path_factory.mktemp("grafana"), oidc=oidc) as running:
        yield running


def role(grafana: RunningGrafana, *, id_token: dict[str, Any], user_info: dict[str, Any]) -> str | None:
    """Of somebody new who signs in with these claims; None for one who is not let in."""
    name = f"ada-{uuid.uuid4().hex[:8]}"
    who = {"sub": name, "preferred_username": name, "email": f"{name}@dharma.example", "name": "Ada"}
    Provider.id_token, Provider.user_info = who | id_token, who | user_info
    with httpx.Client(base_url=grafana.api.base_url, trust_env=False) as browser:
        answer = browser.get("/login/generic_oauth")
        # To the provider and back; where Grafana then sends its own page, which is none of this, the session is there.
        while answer.is_redirect and "grafana_session" not in browser.cookies and "/login?" not in str(answer.url):
            answer = browser.get(answer.headers["Location"])
        found = browser.get("/api/user/orgs")
        if found.status_code == 401:
            return None
        [organization] = found.raise_for_status().json()
        given: str = organization["role"]
        return given


@pytest.mark.parametrize("place", ["id_token", "user_info"])
@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (["staff", "engineers", "observability-admins"], "Admin"),
        (["staff", "engineers"], "Editor"),
        (["staff"], "Viewer"),
    ],
)
def test_the_highest_group_gives_the_role(
    grafana: RunningGrafana, place: str, groups: list[str], expected: str
) -> None:
    claims: dict[str, dict[str, Any]] = {"id_token": {}, "user_info": {}}
    claims[place] = {"groups": groups}
    assert role(grafana, **claims) == expected


def test_without_groups_one_is_let_in_only_where_everyone_may_look(
    grafana: RunningGrafana, viewer_group: str | None
) -> None:
    expected = "Viewer" if viewer_group is None else None
    assert role(grafana, id_token={}, user_info={}) == expected
    assert role(grafana, id_token={}, user_info={"groups": ["others"]}) == expected
