"""Prometheus' volume: big enough for what is declared, or refused with the size that would be."""

import pytest

from rendering.sizing import check_storage, required_storage_gib, retention_size_mib


def test_thirty_days_of_a_hundred_thousand_series_need_some_35_gib() -> None:
    assert required_storage_gib(series=100_000, scrape_interval_seconds=15, retention_days=30) == 36


@pytest.mark.parametrize("field", ["series", "retention_days"])
def test_more_series_or_days_need_more(field: str) -> None:
    base = {"series": 100_000, "scrape_interval_seconds": 15, "retention_days": 30}
    assert required_storage_gib(**{**base, field: base[field] * 2}) > required_storage_gib(**base)


def test_scraping_half_as_often_needs_half() -> None:
    often = required_storage_gib(series=1_000_000, scrape_interval_seconds=15, retention_days=30)
    seldom = required_storage_gib(series=1_000_000, scrape_interval_seconds=30, retention_days=30)
    assert seldom == pytest.approx(often / 2, rel=0.01)


def test_the_limit_by_size_is_four_fifths_of_the_volume() -> None:
    assert retention_size_mib(10) == 8192


def test_a_volume_that_is_too_small_is_refused_with_the_size_that_is_enough() -> None:
    with pytest.raises(
        ValueError, match=r"storage\.size_gib is 10; set 36 or more: 100,000 series every 15 s for 30"
    ) as e:
        check_storage(storage_gib=10, series=100_000, scrape_interval_seconds=15, retention_days=30)
    assert "lower retention_days" in str(e.value)
    check_storage(storage_gib=36, series=100_000, scrape_interval_seconds=15, retention_days=30)
