"""Jaeger and the programs beside it on a real OpenSearch 2.19 and a real Elasticsearch 7.17, with TLS and users."""

import json
import os
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from rendering.jaeger import Role, cleaner_days
from sandbox.toolchain import binary
from tests.native.jaeger_process import CONFIGS, JaegerClient, parsed
from tests.native.span_store_process import PASSWORD, PREFIX, USER, RunningStore, jaeger_on, running_store
from tests.native.spans import call, otlp, send, written_and_read
from tests.native.store_proxy import between
from tests.waiting import eventually

HOUR = timedelta(hours=1)
BULK_BYTES = 5_000_000  # no request is over this
LARGEST_SPAN_BYTES = 990_000  # as the store gets it: what docs/traces.md promises a place in such a request


@pytest.fixture(scope="module", params=["opensearch", "elasticsearch"])
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
        assert len(jaeger.trace(trace_id, within_seconds=30)) == len(spans)
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
    """A flood of spans of 20 KB, so that a request is full by its size and not by time, and of the largest between."""
    sizes: list[int] = []
    small, large = "x" * 20_000, "x" * (LARGEST_SPAN_BYTES - 2_000)

    def seen(path: str, body: bytes) -> None:
        if "_bulk" in path:
            sizes.append(len(body))

    large_ones, sent_bytes = [], 0
    with between(store, seen=seen) as url, jaeger_on(store, tmp_path / "jaeger", Role.ALL_IN_ONE, url) as jaeger:
        for _ in range(30):
            trace_id = uuid.uuid4().hex
            paddings = [small] * 60 + [large] + [small] * 60
            send(jaeger, [otlp("flood", uuid.uuid4().hex[:16], "", trace_id, big=padding) for padding in paddings])
            large_ones.append(trace_id)
            sent_bytes += sum(map(len, paddings))
        eventually(lambda: sum(sizes) > sent_bytes, 90)
        assert len(jaeger.trace(large_ones[-1], within_seconds=30)) == 121
    configured = parsed(CONFIGS / "jaeger" / "jaeger.yaml")["extensions"]["jaeger_storage"]["backends"]["spans"]
    assert max(sizes) > configured["opensearch"]["bulk_processing"]["max_bytes"]  # else the flood was none
    assert max(sizes) <= BULK_BYTES


def cleaned(store: RunningStore, url: str, *trust: str) -> None:
    """One run of the cleaner as its CronJob runs it, as Jaeger's user."""
    done = subprocess.run(
        [binary("jaeger-es-index-cleaner"), f"--index-prefix={PREFIX}", *trust, str(cleaner_days(72)), url],
        env={**os.environ, "ES_USERNAME": USER, "ES_PASSWORD": PASSWORD},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def made_when_its_day_began(path: str, answer: bytes) -> bytes:
    """The store's list of indices, each as old as its name says: a store makes no index of yesterday's."""
    if "settings" not in path:
        return answer
    listed = json.loads(answer)
    for name, index in listed.items():
        if "-20" in name:
            day = datetime.fromisoformat(name[-10:]).replace(tzinfo=UTC)
            index["settings"]["index.creation_date"] = str(int(day.timestamp() * 1000))
    return json.dumps(listed).encode()


def test_the_cleaner_deletes_nothing_younger_than_72_hours_and_everything_older_than_96(
    jaeger: JaegerClient, store: RunningStore
) -> None:
    """A span of each hour of the last ten days; indices and rights to delete them are the store's own."""
    written_and_read(jaeger, "front")  # Jaeger's templates are there
    now, mark = datetime.now(UTC), "kept-or-not"
    moments = [now - hours * HOUR - timedelta(minutes=1) for hours in range(240)]
    with store.as_jaeger() as writing:
        for moment in moments:
            [made] = call("front")[1][0]["scopeSpans"][0]["spans"]
            span = {
                "traceID": made["traceId"],
                "spanID": made["spanId"],
                "operationName": mark,
                "process": {"serviceName": "front"},
                "startTimeMillis": int(moment.timestamp() * 1000),
            }
            writing.post(f"/{PREFIX}-jaeger-span-{moment:%Y-%m-%d}/_doc", json=span).raise_for_status()
    others = ("other-jaeger-span-2020-01-01", "orders-2020-01-01")
    for name in others:
        store.administrator.put(f"/{name}").raise_for_status()

    with between(store, changed=made_when_its_day_began) as url:
        cleaned(store, url)
    # And by the way that it has in production. To the store itself no index is older than a minute.
    cleaned(store, store.url, "--es.tls.enabled=true", f"--es.tls.ca={store.files / 'ca' / 'ca.crt'}")

    store.administrator.post(f"/{PREFIX}-jaeger-span-*/_refresh").raise_for_status()
    query = {"size": 1000, "query": {"term": {"operationName": mark}}}
    hits = store.administrator.post(f"/{PREFIX}-jaeger-span-*/_search", json=query).raise_for_status().json()["hits"]
    left = {datetime.fromtimestamp(hit["_source"]["startTimeMillis"] / 1000, UTC) for hit in hits["hits"]}
    ages = {round((now - moment) / HOUR) for moment in left}
    assert ages >= set(range(72))
    assert max(ages) < 96
    assert [store.administrator.head(f"/{name}").status_code for name in others] == [200, 200]
    written_and_read(jaeger, "front")
