"""Figures of the benchmarks: percentiles, counters of a metrics page, how long things take to be found."""

import time

import pytest

from bench import arrival
from bench.figures import by_label, percentile, times, total
from sandbox.errors import SandboxError

PAGE = """\
# HELP hits of caches
# TYPE hits counter
hits{name="chunks",kind="a"} 3
hits{name="chunks",kind="b"} 4
hits{name="results"} 1e+02
hits_created{name="chunks"} 1.7e9
plain 12
stamped{name="x"} 5 1700000000000
"""


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.95, 95), (1, 100), (0, 1)])
def test_a_percentile_of_a_hundred_values_is_the_value_of_that_rank(share: float, expected: float) -> None:
    assert percentile([float(value) for value in range(100, 0, -1)], share) == expected


def test_the_95th_percentile_of_few_values_is_the_worst() -> None:
    assert percentile([1, 9, 2], 0.95) == 9


def test_there_is_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="nothing to take a percentile of"):
        percentile([], 0.5)


@pytest.mark.parametrize(("ours", "told", "met"), [(30.0, 1.5, True), (29.0, 1.45, False)])
def test_a_comparison_says_whether_its_aim_was_met(ours: float, told: float, met: bool) -> None:
    assert times(ours, 20.0, 1.5) == {"times": told, "aim": {"times_at_least": 1.5, "met": met}}


def test_a_counter_is_the_sum_of_its_samples_and_of_no_other_metric() -> None:
    assert total(PAGE, "hits") == 107
    assert total(PAGE, "hits", 'name="chunks"') == 7
    assert total(PAGE, "plain") == 12
    assert total(PAGE, "stamped") == 5
    assert total(PAGE, "misses") == 0


def test_a_counter_by_label() -> None:
    assert by_label(PAGE, "hits", "name") == {"chunks": 7, "results": 100}
    assert by_label(PAGE, "hits", "kind") == {"a": 3, "b": 4}


class Things:
    """Written at once, and found so many seconds later."""

    def __init__(self, late_seconds: float) -> None:
        self._late_seconds = late_seconds
        self._written: dict[str, float] = {}

    def write(self, count: int) -> dict[str, float]:
        fresh = {str(len(self._written) + number): time.time() for number in range(count)}
        self._written |= fresh
        return fresh

    def found(self, since: float) -> list[str]:
        ready = time.time() - self._late_seconds
        return [name for name, at in self._written.items() if since <= at <= ready]


def test_what_is_found_at_once_has_taken_no_time() -> None:
    things = Things(late_seconds=0)
    found = arrival.seconds_to_be_found(things.write, things.found, 50, 0.5)
    assert len(found) == 25
    assert percentile(list(found.values()), 0.5) < 0.1


def test_what_is_found_late_has_taken_as_long() -> None:
    things = Things(late_seconds=0.6)
    found = arrival.seconds_to_be_found(things.write, things.found, 20, 0.5)
    assert len(found) == 10
    assert min(found.values()) >= 0.6
    assert percentile(list(found.values()), 0.5) < 1.2


def test_what_is_never_found_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrival, "_GIVE_UP_SECONDS", 0.1)
    things = Things(late_seconds=60)
    with pytest.raises(SandboxError, match="2 of 2 were never found"):
        arrival.seconds_to_be_found(things.write, things.found, 10, 0.2)


def test_the_summary_tells_the_median_and_the_95th_percentile() -> None:
    found = arrival.summary({str(number): number / 100 for number in range(1, 101)})
    assert found == {"count": 100, "p50_seconds": 0.5, "p95_seconds": 0.95}
