"""Makes Grafana's teams and folder rights what a file declares; run again, it changes nothing.

usage: grafana_access.py <declared.json>, with GRAFANA_URL, GRAFANA_USER and GRAFANA_PASSWORD_FILE in the environment.
Teams and folders that the file does not name are left alone. What it changes is printed, a line each.
"""

import base64
import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

PATIENCE_SECONDS = 540  # it may start together with Grafana, whose image is on its way
VIEW, EDIT = 1, 2  # Grafana's numbers for a right on a folder


class Refused(Exception):
    """Grafana answered with an error; `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Grafana:
    """Its API as the administrator."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self._url = url.rstrip("/")
        self._login = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of the answer. Raises Refused, or OSError where nobody answers."""
        request = urllib.request.Request(  # noqa: S310 - the URL is the stack's own
            self._url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": self._login, "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise Refused(error.code, f"{method} {path}: {error.code} {error.read().decode()[:300]}") from error

    def found(self, path: str) -> Any:
        """As a GET, and None where there is no such thing."""
        try:
            return self.call("GET", path)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise


def apply(grafana: Grafana, declared: dict[str, Any]) -> list[str]:
    """Makes it so. What was changed, a line each."""
    changed: list[str] = []
    ids = {team["name"]: _team(grafana, team, changed) for team in declared["teams"]}
    for team in declared["teams"]:
        if team["members"] is not None:
            _members(grafana, team, ids[team["name"]], changed)
    for folder in declared["folders"]:
        _folder(grafana, folder, ids, changed)
    return changed


def _team(grafana: Grafana, team: dict[str, Any], changed: list[str]) -> int:
    """Its id; made or given its new address where need be."""
    name, email = team["name"], team["email"]
    found = grafana.call("GET", f"/api/teams/search?{urlencode({'name': name})}")["teams"]
    if not found:
        changed.append(f"team {name}: made")
        return int(grafana.call("POST", "/api/teams", {"name": name, "email": email})["teamId"])
    [known] = found
    if known.get("email") != email:
        grafana.call("PUT", f"/api/teams/{known['id']}", {"name": name, "email": email})
        changed.append(f"team {name}: address is {email}")
    return int(known["id"])


def _members(grafana: Grafana, team: dict[str, Any], team_id: int, changed: list[str]) -> None:
    wanted = {}
    for login in team["members"]:
        user = grafana.found(f"/api/users/lookup?loginOrEmail={quote(login)}")
        if user is None:
            print(f"team {team['name']}: {login} has not logged in yet; added by a later run", flush=True)
        else:
            wanted[user["id"]] = login
    present = {user["userId"]: user["login"] for user in grafana.call("GET", f"/api/teams/{team_id}/members")}
    for user_id in wanted.keys() - present.keys():
        grafana.call("POST", f"/api/teams/{team_id}/members", {"userId": user_id})
        changed.append(f"team {team['name']}: {wanted[user_id]} added")
    for user_id in present.keys() - wanted.keys():
        grafana.call("DELETE", f"/api/teams/{team_id}/members/{user_id}")
        changed.append(f"team {team['name']}: {present[user_id]} removed")


def _folder(grafana: Grafana, folder: dict[str, Any], ids: dict[str, int], changed: list[str]) -> None:
    path = f"/api/folders/{folder['uid']}/permissions"
    items: list[dict[str, Any]] = [{"role": role, "permission": VIEW} for role in ("Viewer", "Editor")]
    items += [{"teamId": ids[team], "permission": EDIT} for team in folder["editors"]]
    # Administrators may do everything whatever is written; Grafana lists them all the same.
    present = [right for right in grafana.call("GET", path) if right.get("role") != "Admin"]
    if sorted(map(_key, present)) != sorted(map(_key, items)):
        grafana.call("POST", path, {"items": items})
        editors = ", ".join(folder["editors"]) or "nobody"
        changed.append(f"folder {folder['uid']}: everyone may look, may edit: {editors}")


def _key(right: dict[str, Any]) -> tuple[str, int, int, int]:
    return right.get("role") or "", right.get("teamId") or 0, right.get("userId") or 0, right["permission"]


def when_ready(grafana: Grafana, declared: dict[str, Any]) -> None:
    """Waits until Grafana answers and has provisioned every folder. Raises TimeoutError with what is missing."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        missing = _missing(grafana, declared)
        if not missing:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {PATIENCE_SECONDS} s: {missing}")
        time.sleep(0.5)


def _missing(grafana: Grafana, declared: dict[str, Any]) -> str:
    """What is not there yet; empty when all is."""
    try:
        absent = [each["uid"] for each in declared["folders"] if not grafana.found(f"/api/folders/{each['uid']}")]
    except Refused as refused:
        if refused.status < 500 and refused.status != 401:  # 401: it is about to start with a new password
            raise
        return str(refused)
    except OSError as error:
        return f"Grafana does not answer: {error}"
    return f"no folder {', '.join(absent)}" if absent else ""


def main() -> None:
    declared = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    password = Path(os.environ["GRAFANA_PASSWORD_FILE"]).read_text(encoding="utf-8")
    grafana = Grafana(os.environ["GRAFANA_URL"], os.environ["GRAFANA_USER"], password)
    when_ready(grafana, declared)
    print("\n".join(apply(grafana, declared)) or "nothing to change", flush=True)


if __name__ == "__main__":
    main()
