"""What a real Loki writes to S3, what its compactor takes away again, and which of it a lifecycle rule could touch."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from components.backup import PREFIX as BACKUP_PREFIX
from components.loki import chunk_prefixes
from components.object_store import backup_rule, lifecycle_rules
from components.settings.loki import LokiSettings
from rendering import documents
from sandbox.aws import moto
from tests.native.loki_process import Entry, LokiClient, running_loki
from tests.waiting import eventually

BUCKET = "logs"
CHUNK_PREFIXES = chunk_prefixes(LokiSettings(), "test")
STREAM = {"job": "kubernetes-pods", "namespace": "dharma", "service": "api-gateway", "pod": "a"}
OLD = {**STREAM, "pod": "old"}
HOUR_NS = 3600 * 10**9
OLD_HOURS = 60  # Loki keeps whole days of index; an old chunk lies in one that is past as a whole
CHANGES: documents.Document = {
    # Lines are back-dated, for no retention under 24 hours is accepted.
    "limits_config": {"reject_old_samples": False, "max_query_lookback": "0s", "max_query_length": "0s"},
    # Written by Loki's report on its use, at start; it reaches nobody from here.
    "analytics": {"reporting_enabled": True, "usage_stats_url": "http://127.0.0.1:9"},
}
QUICK: documents.Document = {"compactor": {"compaction_interval": "5s", "retention_delete_delay": "1s"}}


@dataclass(frozen=True)
class Kept:
    """A bucket before the compactor came and after, and what is found then."""

    before: frozenset[str]
    after: frozenset[str]
    recent: list[Entry]
    old: list[Entry]


def keys(s3: Any) -> frozenset[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    return frozenset(found["Key"] for page in pages for found in page.get("Contents", []))


def chunks(of: frozenset[str]) -> frozenset[str]:
    return frozenset(key for key in of if key.startswith(CHUNK_PREFIXES))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """Two streams, one past its retention, with a Loki that writes them and one that compacts."""
    folder = tmp_path_factory.mktemp("loki")
    now = time.time_ns()
    with moto.account() as endpoint:
        s3 = moto.client("s3", endpoint)
        s3.create_bucket(Bucket=BUCKET)
        stack: dict[str, Any] = {
            "bucket": BUCKET,
            "s3_endpoint": endpoint,
            "s3_path_style": True,
            "retention_days": 1,
        }
        with running_loki(folder, changes=CHANGES, orderly=True, **stack) as loki:
            loki.push(STREAM, {now - n * 10**9: f"recent {n}" for n in range(100)})
            loki.push(OLD, {now - OLD_HOURS * HOUR_NS + n * 10**9: f"old {n}" for n in range(100)})
            loki.flush()
            assert len(of_pod(loki, "old", now)) == 100
        before = keys(s3)
        with running_loki(folder, changes=documents.overlay(CHANGES, QUICK), **stack) as loki:
            eventually(lambda: len(chunks(keys(s3))) < len(chunks(before)), 240, 2)
            yield Kept(before, keys(s3), of_pod(loki, "a", now), of_pod(loki, "old", now))


def of_pod(loki: LokiClient, pod: str, now_ns: int) -> list[Entry]:
    return loki.entries(f'{{pod="{pod}"}}', now_ns - 2 * OLD_HOURS * HOUR_NS, now_ns + 1)


def test_chunks_past_retention_go_from_the_bucket_and_the_others_stay(kept: Kept) -> None:
    gone = chunks(kept.before) - chunks(kept.after)
    assert len(chunks(kept.before)) == 2
    assert len(gone) == 1
    assert kept.old == []
    assert sorted(entry.line for entry in kept.recent) == sorted(f"recent {n}" for n in range(100))


def test_the_index_of_what_stays_is_still_there(kept: Kept) -> None:
    today = f"index/index_{time.time_ns() // (24 * HOUR_NS)}/"
    assert any(key.startswith(today) for key in kept.after), sorted(kept.after)


@pytest.mark.parametrize("retention_days", [1, 30, 90])
def test_lifecycle_rules_reach_every_chunk_and_nothing_else_of_loki(kept: Kept, retention_days: int) -> None:
    rules: list[Any] = [*lifecycle_rules(retention_days, CHUNK_PREFIXES), backup_rule(BACKUP_PREFIX, 30)]
    reached: dict[str, list[str]] = {
        key: [
            rule.id
            for rule in rules
            if key.startswith(rule.filter.prefix) and (rule.transitions or (rule.expiration and rule.expiration.days))
        ]
        for key in kept.before | kept.after
    }
    of_chunks = {key: by for key, by in reached.items() if key in chunks(kept.before)}
    others = {key: by for key, by in reached.items() if key not in of_chunks}
    assert of_chunks
    assert all(by == ["chunks-fake"] for by in of_chunks.values()), of_chunks
    assert {key: by for key, by in others.items() if by} == {}
    assert {"index", "loki_cluster_seed.json"} <= {key.split("/")[0] for key in others}
