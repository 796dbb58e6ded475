"""How big Prometheus' volume must be, from what it is asked to keep."""

import math

BYTES_PER_SAMPLE = 1.7
"""On disk, compressed and compacted; Prometheus' own documentation says one to two."""

USABLE_SHARE = 0.8
"""Of the volume, before size evicts data: the write-ahead log and compactions need the rest for a while."""

HEAD_HOURS = 3
BYTES_PER_HEAD_SAMPLE = 12
"""The write-ahead log holds what is not in a block yet, hardly compressed."""


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
