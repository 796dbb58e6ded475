"""What becomes of spans while the store takes none: it is away for a minute, or its index takes no writes."""

import json
import re
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from rendering.jaeger import Role
from tests.native.alert_metrics import read_by, read_by_alerts
from tests.native.jaeger_process import CONFIGS, JaegerClient, parsed
from tests.native.span_store_process import PREFIX, RunningStore, jaeger_on, running_store
from tests.native.spans import call, figures, ids, lot, send, send_lot, written_and_read
from tests.waiting import eventually

CONFIGURED = parsed(CONFIGS / "jaeger" / "jaeger.yaml")
QUEUE = CONFIGURED["exporters"]["jaeger_storage_exporter"]["queue"]
BULK = CONFIGURED["extensions"]["jaeger_storage"]["backends"]["spans"]["opensearch"]["bulk_processing"]
OUTAGE_SECONDS = 60
SPANS_PER_LOT = 250
LOST = "otelcol_exporter_enqueue_failed_spans_total"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStore]:
    with running_store(tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture(scope="module")
def jaeger(store: RunningStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JaegerClient]:
    with jaeger_on(store, tmp_path_factory.mktemp("jaeger"), Role.ALL_IN_ONE) as client:
        yield client


def test_an_index_that_takes_no_writes_is_what_jaeger_store_errors_fires_for(
    jaeger: JaegerClient, store: RunningStore
) -> None:
    [errors, attempts], limit = read_by("JaegerStoreErrors", "jaeger")
    written_and_read(jaeger, "front")
    index = f"/{PREFIX}-jaeger-span-{datetime.now(UTC):%Y-%m-%d}/_settings"
    store.administrator.put(index, json={"index.blocks.write": True}).raise_for_status()
    try:
        before = figures(jaeger)
        send(jaeger, [span for _ in range(5) for span in call("front")[1]])
        eventually(lambda: figures(jaeger)[errors] >= before[errors] + 5, 30)
        now = figures(jaeger)
        assert (now[errors] - before[errors]) / (now[attempts] - before[attempts]) > limit
    finally:
        store.administrator.put(index, json={"index.blocks.write": None}).raise_for_status()
    written_and_read(jaeger, "front")


def test_spans_wait_for_an_index_that_is_read_only_for_want_of_disk(jaeger: JaegerClient, store: RunningStore) -> None:
    """It answers 429 to them: tried again, and counted as failed each time, they are not lost."""
    written_and_read(jaeger, "front")
    index = f"/{PREFIX}-jaeger-span-{datetime.now(UTC):%Y-%m-%d}/_settings"
    before, sent = figures(jaeger)["jaeger_storage_bulk_index_errors_total"], []

    def counted() -> bool:
        # put on again each time: the store takes it off by itself where its disk has room
        store.administrator.put(index, json={"index.blocks.read_only_allow_delete": True}).raise_for_status()
        return figures(jaeger)["jaeger_storage_bulk_index_errors_total"] > before

    def refused() -> bool:
        """One that came while it was off was taken in: another is sent."""
        trace_id, spans = call("front")
        send(jaeger, spans)
        sent.append(trace_id)
        return counted()

    assert not counted()
    try:
        eventually(refused, 90)
    finally:
        store.administrator.put(index, json={"index.blocks.read_only_allow_delete": None}).raise_for_status()
    for trace_id in sent:
        assert jaeger.trace(trace_id, within_seconds=60)


def found(store: RunningStore, operation: str) -> set[str]:
    """Ids of all spans of that name in the store, page by page."""
    store.administrator.post(f"/{PREFIX}-jaeger-span-*/_refresh").raise_for_status()
    query = {"size": 5000, "_source": ["spanID"], "query": {"term": {"operationName": operation}}}
    page = store.administrator.post(f"/{PREFIX}-jaeger-span-*/_search?scroll=1m", json=query).raise_for_status().json()
    spans: set[str] = set()
    while page["hits"]["hits"]:
        spans |= {hit["_source"]["spanID"] for hit in page["hits"]["hits"]}
        more = {"scroll": "1m", "scroll_id": page["_scroll_id"]}
        page = store.administrator.post("/_search/scroll", json=more).raise_for_status().json()
    return spans


def test_a_minutes_outage_costs_what_the_queue_could_not_hold_and_that_is_counted(
    jaeger: JaegerClient, store: RunningStore
) -> None:
    """A lot of spans a second, each one request to the queue, half again as much as the queue holds."""
    mark = f"outage-{uuid.uuid4().hex[:8]}"
    padding_bytes = int(1.5 * QUEUE["queue_size"] / OUTAGE_SECONDS / SPANS_PER_LOT)
    written_and_read(jaeger, "front")
    sent, lots, lot_bytes = set(), 0, 0
    before = figures(jaeger)[LOST]
    store.stop()
    began = time.monotonic()
    try:
        while time.monotonic() - began < OUTAGE_SECONDS:
            request = lot(mark, SPANS_PER_LOT, padding_bytes)
            send_lot(jaeger, request)
            sent |= ids(request)
            lots, lot_bytes = lots + 1, request.ByteSize()
            time.sleep(max(0.0, began + lots - time.monotonic()))
    finally:
        store.start()
    lost = figures(jaeger)[LOST] - before

    # What fits into the queue is never lost. The writers hold a request each, and that may go beyond it.
    held = QUEUE["queue_size"] // lot_bytes * SPANS_PER_LOT
    written = BULK["workers"] * (BULK["max_bytes"] // padding_bytes) + QUEUE["num_consumers"] * SPANS_PER_LOT
    assert len(sent) - held - written <= lost <= len(sent) - held
    assert lost > 0  # else the outage was none

    eventually(lambda: len(found(store, mark)) >= len(sent) - lost, 120)
    time.sleep(5)  # more than was promised would come within this
    assert len(sent - found(store, mark)) == lost

    # It has come back by itself, and loses nothing more.
    after, later = f"{mark}-after", set()
    for _ in range(12):
        request = lot(after, SPANS_PER_LOT, 200)
        send_lot(jaeger, request)
        later |= ids(request)
    eventually(lambda: found(store, after) == later, 60)
    assert figures(jaeger)[LOST] - before == lost


# Of traces decided on at their end: test_tail_sampling.py.
NOT_HERE = {"otelcol_processor_tail_sampling_sampling_trace_dropped_too_early_total"}


def test_the_metrics_that_alerts_read_of_trouble_with_the_store_exist(jaeger: JaegerClient) -> None:
    """The tests above made the trouble."""
    assert read_by_alerts("jaeger") - NOT_HERE <= figures(jaeger).keys()


def test_an_error_of_jaegers_is_no_stack_trace(jaeger: JaegerClient) -> None:
    """StackTraceInLogs would fire for each; the tests above made some."""
    [[alert]] = [
        [rule for rule in group["rules"] if rule.get("alert") == "StackTraceInLogs"]
        for group in parsed(CONFIGS / "loki" / "rules" / "alerts-logs.yaml")["groups"]
    ]
    pattern = json.loads(re.findall(r'\|~ (".*") \[5m\]', alert["expr"])[0])
    lines = jaeger.log.read_text().splitlines()
    assert [line for line in lines if '"level":"error"' in line]
    assert [line for line in lines if re.search(pattern, line)] == []
