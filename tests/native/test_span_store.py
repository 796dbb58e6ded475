"""Jaeger and the programs beside it on a real OpenSearch 2.19 with TLS and users."""

import gzip
import ssl
import subprocess
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest

from rendering.jaeger import Role
from tests.http_server import serving
from tests.native.jaeger_process import JaegerClient
from tests.native.span_store_process import PREFIX, RunningStore, jaeger_on, running_store
from tests.waiting import eventually

MIB = 2**20


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStore]:
    with running_store(tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture(scope="module")
def with_user(store: RunningStore) -> RunningStore:
    done = store.run("users")
    assert done.returncode == 0, done.stderr
    return store


@pytest.fixture(scope="module")
def jaeger(with_user: RunningStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JaegerClient]:
    with jaeger_on(with_user, tmp_path_factory.mktemp("jaeger"), Role.ALL_IN_ONE) as client:
        yield client


def waits_saying(store: RunningStore, **others: str) -> str:
    """What `wait` prints while it goes on waiting."""
    with pytest.raises(subprocess.TimeoutExpired) as still:
        store.run("wait", seconds=6, **others)
    return (still.value.stdout or b"").decode()


def test_who_waits_for_the_store_says_why(store: RunningStore, tmp_path: Path) -> None:
    wrong = tmp_path / "files"
    for name, text in (("login/password", "wrong"), ("ca/ca.crt", (store.files / "ca" / "ca.crt").read_text())):
        (wrong / name).parent.mkdir(parents=True)
        (wrong / name).write_text(text)
    assert "the password is wrong or the user does not exist" in waits_saying(store, SPAN_STORE_FILES=str(wrong))
    (wrong / "ca" / "ca.crt").unlink()
    assert "span_store.ca names the authority" in waits_saying(store, SPAN_STORE_FILES=str(wrong))
    assert "it does not answer" in waits_saying(store, SPAN_STORE_URL="https://127.0.0.4:9200")


def test_the_user_is_made_and_making_it_again_changes_nothing(with_user: RunningStore) -> None:
    api = "/_plugins/_security/api"
    before = [with_user.administrator.get(f"{api}/{kind}").json() for kind in ("roles", "rolesmapping")]
    assert with_user.run("users").returncode == 0
    after = [with_user.administrator.get(f"{api}/{kind}").json() for kind in ("roles", "rolesmapping")]
    assert before == after
    assert after[1]["jaeger-test"]["users"] == ["jaeger"]


def test_a_refused_user_ends_the_job_with_the_stores_own_reason(store: RunningStore) -> None:
    done = store.run("users", SPAN_STORE_USERNAME="q8zr-unlike")  # the password begins so
    assert done.returncode == 1
    assert "Weak password" in done.stderr


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/_plugins/_security/api/internalusers"),
        ("PUT", "/orders"),
        ("PUT", "/prod-jaeger-span-2020-01-01"),
        ("DELETE", "/orders"),
        ("GET", "/.opendistro_security/_search"),
        ("DELETE", "/_template/test-jaeger-span"),
    ],
)
def test_the_user_can_do_no_more_than_jaeger_needs(with_user: RunningStore, method: str, path: str) -> None:
    with with_user.as_jaeger() as client:
        assert client.request(method, path, json={} if method == "PUT" else None).status_code == 403


def otlp(service: str, span_id: str, parent: str, trace_id: str, **attributes: str) -> dict[str, Any]:
    now = time.time_ns()
    span = {
        "traceId": trace_id,
        "spanId": span_id,
        "parentSpanId": parent,
        "name": attributes.get("operation", "work"),
        "kind": 2,
        "startTimeUnixNano": str(now - 10**7),
        "endTimeUnixNano": str(now),
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()],
    }
    name = {"key": "service.name", "value": {"stringValue": service}}
    return {"resource": {"attributes": [name]}, "scopeSpans": [{"spans": [span]}]}


def send(jaeger: JaegerClient, spans: list[dict[str, Any]]) -> None:
    answer = httpx.post(f"{jaeger.urls['otlp-http']}/v1/traces", json={"resourceSpans": spans}, timeout=30)
    answer.raise_for_status()


def call(*services: str) -> tuple[str, list[dict[str, Any]]]:
    """A trace in which each service calls the next; its id and spans."""
    trace_id, ids = uuid.uuid4().hex, [uuid.uuid4().hex[:16] for _ in services]
    parents = ["", *ids]
    chain = zip(services, ids, parents, strict=False)
    return trace_id, [otlp(service, span_id, parent, trace_id) for service, span_id, parent in chain]


def written_and_read(jaeger: JaegerClient, *services: str, by: JaegerClient | None = None) -> None:
    """A call from service to service goes through to the store and is found again, whole; `by` another Jaeger."""
    trace_id, spans = call(*services)
    send(jaeger, spans)
    assert len((by or jaeger).trace(trace_id, within_seconds=30)) == len(spans)


def test_a_span_is_written_and_read_back_as_that_user(jaeger: JaegerClient) -> None:
    written_and_read(jaeger, "front", "back")


def test_collector_and_query_apart_share_the_store(with_user: RunningStore, tmp_path: Path) -> None:
    collector = jaeger_on(with_user, tmp_path / "collector", Role.COLLECTOR)
    query = jaeger_on(with_user, tmp_path / "query", Role.QUERY)
    with collector as taking, query as reading:
        written_and_read(taking, "front", "back", by=reading)


def test_indices_are_daily_with_the_shards_and_copies_of_the_settings(
    jaeger: JaegerClient, with_user: RunningStore
) -> None:
    written_and_read(jaeger, "front")
    found = with_user.administrator.get(f"/{PREFIX}-jaeger-*/_settings?flat_settings=true").json()
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert {f"{PREFIX}-jaeger-span-{today}", f"{PREFIX}-jaeger-service-{today}"} <= found.keys()
    for name, index in found.items():
        assert index["settings"]["index.number_of_shards"] == "1", name
        assert index["settings"]["index.number_of_replicas"] == "0", name


def test_the_dependency_graph_is_what_was_called(jaeger: JaegerClient, with_user: RunningStore) -> None:
    chains = [("web", "shop", "stock")] * 3 + [("web", "search")] * 2
    sent = [call(*chain) for chain in chains]
    for _, spans in sent:
        send(jaeger, spans)
    for trace_id, spans in sent:
        assert len(jaeger.trace(trace_id, within_seconds=30)) == len(spans)
    for _ in range(2):  # counting again counts nothing twice
        done = with_user.run("dependencies")
        assert done.returncode == 0, done.stderr

    def graph() -> Counter[tuple[str, str]]:
        window = {"endTs": str(int(time.time() * 1000)), "lookback": str(24 * 3600 * 1000)}
        answer = httpx.get(f"{jaeger.urls['query']}/api/dependencies", params=window).raise_for_status().json()
        return Counter({(one["parent"], one["child"]): one["callCount"] for one in answer["data"]})

    expected = {("web", "shop"): 3, ("shop", "stock"): 3, ("web", "search"): 2}
    eventually(lambda: {link: count for link, count in graph().items() if link in expected} == expected, 20)


@contextmanager
def measured(store: RunningStore) -> Iterator[tuple[str, list[int]]]:
    """A way to the store that notes the size of each bulk request, unpacked; its URL, and the sizes."""
    sizes: list[int] = []
    trust = ssl.create_default_context(cafile=str(store.files / "ca" / "ca.crt"))
    onward = httpx.Client(base_url=store.url, verify=trust, timeout=60, trust_env=False)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _forward(self) -> None:
            body = self._body()
            if "_bulk" in self.path:
                packed = self.headers.get("Content-Encoding") == "gzip"
                sizes.append(len(gzip.decompress(body) if packed else body))
            kept = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in ("host", "content-length", "transfer-encoding", "accept-encoding", "connection")
            }
            answer = onward.request(self.command, self.path, content=body, headers=kept)
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.content)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            chunks = []
            while length := int(self.rfile.readline().split(b";")[0], 16):
                chunks.append(self.rfile.read(length))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

        do_GET = do_HEAD = do_POST = do_PUT = _forward

        def log_message(self, *_: object) -> None: ...

    try:
        with serving(Handler) as url:
            yield url, sizes
    finally:
        onward.close()


def test_a_bulk_request_is_never_over_5_mb(with_user: RunningStore, tmp_path: Path) -> None:
    """A flood of spans of 20 KB, so that a request is full by its size and not by time."""
    big = "x" * 20_000
    with (
        measured(with_user) as (url, sizes),
        jaeger_on(with_user, tmp_path / "jaeger", Role.ALL_IN_ONE, url) as jaeger,
    ):
        for _ in range(20):
            trace_id = uuid.uuid4().hex
            send(jaeger, [otlp("flood", uuid.uuid4().hex[:16], "", trace_id, big=big) for _ in range(60)])
        eventually(lambda: sum(sizes) > 20 * 60 * 20_000, 60)
    assert max(sizes) > 2 * MIB  # else the flood was none
    assert max(sizes) <= 5 * MIB


def figures(jaeger: JaegerClient) -> dict[str, float]:
    """Jaeger's own metrics, summed over labels."""
    found: defaultdict[str, float] = defaultdict(float)
    for line in httpx.get(f"{jaeger.urls['metrics']}/metrics", timeout=10).text.splitlines():
        if not line.startswith("#"):
            name, value = line.split("{")[0].split(" ")[0], line.rsplit(" ", 1)[1]
            found[name] += float(value)
    return found


def test_an_index_that_takes_no_writes_is_counted(jaeger: JaegerClient, with_user: RunningStore) -> None:
    written_and_read(jaeger, "front")
    index = f"/{PREFIX}-jaeger-span-{datetime.now(UTC):%Y-%m-%d}/_settings"
    with_user.administrator.put(index, json={"index.blocks.write": True}).raise_for_status()
    try:
        before = figures(jaeger)["jaeger_storage_bulk_index_errors_total"]
        send(jaeger, [span for _ in range(5) for span in call("front")[1]])
        eventually(lambda: figures(jaeger)["jaeger_storage_bulk_index_errors_total"] >= before + 5, 30)
    finally:
        with_user.administrator.put(index, json={"index.blocks.write": None}).raise_for_status()
    written_and_read(jaeger, "front")


def test_spans_wait_for_an_index_that_is_read_only_for_want_of_disk(
    jaeger: JaegerClient, with_user: RunningStore
) -> None:
    """It answers 429 to them: tried again, and counted as failed each time, they are not lost."""
    written_and_read(jaeger, "front")
    index = f"/{PREFIX}-jaeger-span-{datetime.now(UTC):%Y-%m-%d}/_settings"
    before = figures(jaeger)["jaeger_storage_bulk_index_errors_total"]

    def counted() -> bool:
        # put on again each time: the store takes it off by itself where its disk has room
        with_user.administrator.put(index, json={"index.blocks.read_only_allow_delete": True}).raise_for_status()
        return figures(jaeger)["jaeger_storage_bulk_index_errors_total"] > before

    assert not counted()
    try:
        trace_id, spans = call("front")
        send(jaeger, spans)
        eventually(counted, 90)
    finally:
        with_user.administrator.put(index, json={"index.blocks.read_only_allow_delete": None}).raise_for_status()
    assert jaeger.trace(trace_id, within_seconds=60)


def test_what_an_outage_costs_is_what_the_queue_did_not_hold_and_is_counted(
    jaeger: JaegerClient, with_user: RunningStore
) -> None:
    """The writer keeps its request and waits; spans gather in the queue of 64 MiB, and what is over is counted."""
    mark, padding, lot = f"outage-{uuid.uuid4().hex[:8]}", "x" * 8_000, 250
    sent = 0
    dropped_before = figures(jaeger)["otelcol_exporter_enqueue_failed_spans_total"]
    with_user.stop()
    try:
        while sent < 14_000:  # over 100 MB
            trace_id = uuid.uuid4().hex
            spans = [otlp("load", uuid.uuid4().hex[:16], "", trace_id, operation=mark, p=padding) for _ in range(lot)]
            send(jaeger, spans)
            sent += lot
    finally:
        with_user.start()
    dropped = figures(jaeger)["otelcol_exporter_enqueue_failed_spans_total"] - dropped_before
    assert 0 < dropped < sent

    def found() -> int:
        with_user.administrator.post(f"/{PREFIX}-jaeger-span-*/_refresh").raise_for_status()
        query = {
            "size": 0,
            "query": {"term": {"operationName": mark}},
            "aggs": {"spans": {"cardinality": {"field": "spanID", "precision_threshold": 40_000}}},
        }
        answer = with_user.administrator.post(f"/{PREFIX}-jaeger-span-*/_search", json=query).raise_for_status().json()
        return int(answer["aggregations"]["spans"]["value"])

    # Jaeger comes back by itself. The store's count of distinct ids is near, not exact.
    eventually(lambda: abs(found() - (sent - dropped)) <= 0.01 * sent, 90)
    written_and_read(jaeger, "front", "back")
