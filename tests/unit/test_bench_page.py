"""The benchmarks of pages and of rules: services take turns, the phases of a page add up to it, aims are judged."""

from collections import Counter

import pytest

from bench.page import batches, summary
from bench.rules import judged
from rendering.routes import SERVICE_DOWN_WAIT_SECONDS

NAMES = [f"service-{number}" for number in range(9)]


def test_twenty_measurements_of_nine_services_in_batches_of_three() -> None:
    found = batches(NAMES, 20, 3)
    assert [len(batch) for batch in found] == [3, 3, 3, 3, 3, 3, 2]
    assert set(Counter(name for batch in found for name in batch).values()) == {2, 3}


def test_two_batches_lie_between_two_measurements_of_a_service() -> None:
    found = batches(NAMES, 20, 3)
    for number, batch in enumerate(found):
        nearby = [name for later in found[number + 1 : number + 3] for name in later]
        assert not set(batch) & set(nearby)


def test_the_phases_of_a_page_add_up_to_it() -> None:
    found = summary([{"pending": 20, "firing": 80, "page": 95}])
    assert sum(phase["median"] for phase in found["phase_seconds"].values()) == found["page_seconds"]["median"] == 95
    assert found["phase_seconds"]["for"]["median"] == 60
    assert found["phase_seconds"]["delivery"]["median"] == pytest.approx(15 - SERVICE_DOWN_WAIT_SECONDS)


def test_the_median_and_the_worst_page_are_told() -> None:
    found = summary([{"pending": 20, "firing": 80, "page": page} for page in (94.0, 119.6, 97.0)])["page_seconds"]
    assert found == {"median": 97, "most": 119.6, "all": [94, 120, 97]}


@pytest.mark.parametrize(
    ("pages", "met"),
    [((100.0, 105.0, 120.0), True), ((106.0, 106.0, 106.0), False), ((90.0, 95.0, 120.5), False)],
    ids=["as promised", "slow in the middle", "one too late"],
)
def test_whether_the_aim_was_met_is_told(pages: tuple[float, ...], met: bool) -> None:
    aim = summary([{"pending": 20, "firing": 80, "page": page} for page in pages])["aim"]
    assert aim == {"median_at_most": 105, "most_at_most": 120, "met": met}


@pytest.mark.parametrize(
    ("seconds", "met"),
    [((0.1, 3.7), True), ((0.01, 1.1), False), ((0.1, 3.8), False)],
    ids=["both", "more than linear", "more than a quarter of the interval"],
)
def test_whether_rules_are_evaluated_fast_enough_is_told(seconds: tuple[float, float], met: bool) -> None:
    few, many = seconds
    found = judged({"9": {"evaluation_seconds": few}, "900": {"evaluation_seconds": many}})
    assert found["aim"]["met"] is met
    assert found["growth_over_linear"] == pytest.approx(many / few / 100)
