"""A Loki of three replicas loses one, and no line: each is found, and found once. What one read is cached for all."""

import time
from dataclasses import dataclass

import httpx
import pytest

from tests.native.alert_metrics import total
from tests.native.loki_process import LokiClient
from tests.native.loki_ring import REPLICAS, Ring, cache_statistics, running_ring
from tests.native.test_loki import SERVICE

pytestmark = pytest.mark.full

LINES = 2000
ALL, MEANWHILE = "all", "meanwhile"  # pods whose lines came while all replicas were there, and while one was not


@dataclass(frozen=True)
class Story:
    """What was sent, and what each replica found, by pod and replica, at each turn."""

    sent: dict[str, list[str]]
    one_killed: dict[str, dict[int, list[str]]]
    two_killed: int  # status of a push then
    all_back: dict[str, dict[int, list[str]]]
    from_bucket: dict[str, dict[int, list[str]]]
    asked_again: dict[str, dict[int, list[str]]]
    cached: dict[str, dict[str, str]]  # memcached's own figures, by cache
    hits: float  # as Loki counts them, all replicas


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    with running_ring(tmp_path_factory.mktemp("ring")) as (ring, ports):
        sent = {ALL: push(ring, ALL)}
        ring.kill(1)
        sent[MEANWHILE] = push(ring, MEANWHILE)
        one_killed = found(ring)
        ring.kill(2)
        with pytest.raises(httpx.HTTPStatusError) as refused:
            push(ring, "alone", 1)
        ring.start(1)
        ring.start(2)
        ring.whole()
        all_back = found(ring)
        for client in ring.clients.values():
            client.flush(settle_seconds=5)
        for client in ring.clients.values():
            count_hours_ago(client)
        return Story(
            sent,
            one_killed,
            refused.value.response.status_code,
            all_back,
            from_bucket=found(ring),
            asked_again=found(ring),
            cached={name: cache_statistics(port) for name, port in ports.items()},
            hits=sum(total(f"{client.url}/metrics", "loki_cache_hits") for client in ring.clients.values()),
        )


def push(ring: Ring, pod: str, count: int = LINES) -> list[str]:
    """Lines of one pod in batches, each to the next of the replicas that are up, as the Service would send them."""
    clients = list(ring.clients.values())
    now, texts = time.time_ns(), [f"{pod} {number}" for number in range(count)]
    for batch, start in enumerate(range(0, count, 100)):
        stamps = {now - (count - at) * 10**6: texts[at] for at in range(start, min(start + 100, count))}
        clients[batch % len(clients)].push({**SERVICE, "pod": pod}, stamps)
    return texts


def found(ring: Ring) -> dict[str, dict[int, list[str]]]:
    now = time.time_ns()
    return {
        pod: {
            number: [entry.line for entry in client.entries(f'{{pod="{pod}"}}', now - 3600 * 10**9, now)]
            for number, client in ring.clients.items()
        }
        for pod in (ALL, MEANWHILE)
    }


def count_hours_ago(client: LokiClient) -> None:
    """A query whose result is kept: what is younger than ten minutes may still change, and never is."""
    now = time.time()
    query: dict[str, str | float] = {
        "query": f'sum(count_over_time({{pod="{ALL}"}}[5m]))',
        "start": now - 3 * 3600,
        "end": now - 3600,
        "step": 60,
    }
    httpx.get(f"{client.url}/loki/api/v1/query_range", params=query, timeout=30).raise_for_status()


@pytest.mark.parametrize("pod", [ALL, MEANWHILE])
def test_with_one_killed_every_line_is_found_once_at_both_others(story: Story, pod: str) -> None:
    assert story.one_killed[pod] == {0: story.sent[pod], 2: story.sent[pod]}


def test_with_two_killed_a_line_is_refused_for_one_copy_is_not_enough(story: Story) -> None:
    assert story.two_killed == 500


@pytest.mark.parametrize("pod", [ALL, MEANWHILE])
@pytest.mark.parametrize("turn", ["all_back", "from_bucket", "asked_again"])
def test_with_all_back_every_line_is_found_once_at_each(story: Story, turn: str, pod: str) -> None:
    assert getattr(story, turn)[pod] == dict.fromkeys(range(REPLICAS), story.sent[pod])


@pytest.mark.parametrize("cache", ["chunks", "results"])
def test_what_one_has_read_or_reckoned_is_found_in_memcached(story: Story, cache: str) -> None:
    assert int(story.cached[cache]["cmd_set"]) > 0
    assert int(story.cached[cache]["get_hits"]) > 0


def test_lokis_metrics_count_the_hits(story: Story) -> None:
    assert story.hits > 0
