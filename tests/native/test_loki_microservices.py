"""Loki as microservices: each request reaches the one it is for, and any one of them may die without a line lost."""

import http.client
import time
from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

import httpx
import pytest

from rendering.loki_size import NAMES
from tests.native.alert_metrics import total
from tests.native.loki_microservices import Microservices, running_microservices
from tests.native.test_loki import SERVICE
from tests.waiting import eventually

pytestmark = pytest.mark.full

LINES = 2000
ALL, MEANWHILE = "all", "meanwhile"  # pods whose lines came while all were there, and while two were not


@pytest.fixture(scope="module")
def loki(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Microservices]:
    with running_microservices(tmp_path_factory.mktemp("microservices")) as found:
        yield found


@pytest.fixture(scope="module")
def sent(loki: Microservices) -> dict[str, list[str]]:
    return {ALL: push(loki, ALL)}


def push(loki: Microservices, pod: str) -> list[str]:
    now, texts = time.time_ns(), [f"{pod} {number}" for number in range(LINES)]
    for start in range(0, LINES, 100):
        stamps = {now - (LINES - at) * 10**6: texts[at] for at in range(start, start + 100)}
        loki.router.push({**SERVICE, "pod": pod}, stamps)
    return texts


def found(loki: Microservices, pod: str) -> list[str]:
    now = time.time_ns()
    return [entry.line for entry in loki.router.entries(f'{{pod="{pod}"}}', now - 3600 * 10**9, now)]


def test_lines_pushed_by_the_one_name_are_found_by_it(loki: Microservices, sent: dict[str, list[str]]) -> None:
    assert found(loki, ALL) == sent[ALL]


def test_a_killed_ingester_and_a_killed_querier_cost_no_line(loki: Microservices, sent: dict[str, list[str]]) -> None:
    loki.kill("ingester-1")
    loki.kill("querier-1")

    sent[MEANWHILE] = push(loki, MEANWHILE)

    # The scheduler notices a querier that is gone by what it did not answer.
    assert eventually(lambda: found(loki, MEANWHILE), 60) == sent[MEANWHILE]
    assert found(loki, ALL) == sent[ALL]
    loki.start("ingester-1")
    loki.start("querier-1")
    loki.whole()


def test_what_is_in_the_bucket_is_found_by_the_index_gateway(loki: Microservices, sent: dict[str, list[str]]) -> None:
    for process in loki.all("ingester"):
        loki.clients[process].flush(settle_seconds=5)

    assert [found(loki, pod) for pod in sent] == list(sent.values())
    asked = total(f"{loki.clients['index-gateway-0'].url}/metrics", "loki_request_duration_seconds_count")
    assert asked > 0


def test_the_compactor_compacts(loki: Microservices, sent: dict[str, list[str]]) -> None:
    metrics = f"{loki.clients['compactor-0'].url}/metrics"
    last = "loki_boltdb_shipper_compact_tables_operation_last_successful_run_timestamp_seconds"

    assert eventually(lambda: total(metrics, last), 240) > 0
    assert [found(loki, pod) for pod in sent] == list(sent.values())


def test_rules_are_evaluated_and_listed(loki: Microservices, sent: dict[str, list[str]]) -> None:
    def healthy() -> bool:
        [rule] = [rule for group in loki.router.rule_groups() for rule in group["rules"]]
        assert rule["health"] == "ok", rule
        return True

    assert eventually(healthy, 60)


def test_a_tail_is_a_websocket_to_a_querier(loki: Microservices) -> None:
    connection = http.client.HTTPConnection(urlsplit(loki.router.url).netloc, timeout=30)
    asks = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    query = urlencode({"query": f'{{pod="{ALL}"}}'})
    connection.request("GET", f"/loki/api/v1/tail?{query}", headers=asks)

    assert connection.getresponse().status == 101
    connection.close()


@pytest.mark.parametrize("path", ["/flush", "/config", "/metrics", "/ring", "/ingester/shutdown", "/"])
def test_switches_of_one_process_are_not_passed_on(loki: Microservices, path: str) -> None:
    assert httpx.get(f"{loki.router.url}{path}").status_code == 404


def test_it_is_ready_when_queries_are_answered(loki: Microservices) -> None:
    assert httpx.get(f"{loki.router.url}/ready").status_code == 200


@pytest.mark.parametrize("name", NAMES)
def test_each_answers_its_probes(loki: Microservices, name: str) -> None:
    url = loki.clients[f"{name}-0"].url

    assert httpx.get(f"{url}/ready").status_code == 200
    assert httpx.get(f"{url}/loki/api/v1/status/buildinfo").status_code == 200


def test_nobody_asks_the_compactor_for_what_is_switched_off(loki: Microservices, sent: dict[str, list[str]]) -> None:
    for process in loki.clients:
        log = (loki.folder / process / "loki.log").read_text()
        assert "deletion is not available" not in log, process
