"""Takes a consistent snapshot of Grafana's database and of Alertmanager's silences, while both are running.

usage: grafana_snapshot.py <grafana.db or grafana.dump> <alertmanager url> <target folder>
Writes <target>/<UTC time>/grafana.db and silences.json; the time is the snapshot's name. A dump of a PostgreSQL
database (grafana_dump.sh) is a snapshot already, and is moved there.
"""

import json
import sqlite3
import sys
import time
import urllib.request
from contextlib import closing
from pathlib import Path

NAME = "%Y-%m-%dT%H-%M-%SZ"
BUSY_SECONDS = 60
DUMP = ".dump"


def database(source: Path, target: Path) -> None:
    """SQLite's own online backup: a whole state of the database, whatever is written meanwhile.

    Raises RuntimeError when the copy is not sound, sqlite3.Error when the source can't be read.
    """
    # rw, never create: a Grafana that has no database yet must not be given an empty one.
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS)) as running,
        closing(sqlite3.connect(target)) as copy,
    ):
        running.backup(copy)
        # A file by itself: no write-ahead log beside it that one could forget to copy.
        copy.execute("PRAGMA journal_mode = DELETE")
        [verdict] = copy.execute("PRAGMA integrity_check").fetchone()
        if verdict != "ok":
            raise RuntimeError(f"the copy of {source} is not sound: {verdict}")


def silences(alertmanager: str, target: Path) -> int:
    """Every silence that has not expired; how many there are."""
    with urllib.request.urlopen(f"{alertmanager}/api/v2/silences", timeout=30) as answer:  # noqa: S310 - the stack's own
        found = [each for each in json.load(answer) if each["status"]["state"] != "expired"]
    target.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return len(found)


def main() -> None:
    source, alertmanager, folder = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    snapshot = folder / time.strftime(NAME, time.gmtime())
    snapshot.mkdir(parents=True)
    kept = snapshot / source.name
    if source.suffix == DUMP:
        source.rename(kept)
    else:
        database(source, kept)
    count = silences(alertmanager, snapshot / "silences.json")
    size = kept.stat().st_size
    print(f"snapshot {snapshot.name}: database of {size} bytes, {count} silences", flush=True)


if __name__ == "__main__":
    main()
