"""Jaeger and the programs beside it on a real OpenSearch 2.19 and a real Elasticsearch 7.17, with TLS and users."""

import time
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from jobs import span_store
from rendering.jaeger import Role
from tests.native.jaeger_process import CONFIGS, JaegerClient, parsed
from tests.native.span_store_process import PREFIX, USER, RunningStore, jaeger_on, running_store
from tests.native.spans import call, otlp, read_whole, send, written_and_read
from tests.native.store_proxy import between
from tests.waiting import eventually

HOUR = timedelta(hours=1)
BULK_BYTES = 5_000_000  # no request is over this
LARGEST_SPAN_BYTES = 990_000  # as the store gets it: what docs/traces.md promises a place in such a request


@pytest.fixture(scope="module", params=["opensearch", pytest.param("elasticsearch", marks=pytest.mark.full)])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStore]:
    with running_store(tmp_path_factory.mktemp("store"), request.param) as running:
        yield running


@pytest.fixture(scope="module")
def jaeger(store: RunningStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JaegerClient]:
    with jaeger_on(store, tmp_path_factory.mktemp("jaeger"), Role.ALL_IN_ONE) as client:
        yield client


def test_who_waits_for_the_store_goes_on_once_it_lets_its_user_in(store: RunningStore) -> None:
    done = store.run("wait")
    assert done.returncode == 0, done.stderr
    assert "answers" in done.stdout


def test_a_span_is_written_and_read_back_as_jaegers_user(jaeger: JaegerClient) -> None:
    written_and_read(jaeger, "front", "back")


def test_collector_and_query_apart_share_the_store(store: RunningStore, tmp_path: Path) -> None:
    collector = jaeger_on(store, tmp_path / "collector", Role.COLLECTOR)
    query = jaeger_on(store, tmp_path / "query", Role.QUERY)
    with collector as taking, query as reading:
        written_and_read(taking, "front", "back", by=reading)


def test_indices_are_daily_with_the_shards_and_copies_of_the_settings(
    jaeger: JaegerClient, store: RunningStore
) -> None:
    written_and_read(jaeger, "front")
    found = store.administrator.get(f"/{PREFIX}-jaeger-*/_settings?flat_settings=true").json()
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert {f"{PREFIX}-jaeger-span-{today}", f"{PREFIX}-jaeger-service-{today}"} <= found.keys()
    for name, index in found.items():
        assert index["settings"]["index.number_of_shards"] == "1", name
        assert index["settings"]["index.number_of_replicas"] == "0", name


def test_tomorrows_indices_have_their_templates(jaeger: JaegerClient, store: RunningStore) -> None:
    found = store.administrator.get(f"/_template/{PREFIX}-jaeger-*?flat_settings=true").raise_for_status().json()
    assert {f"{PREFIX}-jaeger-span", f"{PREFIX}-jaeger-service"} <= found.keys()
    for kind in ("span", "service"):
        template = found[f"{PREFIX}-jaeger-{kind}"]
        assert template["index_patterns"] == [f"*{PREFIX}-jaeger-{kind}-*"]
        assert template["settings"]["index.number_of_shards"] == "1"
        assert template["settings"]["index.number_of_replicas"] == "0"
        assert template["mappings"]["properties"]["operationName"]["type"] == "keyword"


def test_the_dependency_graph_is_what_was_called(jaeger: JaegerClient, store: RunningStore) -> None:
    chains = [("web", "shop", "stock")] * 3 + [("web", "search")] * 2
    sent = [call(*chain) for chain in chains]
    for _, spans in sent:
        send(jaeger, spans)
    for trace_id, spans in sent:
        read_whole(jaeger, trace_id, len(spans))
    for _ in range(2):  # counting again counts nothing twice
        done = store.run("dependencies")
        assert done.returncode == 0, done.stderr

    def graph() -> Counter[tuple[str, str]]:
        window = {"endTs": str(int(time.time() * 1000)), "lookback": str(24 * 3600 * 1000)}
        answer = httpx.get(f"{jaeger.urls['query']}/api/dependencies", params=window).raise_for_status().json()
        return Counter({(one["parent"], one["child"]): one["callCount"] for one in answer["data"]})

    expected = {("web", "shop"): 3, ("shop", "stock"): 3, ("web", "search"): 2}
    eventually(lambda: {link: count for link, count in graph().items() if link in expected} == expected, 20)


def test_a_bulk_request_is_never_over_5_mb(store: RunningStore, tmp_path: Path) -> None:
    """A flood of spans of 20 KB, so that a request is full by its size and not by time, and of the largest between.

    All of it has room in the queue, so that none is dropped however slow the store is.
    """
    sizes: list[int] = []
    small, large = "x" * 20_000, "x" * (LARGEST_SPAN_BYTES - 2_000)

    def seen(path: str, body: bytes) -> None:
        if "_bulk" in path:
            sizes.append(len(body))

    large_ones, sent_bytes = [], 0
    with between(store, seen=seen) as url, jaeger_on(store, tmp_path / "jaeger", Role.ALL_IN_ONE, url) as jaeger:
        for _ in range(15):
            trace_id = uuid.uuid4().hex
            paddings = [small] * 60 + [large] + [small] * 60
            send(jaeger, [otlp("flood", uuid.uuid4().hex[:16], "", trace_id, big=padding) for padding in paddings])
            large_ones.append(trace_id)
            sent_bytes += sum(map(len, paddings))
        eventually(lambda: sum(sizes) > sent_bytes, 90)
        read_whole(jaeger, large_ones[-1], 121)
    configured = parsed(CONFIGS / "jaeger" / "jaeger.yaml")
    assert sent_bytes < configured["exporters"]["jaeger_storage_exporter"]["queue"]["queue_size"]
    store_settings = configured["extensions"]["jaeger_storage"]["backends"]["spans"]["opensearch"]
    assert max(sizes) > store_settings["bulk_processing"]["max_bytes"]  # else the flood was none
    assert max(sizes) <= BULK_BYTES


def keep_span(store: RunningStore, started: datetime, name: str) -> None:
    """Writes a span into the index of the day on which it started, as Jaeger does."""
    [made] = call("front")[1][0]["scopeSpans"][0]["spans"]
    span = {
        "traceID": made["traceId"],
        "spanID": made["spanId"],
        "operationName": name,
        "process": {"serviceName": "front"},
        "startTimeMillis": int(started.timestamp() * 1000),
    }
    with store.as_jaeger() as writing:
        writing.post(f"/{PREFIX}-jaeger-span-{started:%Y-%m-%d}/_doc", json=span).raise_for_status()


def left(store: RunningStore, name: str) -> set[datetime]:
    """When the spans of that name that are still there started."""
    store.administrator.post(f"/{PREFIX}-jaeger-span-*/_refresh").raise_for_status()
    query = {"size": 1000, "query": {"term": {"operationName": name}}}
    hits = store.administrator.post(f"/{PREFIX}-jaeger-span-*/_search", json=query).raise_for_status().json()["hits"]
    return {datetime.fromtimestamp(hit["_source"]["startTimeMillis"] / 1000, UTC) for hit in hits["hits"]}


def test_the_cleaner_deletes_nothing_younger_than_72_hours_and_everything_older_than_96(
    jaeger: JaegerClient, store: RunningStore
) -> None:
    """A span of each hour of the last ten days, and of a day that has not come. To the store every index is new."""
    written_and_read(jaeger, "front")  # Jaeger's templates are there
    now, name = datetime.now(UTC).replace(microsecond=0), "kept-or-not"
    started = {now - hours * HOUR for hours in range(-24, 240)}
    for moment in started:
        keep_span(store, moment, name)
    others = ("other-jaeger-span-2020-01-01", "orders-2020-01-01")
    for other in others:
        store.administrator.put(f"/{other}").raise_for_status()

    for _ in range(2):  # as its CronJob runs it; again, with nothing to do
        done = store.run("clean", SPAN_STORE_RETENTION_HOURS="72")
        assert done.returncode == 0, done.stdout + done.stderr

    kept = left(store, name)
    assert kept >= {moment for moment in started if now - moment < 72 * HOUR}
    assert max(now - moment for moment in kept) < 96 * HOUR
    assert [store.administrator.head(f"/{other}").status_code for other in others] == [200, 200]
    written_and_read(jaeger, "front")


def test_a_day_goes_at_the_very_moment_when_its_last_span_is_72_hours_old(
    jaeger: JaegerClient, store: RunningStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    written_and_read(jaeger, "front")
    monkeypatch.setenv("SPAN_STORE_URL", store.url)
    monkeypatch.setattr(span_store, "FILES", store.files)
    user = span_store.Store(USER, store.files / "login" / "password")
    midnight, instant = datetime(2020, 3, 8, tzinfo=UTC), timedelta(milliseconds=1)
    first, last, next_day = midnight - 24 * HOUR, midnight - instant, midnight
    for moment in (first, last, next_day):
        keep_span(store, moment, "boundary")

    def left_at(now: datetime) -> set[datetime]:
        span_store.clean(user, PREFIX, 72 * HOUR, now)
        return left(store, "boundary")

    assert left_at(midnight + 72 * HOUR - instant) == {first, last, next_day}
    assert left_at(midnight + 72 * HOUR) == {next_day}  # when its first span is 96 hours old
    assert left_at(midnight + 96 * HOUR) == set()
