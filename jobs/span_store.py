"""Runs in pods beside the span store, on Python's standard library alone.

    python3 span_store.py wait           until the store answers and lets its user in; says what it waits for
    python3 span_store.py users          makes the user that Jaeger logs in as, with the rights it needs and no more
    python3 span_store.py dependencies   counts which service called which, for Jaeger's dependency graph
    python3 span_store.py clean          deletes the indices of days that are past retention
    python3 span_store.py snapshot       takes a snapshot of the indices, and deletes the snapshots past retention

SPAN_STORE_URL is the store's address and SPAN_STORE_USERNAME whom to log in as (nobody where it is not set). The files
below SPAN_STORE_FILES (/etc/span-store) are mounted: login/password, ca/ca.crt (where it is missing, the system's roots
are trusted), master/password and users/role.json. Every command can be run again at any time.
"""

import base64
import json
import os
import re
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

FILES = Path(os.environ.get("SPAN_STORE_FILES", "/etc/span-store"))
ANSWER_SECONDS = 30
RETRY_SECONDS = 2
REPEAT_SECONDS = 30  # what is still waited for is said again
NOT_YET = frozenset({429, 502, 503, 504})  # the store is starting or busy


class Refused(Exception):
    """The store's answer was no; `status` is its HTTP status."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Unreachable(Exception):
    """There was no answer."""


class Store:
    """The store, as one user."""

    def __init__(self, username: str | None, password_file: Path) -> None:
        self.url = os.environ["SPAN_STORE_URL"].rstrip("/")
        self.username = username
        ca = FILES / "ca" / "ca.crt"
        self._trust = ssl.create_default_context(cafile=str(ca) if ca.exists() else None)
        self._password_file = password_file

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The JSON answer. Raises Refused or Unreachable, with the reason."""
        request = urllib.request.Request(self.url + path, method=method)  # noqa: S310 - the scheme is checked settings
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if self.username is not None:
            login = f"{self.username}:{self._password_file.read_text().rstrip()}"
            request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
        trust = self._trust if self.url.startswith("https:") else None
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS, context=trust) as answer:  # noqa: S310
                found: dict[str, Any] = json.loads(answer.read() or b"{}")
                return found
        except urllib.error.HTTPError as error:
            raise Refused(error.code, error.read().decode(errors="replace").strip()[:500]) from error
        except (OSError, ValueError) as error:
            raise Unreachable(str(getattr(error, "reason", error))) from error

    def trouble(self) -> str | None:
        """What keeps this user from working; None when nothing does."""
        try:
            self.ask("GET", "/")
        except Unreachable as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                return f"its certificate is not trusted ({error}); span_store.ca names the authority"
            return f"it does not answer: {error}"
        except Refused as error:
            if error.status == 401:
                return f"it refuses the user {self.username} (401): the password is wrong or the user does not exist"
            return f"it answers {error.status}: {error}"
        return None


def wait(store: Store) -> None:
    """Returns when the store can be used; says each reason why it cannot, when it changes and every half minute."""
    said, said_at = "", 0.0
    while reason := store.trouble():
        if reason != said or time.monotonic() - said_at > REPEAT_SECONDS:
            print(f"waiting for the span store at {store.url}: {reason}", flush=True)
            said, said_at = reason, time.monotonic()
        time.sleep(RETRY_SECONDS)
    print(f"the span store at {store.url} answers", flush=True)


def make_user(master: Store, role: Mapping[str, Any], username: str, password: str) -> None:
    """The role, the user and that the one has the other, in OpenSearch's security plugin. Raises Refused."""
    api = "/_plugins/_security/api"
    name = f"jaeger-{role['environment']}"
    for path, body in (
        (f"{api}/roles/{name}", role["permissions"]),
        (f"{api}/internalusers/{username}", {"password": password, "description": "Jaeger, its cleaner, its exporter"}),
        (f"{api}/rolesmapping/{name}", {"users": [username]}),
    ):
        _patiently(master, path, body)
    print(f"user {username} has the role {name}", flush=True)


def _patiently(store: Store, path: str, body: Mapping[str, Any]) -> None:
    """Several stacks may do this at once, and a store that has just started says for a while that it is not ready."""
    for _ in range(30):
        try:
            store.ask("PUT", path, body)
            return
        except Refused as error:
            if error.status not in NOT_YET and error.status != 409:
                raise
            print(f"{path}: {error.status}, trying again", flush=True)
            time.sleep(RETRY_SECONDS)
    raise SystemExit(f"{path}: the store was busy for a minute")


# --- dependencies: who called whom

WINDOW = timedelta(minutes=10)
SETTLED = timedelta(minutes=1)  # spans of a window that has just ended are still on their way
CATCH_UP = timedelta(hours=24)  # windows this far back are counted, where nobody has
CALLER_BEFORE = timedelta(minutes=10)  # a caller may have started this long before what it called
PAGE = 5000

Link = tuple[str, str]  # caller, called


def windows(now: datetime) -> list[datetime]:
    """Starts of all windows back from `now`, oldest first; the last has not ended."""
    span = WINDOW.total_seconds()
    last = datetime.fromtimestamp(now.timestamp() // span * span, UTC)
    return [last - number * WINDOW for number in range(int(CATCH_UP / WINDOW), -1, -1)]


def document_of(window: datetime) -> str:
    """The id of a window's document: counting a window again writes the same one."""
    return f"calls-{window:%Y-%m-%dT%H:%M}"


def counted(store: Store, prefix: str, since: datetime) -> set[str]:
    """Ids of the windows whose document says that they are complete."""
    settled = [{"range": {"timestamp": {"gte": since.isoformat()}}}, {"term": {"complete": True}}]
    query = {"size": 10_000, "_source": False, "query": {"bool": {"filter": settled}}}
    answer = store.ask("POST", f"/{prefix}-jaeger-dependencies-*/_search?ignore_unavailable=true", query)
    return {hit["_id"] for hit in answer["hits"]["hits"]}


def spans_between(store: Store, prefix: str, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
    """Spans that started then, those of a trace one after another."""
    days = sorted({f"{prefix}-jaeger-span-{day:%Y-%m-%d}" for day in (start, end)})
    milliseconds = {"gte": int(start.timestamp() * 1000), "lt": int(end.timestamp() * 1000)}
    query: dict[str, Any] = {
        "size": PAGE,
        "_source": ["traceID", "spanID", "references", "process.serviceName", "startTimeMillis"],
        "query": {"range": {"startTimeMillis": milliseconds}},
        "sort": ["traceID", "spanID", "startTime"],
        "track_total_hits": False,
    }
    while True:
        answer = store.ask("POST", f"/{','.join(days)}/_search?ignore_unavailable=true", query)
        hits = answer["hits"]["hits"]
        yield from (hit["_source"] for hit in hits)
        if len(hits) < PAGE:
            return
        query["search_after"] = hits[-1]["sort"]


def links(spans: Iterator[dict[str, Any]], since: datetime) -> Counter[Link]:
    """Calls from one service to another whose called span started at `since` or later."""
    calls: Counter[Link] = Counter()
    after = since.timestamp() * 1000
    for _, of_trace in groupby(spans, key=lambda span: span["traceID"]):
        known = {span["spanID"]: span for span in of_trace}  # a span that was written twice counts once
        service = {number: span["process"]["serviceName"] for number, span in known.items()}
        for span in known.values():
            called = span["process"]["serviceName"]
            # a trace's first span has null here
            parents = [one["spanID"] for one in span.get("references") or () if one["refType"] == "CHILD_OF"]
            callers = {service.get(number) for number in parents}
            if span["startTimeMillis"] >= after:
                calls.update((caller, called) for caller in callers - {None, called} if caller is not None)
    return calls


def make_index(store: Store, index: str) -> None:
    """The day's index, unless it is there; Jaeger has templates for its other indices, and none for this."""
    settings = {
        "number_of_shards": int(os.environ["SPAN_STORE_SHARDS"]),
        "number_of_replicas": int(os.environ["SPAN_STORE_REPLICAS"]),
    }
    try:
        store.ask("PUT", index, {"settings": settings})
    except Refused as error:
        if "resource_already_exists_exception" not in str(error):
            raise


def count_dependencies(store: Store, prefix: str, now: datetime) -> None:
    """Writes a document for every window; one that was complete when it was written is not written again."""
    wanted = windows(now)
    known = counted(store, prefix, wanted[0])
    for window in (one for one in wanted if document_of(one) not in known):
        calls = links(spans_between(store, prefix, window - CALLER_BEFORE, window + WINDOW), window)
        document = {
            "timestamp": window.isoformat().replace("+00:00", "Z"),
            "complete": window + WINDOW + SETTLED <= now,
            "dependencies": [
                {"parent": caller, "child": called, "callCount": count}
                for (caller, called), count in sorted(calls.items())
            ],
        }
        index = f"/{prefix}-jaeger-dependencies-{window:%Y-%m-%d}"
        make_index(store, index)
        store.ask("PUT", f"{index}/_doc/{document_of(window)}", document)
        print(f"{window:%Y-%m-%d %H:%M}: {sum(calls.values())} calls over {len(calls)} links", flush=True)


# --- retention: what is old enough goes


def end_of_day(index: str, prefix: str) -> datetime | None:
    """When the day of one of Jaeger's daily indices ends, by its name; None for any other index."""
    found = re.fullmatch(rf"{re.escape(prefix)}-jaeger-[a-z]+-(\d{{4}}-\d\d-\d\d)", index)
    return datetime.fromisoformat(found[1]).replace(tzinfo=UTC) + timedelta(days=1) if found else None


def clean(store: Store, prefix: str, retention: timedelta, now: datetime) -> None:
    """Deletes the indices whose youngest span is as old as `retention`; their oldest is a day older.

    A span is in the index of the day on which it started. When an index was made says nothing of its spans: a sender
    whose clock is ahead makes tomorrow's today, and a restored one is as young as its restoring.
    """
    listed = store.ask("GET", f"/{prefix}-jaeger-*?filter_path=*.settings.index.uuid")
    for index in sorted(listed):
        end = end_of_day(index, prefix)
        if end is not None and now - end >= retention:
            store.ask("DELETE", f"/{index}?ignore_unavailable=true")  # a second run may be at it
            print(f"{index}: deleted", flush=True)


# --- snapshots: the same indices once more, outside the nodes' own volumes

REPOSITORY = "/_snapshot/spans"
FOLDER = "spans"  # below every node's path.repo
SNAPSHOT_SECONDS = 480


def snapshot_name(prefix: str, taken: datetime) -> str:
    return f"{prefix}-{taken:%Y-%m-%d-%H-%M-%S}"


def snapshot_taken(snapshot: str, prefix: str) -> datetime | None:
    """When one of our snapshots was taken, by its name; None for one that somebody else took."""
    found = re.fullmatch(rf"{re.escape(prefix)}-(\d{{4}}(?:-\d\d){{5}})", snapshot)
    return datetime.strptime(found[1], "%Y-%m-%d-%H-%M-%S").replace(tzinfo=UTC) if found else None


def take_snapshot(master: Store, prefix: str, retention: timedelta, now: datetime) -> None:
    """Takes a snapshot, and once it is whole deletes those whose youngest span is as old as `retention`."""
    # Said again this changes nothing, but every node has to show that it can write there.
    master.ask("PUT", REPOSITORY, {"type": "fs", "settings": {"location": FOLDER}})
    name, until = snapshot_name(prefix, now), time.monotonic() + SNAPSHOT_SECONDS
    # Where an index cannot be read, the others are kept all the same; the run fails.
    wanted = {"indices": f"{prefix}-jaeger-*", "partial": True, "include_global_state": False}
    master.ask("PUT", f"{REPOSITORY}/{name}", wanted)
    while (state := _snapshots(master)[name]) == "IN_PROGRESS" and time.monotonic() < until:
        time.sleep(RETRY_SECONDS)
    if state != "SUCCESS":
        raise SystemExit(f"snapshot {name} is {state}; GET {REPOSITORY}/{name} says why")
    print(f"snapshot {name} is there", flush=True)
    for old in sorted(_snapshots(master)):
        taken = snapshot_taken(old, prefix)
        if taken is not None and now - taken >= retention:
            master.ask("DELETE", f"{REPOSITORY}/{old}")
            print(f"snapshot {old}: deleted", flush=True)


def _snapshots(master: Store) -> dict[str, str]:
    """Names and states."""
    return {one["snapshot"]: one["state"] for one in master.ask("GET", f"{REPOSITORY}/_all")["snapshots"]}


def administrator() -> Store:
    return Store(os.environ["SPAN_STORE_MASTER_USERNAME"], FILES / "master" / "password")


def kept() -> timedelta:
    return timedelta(hours=int(os.environ["SPAN_STORE_RETENTION_HOURS"]))


def main(command: str) -> None:
    store = Store(os.environ.get("SPAN_STORE_USERNAME"), FILES / "login" / "password")
    if command == "wait":
        wait(store)
    elif command == "users":
        master = administrator()
        wait(master)
        role = json.loads((FILES / "users" / "role.json").read_text())
        make_user(master, role, str(store.username), (FILES / "login" / "password").read_text().rstrip())
        wait(store)
    elif command == "dependencies":
        count_dependencies(store, os.environ["SPAN_STORE_INDEX_PREFIX"], datetime.now(UTC))
    elif command == "clean":
        clean(store, os.environ["SPAN_STORE_INDEX_PREFIX"], kept(), datetime.now(UTC))
    elif command == "snapshot":
        take_snapshot(administrator(), os.environ["SPAN_STORE_INDEX_PREFIX"], kept(), datetime.now(UTC))
    else:
        raise SystemExit(f"command is {command}; write wait, users, dependencies, clean or snapshot")


if __name__ == "__main__":
    try:
        main(sys.argv[1] if len(sys.argv) == 2 else "")
    except (Refused, Unreachable) as error:
        raise SystemExit(f"the span store refused it: {error}") from None
