"""How big Prometheus' volume and memory must be, from what it is asked to keep."""

import math

BYTES_PER_SAMPLE = 1.7
"""On disk, compressed and compacted; Prometheus' own documentation says one to two."""

USABLE_SHARE = 0.8
"""Of the volume, before size evicts data: the write-ahead log and compactions need the rest for a while."""

HEAD_HOURS = 3
BYTES_PER_HEAD_SAMPLE = 12
"""The write-ahead log holds what is not in a block yet, hardly compressed."""


BYTES_PER_SERIES = 8 * 1024
"""Of memory, for a series in the head with its labels, its share of the index, and what queries and rules add."""

BEARABLE_SHARE = 0.8
"""Of the memory limit. Above it there is still time to do something."""


def series_bearable(memory_limit_mib: int) -> int:
    """How many series Prometheus holds within its memory limit, with room to spare."""
    return int(memory_limit_mib * 2**20 * BEARABLE_SHARE / BYTES_PER_SERIES)


def check_memory(*, memory_limit_mib: int, series: int) -> None:
    """Raise ValueError when the memory limit is too low for what is declared; the message says what to set."""
    if series > series_bearable(memory_limit_mib):
        needed = math.ceil(series * BYTES_PER_SERIES / BEARABLE_SHARE / 2**20)
        raise ValueError(
            f"resources.memory_limit_mib is {memory_limit_mib}; set {needed} or more: {series:,} series take "
            f"{BEARABLE_SHARE:.0%} of that, or lower expected_series"
        )


def required_storage_gib(*, series: int, scrape_interval_seconds: int, retention_days: int) -> int:
    """Whole GiB that a volume needs so that data goes by age and never by size."""
    samples_per_second = series / scrape_interval_seconds
    blocks = samples_per_second * retention_days * 86_400 * BYTES_PER_SAMPLE
    head = samples_per_second * HEAD_HOURS * 3_600 * BYTES_PER_HEAD_SAMPLE
    return math.ceil((blocks + head) / USABLE_SHARE / 2**30)


def retention_size_mib(storage_gib: int) -> int:
    """The limit by size that goes with a volume."""
    return int(storage_gib * 1024 * USABLE_SHARE)


def check_storage(*, storage_gib: int, series: int, scrape_interval_seconds: int, retention_days: int) -> None:
    """Raise ValueError when the volume is too small for what is declared; the message says what to set."""
    needed = required_storage_gib(
        series=series, scrape_interval_seconds=scrape_interval_seconds, retention_days=retention_days
    )
    if storage_gib < needed:
        raise ValueError(
            f"storage.size_gib is {storage_gib}; set {needed} or more: {series:,} series every "
            f"{scrape_interval_seconds} s for {retention_days} days fill {USABLE_SHARE:.0%} of that, or lower "
            "retention_days"
        )
