"""Spans from OTLP to searchable, through Jaeger with our configuration and with its own sample for OpenSearch.

Both store in the same OpenSearch, one after the other in turns, each in indices of its own. Needs no sandbox.
"""

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import grpc
import psutil
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from bench import arrival, spans
from bench.figures import metrics, times, total
from bench.running import processor_seconds
from bench.span_programs import Store, our_jaeger, running_store, sample_jaeger
from bench.watching import every
from rendering.declarations import load_services
from sandbox.errors import SandboxError
from sandbox.paths import repo_root

_REQUESTS, _SPANS_EACH = 200, 500
_WARM_REQUESTS = 40
_TIMES_SAMPLE_AT_LEAST = 1.5
_ROUNDS = 2  # of each side, in turn
_SENDERS = 8
_WAITING_SPANS = 40_000  # sent and not yet stored: enough for every batch to be full, far from filling a queue
_SEND_SECONDS = 30
_GIVE_UP_SECONDS = 60
_MODEST_SPANS_PER_SECOND, _MODEST_SECONDS = 100, 15
_OVERLOAD, _OVERLOAD_SECONDS = 2, 20
_REFUSED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED)
_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

Program = Callable[[Path, Store, str], AbstractContextManager[tuple[psutil.Process, Mapping[str, str]]]]
_SIDES: Mapping[str, Program] = {"ours": our_jaeger, "jaegers_sample": sample_jaeger}
COUNTERS = {
    "refused_by_receiver": "otelcol_receiver_refused_spans_total",
    "dropped_by_queue": "otelcol_exporter_enqueue_failed_spans_total",
    "failed_to_store": "otelcol_exporter_send_failed_spans_total",
}


@dataclass
class Sent:
    """What the senders have done so far."""

    spans: int = 0
    refused: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, taken: bool) -> None:
        with self._lock:
            self.spans += _SPANS_EACH
            self.refused += 0 if taken else _SPANS_EACH


def run() -> dict[str, Any]:
    """About four minutes, OpenSearch's start included."""
    services = [service.name for service in load_services(repo_root() / "configs" / "services.yaml")]
    requests = spans.batches(services, _REQUESTS, _SPANS_EACH)
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in _SIDES}
    with tempfile.TemporaryDirectory(prefix="bench-traces-") as temporary, running_store(Path(temporary)) as store:
        folder = Path(temporary)
        for name in _SIDES:  # the first requests find a virtual machine that compiles
            _sustained(name, folder, store, f"warm-{name}", requests[:_WARM_REQUESTS])
        for turn in range(_ROUNDS):
            for name, runs in measured.items():
                runs.append(_sustained(name, folder, store, f"{name}-{turn}", requests))
        told = {name: _median(runs) for name, runs in measured.items()}
        ours, sample = (told[name]["spans_per_second"] for name in _SIDES)
        return {
            "spans": _REQUESTS * _SPANS_EACH,
            "bytes_of_a_span_sent": round(sum(map(len, requests)) / len(requests) / _SPANS_EACH),
            "sustained": told,
            "against_sample": times(ours, sample, _TIMES_SAMPLE_AT_LEAST),
            "from_end_to_searchable": {name: _latency(name, folder, store, services[0]) for name in _SIDES},
            "at_twice_the_load": _overload(folder, store, requests, _OVERLOAD * ours),
        }


def _median(runs: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    figures = {name: round(median(one[name] for one in runs), 1) for name in runs[0]}
    return {**figures, "all_spans_per_second": [round(one["spans_per_second"]) for one in runs]}


@contextmanager
def _sending(urls: Mapping[str, str]) -> Iterator[Callable[[bytes], bool]]:
    """A function that sends a request, and says whether it was taken."""
    with grpc.insecure_channel(urls["otlp-grpc"].removeprefix("http://")) as channel:
        export = channel.unary_unary(
            _EXPORT,
            request_serializer=lambda request: request,
            response_deserializer=ExportTraceServiceResponse.FromString,
        )

        def send(request: bytes) -> bool:
            try:
                export(request, timeout=_GIVE_UP_SECONDS, wait_for_ready=True)
            except grpc.RpcError as error:
                if error.code() not in _REFUSED:
                    raise SandboxError(f"Jaeger answers {error.code()} to spans: {error.details()}") from error
                return False
            return True

        yield send


@contextmanager
def _jaeger(
    name: str, folder: Path, store: Store, prefix: str
) -> Iterator[tuple[psutil.Process, Mapping[str, str], Callable[[bytes], bool]]]:
    """Jaeger whose indices exist, and how to send to it; the indices go at the end."""
    own = folder / prefix
    own.mkdir()
    with _SIDES[name](own, store, prefix) as (process, urls), _sending(urls) as send:
        send(spans.batch("first", 1)[0])
        _wait(lambda: store.searchable(prefix) == 1, f"{name}: the first span")
        yield process, urls, send
    store.remove(prefix)


def _sustained(name: str, folder: Path, store: Store, prefix: str, requests: Sequence[bytes]) -> dict[str, float]:
    """As fast as they are stored, until a search finds them all."""
    with _jaeger(name, folder, store, prefix) as (process, _, send):
        sent, stored, spent = Sent(), {"spans": 0}, processor_seconds(process)
        began = time.monotonic()

        def due(number: int) -> bool:
            while sent.spans - stored["spans"] > _WAITING_SPANS and time.monotonic() < began + _SEND_SECONDS:
                time.sleep(0.01)
            return number < len(requests) and time.monotonic() < began + _SEND_SECONDS

        with every(0.1, lambda: stored.update(spans=store.written(prefix) - 1)):
            _send_all(send, requests, sent, due)
            expected = sent.spans - sent.refused + 1
            _wait(lambda: store.searchable(prefix) == expected, f"{name}: {expected} spans")
        seconds = time.monotonic() - began
        spent = processor_seconds(process) - spent
        memory_mib = process.memory_info().rss / 2**20
        lying = store.bytes_on_disk(prefix)
        store.merge(prefix)
        merged = store.bytes_on_disk(prefix)
    return {
        "spans_per_second": expected / seconds,
        "processor_seconds_per_million_spans": spent / expected * 1e6,
        "memory_mib": memory_mib,
        "refused_spans": sent.refused,
        "bytes_per_span_on_disk": lying / expected,
        "bytes_per_span_on_disk_merged": merged / expected,
    }


def _send_all(send: Callable[[bytes], bool], requests: Sequence[bytes], sent: Sent, due: Callable[[int], bool]) -> None:
    """Sends from several threads; `due` waits for the moment of a request, and says False when there are no more."""
    numbers, lock = count(), threading.Lock()

    def sender() -> None:
        while True:
            with lock:
                number = next(numbers)
            if not due(number):
                return
            sent.add(send(requests[number % len(requests)]))

    with ThreadPoolExecutor(max_workers=_SENDERS) as pool:
        for done in [pool.submit(sender) for _ in range(_SENDERS)]:
            done.result()


def _latency(name: str, folder: Path, store: Store, service: str) -> dict[str, Any]:
    prefix = f"latency-{name}"
    with _jaeger(name, folder, store, prefix) as (_, _, send):

        def write(how_many: int) -> dict[str, float]:
            ended = time.time()
            request, ids = spans.batch(service, how_many)
            if not send(request):
                raise SandboxError(f"{name}: {how_many} spans were refused at a modest rate")
            return dict.fromkeys(ids, ended)

        found = partial(store.newest, prefix)
        return arrival.summary(arrival.seconds_to_be_found(write, found, _MODEST_SPANS_PER_SECOND, _MODEST_SECONDS))


def _overload(folder: Path, store: Store, requests: Sequence[bytes], per_second: float) -> dict[str, Any]:
    """Ours, when more comes than can be stored: what is lost and who says so, and what it takes meanwhile."""
    prefix = "overload"
    with _jaeger("ours", folder, store, prefix) as (process, urls, send):
        peak = {"memory_mib": 0.0, "queue_share": 0.0}
        sent, began = Sent(), time.monotonic()

        def look() -> None:
            page = metrics(urls["metrics"])
            size, capacity = (total(page, f"otelcol_exporter_queue_{what}") for what in ("size", "capacity"))
            peak["memory_mib"] = max(peak["memory_mib"], process.memory_info().rss / 2**20)
            peak["queue_share"] = max(peak["queue_share"], size / capacity)

        def due(number: int) -> bool:
            at = number * _SPANS_EACH / per_second
            time.sleep(max(began + at - time.monotonic(), 0))
            return time.monotonic() < began + _OVERLOAD_SECONDS

        with every(0.5, look):
            _send_all(send, requests, sent, due)
            seconds = time.monotonic() - began
            stored = _settled(partial(store.written, prefix)) - 1
        page = metrics(urls["metrics"])
    counted = {what: int(total(page, counter)) for what, counter in COUNTERS.items()}
    return {
        "wanted_per_second": round(per_second),
        "sent_per_second": round(sent.spans / seconds),
        "sent": sent.spans,
        "stored": stored,
        "refused_to_client": sent.refused,
        **counted,
        "unaccounted": sent.spans - stored - sent.refused - counted["dropped_by_queue"],
        "peak_share_of_queue": round(peak["queue_share"], 2),
        "peak_memory_mib": round(peak["memory_mib"]),
    }


def _settled(value: Callable[[], int]) -> int:
    """What it is when it has not changed for three seconds."""
    give_up, last, since = time.monotonic() + _GIVE_UP_SECONDS, value(), time.monotonic()
    while time.monotonic() < min(since + 3, give_up):
        time.sleep(0.2)
        if (now := value()) != last:
            last, since = now, time.monotonic()
    return last


def _wait(over: Callable[[], bool], what: str) -> None:
    give_up = time.monotonic() + _GIVE_UP_SECONDS
    while not over():
        if time.monotonic() > give_up:
            raise SandboxError(f"{what} cannot be found after {_GIVE_UP_SECONDS} s")
        time.sleep(0.1)
