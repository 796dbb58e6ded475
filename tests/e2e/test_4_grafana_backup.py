"""What people made in Grafana and the silences are saved, lost, and back again; teams and their rights."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from components import backup
from operations.restore import restore
from rendering.datasources import Folder
from sandbox import stack
from tests.e2e.jobs import NAMESPACE, on_monitoring, run_now
from tests.waiting import eventually

pytestmark = pytest.mark.real_node


@pytest.fixture(autouse=True)
def on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """kubectl and its cluster, as an operator has them."""
    for name, value in stack.environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def alertmanager(urls: dict[str, str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=urls["alertmanager"], trust_env=False, timeout=15) as client:
        yield client


@pytest.fixture
def versions_under(deployed: dict[str, Any], s3: Any) -> Callable[[str], dict[str, str]]:
    """File name -> version, of the objects under a prefix of the bucket."""

    def look(prefix: str) -> dict[str, str]:
        found = s3.list_object_versions(Bucket=deployed["bucket"], Prefix=prefix)["Versions"]
        return {each["Key"].rsplit("/", 1)[1]: each["VersionId"] for each in found}

    return look


@dataclass(frozen=True)
class Person:
    login: str
    password: str
    made: str
    """Uid of the dashboard that they made and starred."""

    @contextmanager
    def client(self, grafana: httpx.Client) -> Iterator[httpx.Client]:
        login = (self.login, self.password)
        with httpx.Client(base_url=grafana.base_url, auth=login, trust_env=False, timeout=30) as own:
            yield own


@pytest.fixture
def person(grafana: httpx.Client) -> Person:
    """An Editor who is in the team `platform`, has made a dashboard, starred it and left a mark."""
    login, password = f"ada-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    body = {"name": "Ada", "login": login, "email": f"{login}@dharma.example", "password": password, "OrgId": 1}
    user = grafana.post("/api/admin/users", json=body).raise_for_status().json()["id"]
    grafana.patch(f"/api/org/users/{user}", json={"role": "Editor"}).raise_for_status()
    [team] = grafana.get("/api/teams/search", params={"name": "platform"}).raise_for_status().json()["teams"]
    grafana.post(f"/api/teams/{team['id']}/members", json={"userId": user}).raise_for_status()
    with httpx.Client(base_url=grafana.base_url, auth=(login, password), trust_env=False, timeout=30) as own:
        panel = {"id": 1, "type": "text", "title": "Notes", "options": {"content": f"of {login}"}}
        dashboard = {"dashboard": {"title": f"Made by {login}", "panels": [panel]}, "folderUid": Folder.PLATFORM.uid}
        made = own.post("/api/dashboards/db", json=dashboard).raise_for_status().json()
        own.post(f"/api/user/stars/dashboard/uid/{made['uid']}").raise_for_status()
        own.post("/api/annotations", json={"text": f"seen by {login}", "tags": [login]}).raise_for_status()
    return Person(login, password, made["uid"])


@pytest.fixture
def silence(alertmanager: httpx.Client) -> Iterator[str]:
    """Comment of a silence that stands."""
    comment = f"kept by a backup {uuid.uuid4().hex}"
    now = datetime.now(UTC)
    body = {
        "matchers": [{"name": "alertname", "value": "NoSuchAlert", "isRegex": False, "isEqual": True}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=2)).isoformat(),
        "createdBy": "a test",
        "comment": comment,
    }
    alertmanager.post("/api/v2/silences", json=body).raise_for_status()
    yield comment
    expire(alertmanager, comment)


def expire(alertmanager: httpx.Client, comment: str) -> None:
    for each in standing(alertmanager):
        if each["comment"] == comment:
            alertmanager.delete(f"/api/v2/silence/{each['id']}").raise_for_status()


def starred(person: Person, grafana: httpx.Client) -> list[str]:
    """Uids of what they starred; only they themselves are told."""
    with person.client(grafana) as own:
        found = own.get("/api/search", params={"starred": "true", "type": "dash-db"}).raise_for_status().json()
    return [each["uid"] for each in found]


def silences(alertmanager: httpx.Client) -> list[tuple[str, ...]]:
    """What is silenced until when, by whom and why: all but ids, states and times of change."""
    return sorted(
        (json.dumps(each["matchers"], sort_keys=True), each["endsAt"], each["createdBy"], each["comment"])
        for each in standing(alertmanager)
    )


def standing(alertmanager: httpx.Client) -> list[dict[str, Any]]:
    found = alertmanager.get("/api/v2/silences").raise_for_status().json()
    return [each for each in found if each["status"]["state"] != "expired"]


def content(grafana: httpx.Client) -> dict[str, Any]:
    """What a backup is for, without what changes by itself (times last seen)."""

    def get(path: str, **params: Any) -> Any:
        return grafana.get(path, params=params).raise_for_status().json()

    users = get("/api/users")
    teams = get("/api/teams/search")["teams"]
    own = [each["uid"] for each in get("/api/search", type="dash-db", limit=5000)]
    marks = get("/api/annotations", type="annotation", limit=500)
    return {
        "users": {(each["login"], each["email"], each["isAdmin"]) for each in users},
        "roles": {(each["login"], each["role"]) for each in get("/api/org/users")},
        "teams": {(each["name"], each["email"]) for each in teams},
        "members": {
            (each["name"], member["login"]) for each in teams for member in get(f"/api/teams/{each['id']}/members")
        },
        "rights": {
            folder.uid: sorted(
                (each.get("role", ""), each.get("team", ""), each["permission"])
                for each in get(f"/api/folders/{folder.uid}/permissions")
            )
            for folder in Folder
        },
        "dashboards": {uid: get(f"/api/dashboards/uid/{uid}")["dashboard"] for uid in own},
        "marks": {(each["text"], tuple(each["tags"]), each["login"]) for each in marks},
    }


EMPTIED = """
import pathlib
for path in pathlib.Path("/var/lib/grafana").glob("grafana.db*"):
    path.unlink()
"""


def empty_grafana(image: str) -> None:
    """The database goes; Grafana starts as on a new volume."""
    name = f"empty-{uuid.uuid4().hex[:6]}"
    restricted = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    spec = {
        "restartPolicy": "Never",
        "securityContext": {
            **{"runAsNonRoot": True, "runAsUser": 472, "runAsGroup": 472, "fsGroup": 472},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "empty",
                "image": image,
                "command": ["python3", "-c", EMPTIED],
                "securityContext": restricted,
                "volumeMounts": [{"name": "data", "mountPath": "/var/lib/grafana"}],
            }
        ],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data-grafana-0"}}],
    }
    on_monitoring("scale", "statefulset/grafana", "--replicas=0")
    on_monitoring("wait", "--for=delete", "pod/grafana-0", "--timeout=120s")
    try:
        on_monitoring("run", name, f"--image={image}", f"--overrides={json.dumps({'spec': spec})}")
        on_monitoring("wait", f"pod/{name}", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
    finally:
        on_monitoring("delete", "pod", name, "--ignore-not-found")
        on_monitoring("scale", "statefulset/grafana", "--replicas=1")
    on_monitoring("rollout", "status", "statefulset/grafana", "--timeout=180s")


def test_a_backup_brings_back_what_was_lost(
    grafana: httpx.Client,
    alertmanager: httpx.Client,
    versions_under: Callable[[str], dict[str, str]],
    person: Person,
    silence: str,
) -> None:
    before, silenced = content(grafana), silences(alertmanager)
    assert person.login in {login for login, _, _ in before["users"]}
    assert f"of {person.login}" in json.dumps(before["dashboards"][person.made])
    assert starred(person, grafana) == [person.made]
    assert silence in {comment for *_, comment in silenced}
    said = run_now(backup.TOOL)
    name = said.split("snapshot ", 1)[1].split(":", 1)[0]
    kept = versions_under(f"{backup.PREFIX}{name}/")
    assert kept.keys() == {"grafana.db", "silences.json"}
    assert "null" not in kept.values()

    # lost: the volume, and the silences
    cron_jobs = json.loads(on_monitoring("get", "cronjob", backup.TOOL, "-o", "json"))
    image = cron_jobs["spec"]["jobTemplate"]["spec"]["template"]["spec"]["initContainers"][0]["image"]
    empty_grafana(image)
    expire(alertmanager, silence)
    answers(grafana)
    assert person.login not in {each["login"] for each in grafana.get("/api/users").raise_for_status().json()}
    assert silence not in {each["comment"] for each in standing(alertmanager)}

    assert f"restoring {name}" in restore(NAMESPACE, name)
    answers(grafana)
    assert content(grafana) == before
    assert starred(person, grafana) == [person.made]
    assert silences(alertmanager) == silenced


def answers(grafana: httpx.Client) -> None:
    """Also: the administrator's password is the secret's, whatever the database says."""

    def up() -> bool:
        try:
            return grafana.get("/api/org").status_code == 200
        except httpx.TransportError:
            return False

    eventually(up, 90)


def test_teams_are_those_of_the_file_and_only_members_write_into_their_folders(
    grafana: httpx.Client, person: Person
) -> None:
    declared = {"platform", "database", "security", "infrastructure"}
    teams = grafana.get("/api/teams/search").raise_for_status().json()["teams"]
    assert {each["name"] for each in teams} >= declared
    with person.client(grafana) as own:
        assert {folder: _write(own, folder) for folder in Folder} == {
            Folder.PLATFORM: 200,
            Folder.SERVICES: 200,
            Folder.SLOS: 200,
            Folder.BUSINESS: 200,
            Folder.OBSERVABILITY: 200,
            Folder.INFRASTRUCTURE: 403,
        }


def _write(client: httpx.Client, folder: Folder) -> int:
    body = {"dashboard": {"title": f"temporary {uuid.uuid4().hex}", "panels": []}, "folderUid": folder.uid}
    answer = client.post("/api/dashboards/db", json=body)
    if answer.status_code == 200:
        client.delete(f"/api/dashboards/uid/{answer.json()['uid']}").raise_for_status()
    return answer.status_code


def test_the_access_job_has_nothing_left_to_change() -> None:
    assert "nothing to change" in run_now("grafana-access")
