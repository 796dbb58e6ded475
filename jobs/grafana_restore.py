"""Puts a snapshot back: the database in place of Grafana's, silences into Alertmanager. Grafana must not be running.

usage: grafana_restore.py <folder with silences.json and grafana.db> <alertmanager url> [<grafana.db>]
Without the last there is no file to replace: a PostgreSQL database is put back by grafana_put_back.sh, before.
"""

import json
import shutil
import sqlite3
import sys
import urllib.request
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

WHAT_A_SILENCE_IS = ("matchers", "startsAt", "endsAt", "createdBy", "comment")


def database(snapshot: Path, target: Path) -> None:
    """Raises RuntimeError when the snapshot is not sound; then the database in place is not touched."""
    with closing(sqlite3.connect(f"{snapshot.absolute().as_uri()}?mode=ro", uri=True)) as copy:
        [verdict] = copy.execute("PRAGMA integrity_check").fetchone()
    if verdict != "ok":
        raise RuntimeError(f"{snapshot} is not sound: {verdict}; nothing was changed")
    draft = target.with_suffix(".restored")
    shutil.copyfile(snapshot, draft)
    draft.chmod(0o640)
    # The old write-ahead log belongs to the old database: over the new one it would destroy it.
    for leftover in ("-wal", "-shm"):
        target.with_name(target.name + leftover).unlink(missing_ok=True)
    draft.replace(target)


def silences(snapshot: Path, alertmanager: str) -> int:
    """Those that are not there already and have not ended; how many were put back."""
    known = [_essence(each) for each in _call("GET", alertmanager) if each["status"]["state"] != "expired"]
    wanted = [_essence(each) for each in json.loads(snapshot.read_text(encoding="utf-8"))]
    now = datetime.now(UTC)
    missing = [
        each
        for each in wanted
        if _key(each) not in set(map(_key, known)) and datetime.fromisoformat(each["endsAt"]) > now
    ]
    for each in missing:
        _call("POST", alertmanager, each)
    return len(missing)


def _essence(silence: dict[str, Any]) -> dict[str, Any]:
    return {name: silence[name] for name in WHAT_A_SILENCE_IS}


def _key(silence: dict[str, Any]) -> str:
    """Without its start, which Alertmanager moves to now when it is past."""
    return json.dumps({name: value for name, value in silence.items() if name != "startsAt"}, sort_keys=True)


def _call(method: str, alertmanager: str, body: Any = None) -> Any:
    request = urllib.request.Request(  # noqa: S310 - the URL is the stack's own
        f"{alertmanager}/api/v2/silences",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.load(answer)


def main() -> None:
    snapshot, alertmanager, *file = sys.argv[1:]
    for target in map(Path, file):
        database(Path(snapshot) / target.name, target)
        print(f"{target} is that of the snapshot", flush=True)
    print(f"silences put back: {silences(Path(snapshot) / 'silences.json', alertmanager)}", flush=True)


if __name__ == "__main__":
    main()
