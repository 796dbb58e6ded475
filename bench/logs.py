"""Lines from file to queryable, through each collector that is built, with our configuration and with its own default.

Both read the same files into a fresh Loki of the stack's, which stores in the local S3. Needs no sandbox.
"""

import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, get_args

from bench import arrival, log_lines
from bench.figures import by_label, metrics, times, total
from bench.log_programs import (
    Kind,
    Loki,
    Store,
    running_collector,
    running_loki,
    running_store,
    services,
)
from bench.running import processor_seconds
from rendering.collectors import Collector, metric_of
from sandbox.errors import SandboxError
from sandbox.toolchain.builder import find

_COLLECTORS: tuple[Collector, ...] = get_args(Collector)
_LINES_OF_EACH = 20_000  # services
_TIMES_DEFAULT_AT_LEAST = 1.0
_ROUNDS = 2  # of each side, in turn
_SPAN_MINUTES, _NEWEST_SECONDS = 30, 20 * 60  # nothing of the last ten minutes is kept in the cache of results
_CLOCKED_SECONDS, _GIVE_UP_SECONDS = 30, 90
_MODEST_LINES_PER_SECOND, _MODEST_SECONDS = 50, 20
_FLOOD_LINES_PER_SECOND, _FLOOD_SECONDS = 2000, 8  # of each service: twice its limit
_STEP_SECONDS, _WARM_TIMES = 60, 5
_NUMBER = re.compile(r"\bnumber\W+([\w-]+)")

RECEIVED = "loki_distributor_lines_received_total"
DROPPED = "logentry_dropped_lines_by_label_total"
# Warm, the first is answered out of the cache of results, the second out of the cache of chunks.
_QUERIES = {
    "rate": 'sum by (service) (rate({job="kubernetes-pods"} | json | status >= 500 [1m]))',
    "search": '{job="kubernetes-pods"} |= "request failed"',
}


@dataclass(frozen=True)
class Run:
    """One collector's way through all files."""

    lines_per_second: float
    mb_per_second: float
    processor_seconds_per_million_lines: float
    memory_mib: float
    lines: int


def run() -> dict[str, Any]:
    """Three minutes for Promtail alone; what is measured side by side takes turns."""
    built = [collector for collector in _COLLECTORS if find(collector) is not None]
    results: dict[str, Any] = {name: "not built" for name in _COLLECTORS if name not in built}
    with tempfile.TemporaryDirectory(prefix="bench-logs-") as temporary:
        folder = Path(temporary)
        (folder / "pods").mkdir()
        file_bytes = log_lines.write_files(folder / "pods", services(), _LINES_OF_EACH, _NEWEST_SECONDS, _SPAN_MINUTES)
        with running_store(folder) as store:
            for collector in built:
                results[collector] = _of_collector(collector, folder, store)
            results |= _of_loki(folder, store, f"{built[0]}-ours-0", file_bytes / (_LINES_OF_EACH * len(services())))
    return results


def _of_collector(collector: Collector, folder: Path, store: Store) -> dict[str, Any]:
    sides: dict[Kind, list[Run]] = {Kind.OURS: [], Kind.DEFAULT: []}
    for turn in range(_ROUNDS):
        for kind, runs in sides.items():
            name = f"{collector}-{kind.name.lower().replace('_', '-')}-{turn}"
            store.make(name)
            with running_loki(folder / name, store, name) as loki:
                runs.append(_all_files(collector, kind, folder, loki))
    told = {kind.value: compared(runs) for kind, runs in sides.items()}
    ours, default = (told[kind.value]["lines_per_second"] for kind in (Kind.OURS, Kind.DEFAULT))
    return {
        "sustained": told,
        "against_default": times(ours, default, _TIMES_DEFAULT_AT_LEAST),
        **_with_limit(collector, folder, store),
        **_live_lines(collector, folder, store),
    }


def compared(runs: list[Run]) -> dict[str, Any]:
    """The median of each figure, and every run's rate."""
    figures = {name: round(median(asdict(one)[name] for one in runs), 1) for name in asdict(runs[0])}
    return {**figures, "all_lines_per_second": [round(one.lines_per_second) for one in runs]}


def _all_files(collector: Collector, kind: Kind, folder: Path, loki: Loki) -> Run:
    """Clocked from the first line at Loki to the last, or for half a minute; finding the files is no part of it."""
    files = list((folder / "pods").glob("*.log"))
    expected = _LINES_OF_EACH * len(files)
    with running_collector(collector, kind, folder, loki) as (process, _):
        began, arrived = time.monotonic(), 0
        give_up = began + _GIVE_UP_SECONDS
        while arrived < expected and time.monotonic() < began + _CLOCKED_SECONDS:
            looked, had = time.monotonic(), arrived
            arrived = _received(loki)
            if had == arrived == 0:
                began = looked
            if looked > give_up:
                raise SandboxError(f"{collector}, {kind}: {arrived} of {expected} lines in {_GIVE_UP_SECONDS} s")
            time.sleep(0.1)
        seconds = time.monotonic() - began
        spent, memory = processor_seconds(process), process.memory_info().rss
    if (found := loki.lines()) != (received := _received(loki)):
        raise SandboxError(f"{collector}, {kind}: Loki took in {received} lines, a query finds {found}")
    size = sum(file.stat().st_size for file in files) / expected
    return Run(
        lines_per_second=arrived / seconds,
        mb_per_second=arrived * size / 1e6 / seconds,
        processor_seconds_per_million_lines=spent / arrived * 1e6,
        memory_mib=memory / 2**20,
        lines=received,
    )


def _received(loki: Loki) -> int:
    """Lines that Loki has taken in; from then on a query finds them."""
    return int(total(metrics(loki.url), RECEIVED))


def _with_limit(collector: Collector, folder: Path, store: Store) -> dict[str, Any]:
    """The same files with the limit on: lines that were kept waiting, so slowed down and not dropped."""
    name = f"{collector}-limited"
    store.make(name)
    with running_loki(folder / name, store, name) as loki:
        return {"with_limit": compared([_all_files(collector, Kind.OURS_LIMITED, folder, loki)])}


def _live_lines(collector: Collector, folder: Path, store: Store) -> dict[str, Any]:
    """Lines that are new: how soon each is found, and what becomes of a flood."""
    latencies = {}
    with _live(collector, Kind.OURS_LIMITED, folder, store) as (loki, files, url):
        latencies[Kind.OURS_LIMITED.value] = _latency(loki, files)
        flood = _flood(collector, loki, files, url)
    with _live(collector, Kind.DEFAULT, folder, store) as (loki, files, _):
        latencies[Kind.DEFAULT.value] = _latency(loki, files)
    return {"from_written_to_queryable": latencies, "flood_with_limit": flood}


def _flood(collector: Collector, loki: Loki, files: Mapping[str, Path], url: str) -> dict[str, int]:
    """Every service writes twice its limit: what is taken in, and what is dropped by the collector's own counter."""
    before = _received(loki)
    written = _write_flood(files)
    give_up, accounted, dropped = time.monotonic() + _GIVE_UP_SECONDS, 0, 0
    while accounted < written and time.monotonic() < give_up:
        time.sleep(0.5)
        dropped = int(total(metrics(url), metric_of(collector, DROPPED)))
        accounted = _received(loki) - before + dropped
    return {
        "written_per_second": round(written / _FLOOD_SECONDS),
        "taken_in_per_second": round((accounted - dropped) / _FLOOD_SECONDS),
        "written": written,
        "taken_in": accounted - dropped,
        "dropped": dropped,
        "unaccounted": written - accounted,
    }


@contextmanager
def _live(collector: Collector, kind: Kind, folder: Path, store: Store) -> Iterator[tuple[Loki, dict[str, Path], str]]:
    """A collector that has found its files, service -> file, and sent a line of each; and the URL of its metrics."""
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        own = Path(temporary)
        bucket = f"live-{own.name.strip('_').lower().replace('_', '-')}"
        store.make(bucket)
        (own / "pods").mkdir()
        files = {service.name: own / "pods" / f"{service.name}.log" for service in services()}
        for name, file in files.items():
            file.write_text(log_lines.as_containerd(log_lines.line(name, 1, time.time_ns()), time.time_ns()))
        with (
            running_loki(own / "loki", store, bucket) as loki,
            running_collector(collector, kind, own, loki) as (_, url),
        ):
            give_up = time.monotonic() + _GIVE_UP_SECONDS
            while (had := _received(loki)) < len(files):
                if time.monotonic() > give_up:
                    raise SandboxError(f"{collector}, {kind}: {had} of {len(files)} files were found")
                time.sleep(0.2)
            yield loki, files, url


def _write_flood(files: Mapping[str, Path]) -> int:
    """How many lines that were, in all."""
    per_look = _FLOOD_LINES_PER_SECOND // 10
    began, written = time.monotonic(), 0
    for look in range(_FLOOD_SECONDS * 10):
        for name, file in files.items():
            stamp_ns = time.time_ns()
            text = log_lines.line(name, look + 1, stamp_ns)
            with file.open("a") as log:
                log.write("".join(log_lines.as_containerd(text, stamp_ns + number) for number in range(per_look)))
            written += per_look
        time.sleep(max(began + (look + 1) / 10 - time.monotonic(), 0))
    return written


def _latency(loki: Loki, files: Mapping[str, Path]) -> dict[str, Any]:
    """The last of the services writes plain text, the others JSON."""
    writer = Writer(files)
    arrived = arrival.seconds_to_be_found(
        writer.write, partial(_found, loki), _MODEST_LINES_PER_SECOND, _MODEST_SECONDS
    )
    plain = {name: took for name, took in arrived.items() if name.startswith(list(files)[-1])}
    return {
        "json": arrival.summary({name: took for name, took in arrived.items() if name not in plain}),
        "plain_text": arrival.summary(plain),
    }


class Writer:
    """Lines with numbers of their own, for each service in turn."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files
        self._number = 1  # that one was written when the collector was started

    def write(self, count: int) -> dict[str, float]:
        """Name of each line -> when it was written."""
        written = {}
        names = list(self._files)
        for _ in range(count):
            self._number += 1
            name, stamp_ns = names[self._number % len(names)], time.time_ns()
            make_plain = name == names[-1]
            text = log_lines.plain(name, self._number) if make_plain else log_lines.line(name, self._number, stamp_ns)
            with self._files[name].open("a") as log:
                log.write(log_lines.as_containerd(text, stamp_ns))
            written[f"{name}-{self._number}"] = stamp_ns / 1e9
        return written


def _found(loki: Loki, since: float) -> set[str]:
    """Names of the lines that a query finds."""
    start_ns = int((since - 1) * 1e9)
    streams = loki.query("query_range", query='{job=~".+"}', start=start_ns, limit=5000, direction="forward")
    return {found[1] for stream in streams for _, text in stream["values"] if (found := _NUMBER.search(text))}


def _of_loki(folder: Path, store: Store, name: str, bytes_of_a_line: float) -> dict[str, Any]:
    """What the objects of a run take, and what its queries take when nothing and when everything is cached."""
    sizes = store.sizes(name)
    queries, bytes_of_lines = dict[str, Any](), 0.0
    for what, query in _QUERIES.items():
        # new, and in a folder of its own: with an older one's write-ahead log, lines would be in memory
        with running_loki(folder / f"{name}-{what}", store, name) as loki:
            cold = _asked(loki, query)
            warm = [_asked(loki, query) for _ in range(_WARM_TIMES)]
            queries[what] = {
                "cold_seconds": cold["seconds"],
                "warm_seconds": median(one["seconds"] for one in warm),
                "cold_cache_hits": cold["hits"],
                "warm_cache_hits": warm[0]["hits"],
            }
            bytes_of_lines = loki.lines() * bytes_of_a_line  # asked last: counting fills the caches
    return {
        "queries": queries,
        "s3": {
            "bytes_of_lines": round(bytes_of_lines),
            "bytes_by_folder": sizes,
            "bytes_per_byte_of_log": round(sum(sizes.values()) / bytes_of_lines, 3),
        },
    }


def _asked(loki: Loki, query: str) -> dict[str, Any]:
    """How long one query takes, and what of what it asks each cache for is there, as Loki's own counters say."""
    end = int(time.time() - _NEWEST_SECONDS) // _STEP_SECONDS * _STEP_SECONDS + _STEP_SECONDS
    start = end - _SPAN_MINUTES * 60 - 2 * _STEP_SECONDS
    before, began = metrics(loki.url), time.monotonic()
    streams = loki.query("query_range", query=query, start=start, end=end, step=_STEP_SECONDS, limit=5000)
    seconds, after = time.monotonic() - began, metrics(loki.url)
    if not streams:
        raise SandboxError(f"Loki has no answer to: {query}")
    grown = {
        counter: {
            cache: int(value - by_label(before, counter, "name").get(cache, 0))
            for cache, value in by_label(after, counter, "name").items()
        }
        for counter in ("loki_cache_hits", "loki_cache_fetched_keys")
    }
    asked = grown["loki_cache_fetched_keys"]
    hits = {cache: f"{grown['loki_cache_hits'][cache]} of {keys}" for cache, keys in asked.items() if keys}
    return {"seconds": round(seconds, 3), "hits": hits}
