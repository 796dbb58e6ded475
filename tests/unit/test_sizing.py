"""Prometheus' volume and memory: big enough for what is declared, or refused with the size that would be."""

from pathlib import Path

import pytest

from components.settings.tools import PrometheusSettings
from rendering.rules import load_rule_files, threshold
from rendering.sizing import (
    check_memory,
    check_storage,
    required_storage_gib,
    retention_size_mib,
    series_bearable,
)


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


def test_a_gibibyte_bears_a_hundred_thousand_series_with_room_to_spare() -> None:
    assert series_bearable(1024) == 104_857
    assert series_bearable(4096) == 419_430


def test_memory_that_is_too_small_is_refused_with_what_is_enough() -> None:
    with pytest.raises(
        ValueError, match=r"resources\.memory_limit_mib is 512; set 782 or more: 80,000 series take 80%"
    ) as e:
        check_memory(memory_limit_mib=512, series=80_000)
    assert "lower expected_series" in str(e.value)
    check_memory(memory_limit_mib=782, series=80_000)


def test_the_native_threshold_is_that_of_the_default_memory() -> None:
    rules = load_rule_files(Path(__file__).resolve().parents[2] / "configs" / "prometheus" / "rules")
    [marked] = [
        threshold(rule)
        for group in rules["alerts-stack.yaml"]["groups"]
        for rule in group["rules"]
        if rule.get("alert") == "PrometheusSeriesHigh"
    ]
    limit = PrometheusSettings.model_fields["resources"].default.memory_limit_mib
    assert marked == (series_bearable(limit), "series")
