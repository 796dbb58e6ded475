"""Whoever collects, Promtail or Alloy, makes of the logs of a node what the contract says, and both make the same."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest

from rendering.collectors import ALLOYS_METRICS, JOB, Collector, in_names_of, metric_of
from rendering.promtail import FILES_JOB, JOURNAL_JOB, PODS_JOB, STREAM_LABELS
from tests.native.alert_metrics import emitted, read_by_alerts
from tests.native.collector_process import (
    BURST_LINES,
    STREAM_BURST_MIB,
    STREAM_RATE_MIB,
    counted,
    running_collector,
)
from tests.native.journal import write_journal
from tests.native.log_contract import CASES, JOURNAL, Case
from tests.native.loki_process import Entry, LokiClient, running_loki
from tests.waiting import eventually

FLOOD_LINES = 6000
QUIET_LINES = BURST_LINES // 2
LATE_LINES = 4 * BURST_LINES
# Lines of a flood bear times to come, so that a busy machine reads them before they are late.
AHEAD_NS = 60 * 10**9
# Of the lines that are there from the beginning, the same for each collector.
START_NS = time.time_ns() - 60 * 10**9


def cri(lines: Sequence[str], start_ns: int) -> str:
    """Lines as containerd writes them, a millisecond apart; a line that starts with `!` went to stderr."""
    text = []
    for index, line in enumerate(lines):
        stamp_ns = start_ns + index * 1_000_000
        stamp = datetime.fromtimestamp(stamp_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        stream = "stderr" if line.startswith("!") else "stdout"
        text.append(f"{stamp}.{stamp_ns % 1_000_000_000:09d}Z {stream} F {line.removeprefix('!')}\n")
    return "".join(text)


@dataclass(frozen=True)
class Collected:
    loki: LokiClient
    folder: Path
    dropped: dict[str, float]
    flooded: dict[str, float]
    collector: Collector
    metric_names: frozenset[str]

    def of(self, pod: str) -> list[Entry]:
        return self.found(f'{{pod="{pod}"}}')

    def found(self, query: str) -> list[Entry]:
        return self.loki.entries(query, START_NS - 10**9, time.time_ns() + 2 * AHEAD_NS)

    def dropped_by_reason(self) -> Counter[str]:
        """Lines that were dropped on purpose; how many of a flood is a matter of time."""
        counts: Counter[str] = Counter()
        for labels, count in self.dropped.items():
            counts[re.findall(r'reason="(\w+)"', labels)[0]] += int(count)
        return Counter({reason: count for reason, count in counts.items() if "limit" not in reason})


def pod_name(case: Case) -> str:
    return f"pod-{CASES.index(case)}"


def pod_labels(service: str, pod: str) -> dict[str, str]:
    return {"namespace": "dharma", "service": service, "team": "platform", "pod": pod, "container": service}


@pytest.fixture(scope="module")
def collect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Collector], Collected]]:
    """What a collector makes of everything here; each runs once."""
    with ExitStack() as stack:
        yield cache(lambda collector: stack.enter_context(_collected(collector, tmp_path_factory)))


@pytest.fixture(scope="module", params=("promtail", pytest.param("alloy", marks=pytest.mark.full)))
def collected(request: pytest.FixtureRequest, collect: Callable[[Collector], Collected]) -> Collected:
    return collect(request.param)


@contextmanager
def _collected(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collected]:
    """Every case's lines, a flood and a quiet neighbour, a journal and files of the node, through it into a Loki."""
    folder = tmp_path_factory.mktemp(collector)
    (folder / "pods").mkdir()
    (folder / "node").mkdir()
    (folder / "journal").mkdir()
    write_journal(folder / "journal" / "system.journal", *JOURNAL)
    pods = {pod_name(case): pod_labels(case.service, pod_name(case)) for case in CASES}
    pods |= {name: pod_labels(name, name) for name in ("flood", "quiet", "late", "long")}
    for case in CASES:
        (folder / "pods" / f"{pod_name(case)}.log").write_text(cri(case.written, START_NS))
    # Written while the collector runs; what it finds written a minute ago is no flood of now.
    for name in ("flood", "quiet"):
        (folder / "pods" / f"{name}.log").write_text("")
    (folder / "pods" / "late.log").write_text(cri([f"late {n}" for n in range(LATE_LINES)], START_NS))
    (folder / "pods" / "long.log").write_text(partial_line(START_NS))
    (folder / "node" / "kubelet.log").write_text("I0101 12:00:00.000000 1 kubelet.go:1] started\n")
    (folder / "node" / "boot.log").write_text("password=hunter2 given at boot\n")
    loki_folder = tmp_path_factory.mktemp("loki")
    limits: dict[str, Any] = {"stream_rate_mib": STREAM_RATE_MIB, "stream_burst_mib": STREAM_BURST_MIB}
    with running_loki(loki_folder, **limits) as loki:
        with running_collector(collector, folder, loki.url, pods, mask_emails=True) as metrics:
            of_cases = sum(len(case.written) for case in CASES)
            read = metric_of(collector, "promtail_read_lines_total")
            wait_until_read(metrics, read, of_cases + LATE_LINES)
            for name, lines in (("flood", FLOOD_LINES), ("quiet", QUIET_LINES)):
                with (folder / "pods" / f"{name}.log").open("a") as log:
                    log.write(cri([f"{name} {n}" for n in range(lines)], time.time_ns() + AHEAD_NS))
            wait_until_read(metrics, read, of_cases + LATE_LINES + FLOOD_LINES + QUIET_LINES)
            dropped = counted(metrics, metric_of(collector, "logentry_dropped_lines_total"))
            flooded = counted(metrics, metric_of(collector, "logentry_dropped_lines_by_label_total"))
            names = frozenset(emitted(metrics))
        # Stopped: what was waiting for a further line of its block has been sent.
        yield Collected(loki, folder, dropped, flooded, collector, names)


def partial_line(start_ns: int) -> str:
    """One JSON line of over 16 KB, in the pieces that containerd makes of it; the second starts like plain text."""
    whole = '{"level":"warn","message":"' + "x" * 30_000 + '"}'
    first, second = cri([whole[:16_384], whole[16_384:]], start_ns).splitlines()
    return first.replace(" stdout F ", " stdout P ") + "\n" + second + "\n"


def wait_until_read(metrics_url: str, counter: str, lines: int) -> None:
    """Returns when that many lines were read and have gone through the pipeline."""
    eventually(lambda: sum(counted(metrics_url, counter).values()) >= lines, 120, every_seconds=0.5)
    time.sleep(4)  # blocks of plain text are kept two seconds for their next line


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_contract(collected: Collected, case: Case) -> None:
    arrived = collected.of(pod_name(case))
    assert [entry.line for entry in arrived] == [expected.line for expected in case.arrives]
    for entry, expected in zip(arrived, case.arrives, strict=True):
        assert expected.metadata.items() <= entry.labels.items()


def test_streams_carry_only_the_labels_of_the_contract(collected: Collected) -> None:
    for stream in collected.loki.streams():
        own = {"service_name", "filename"} if stream["job"] == FILES_JOB else {"service_name"}
        assert set(stream) <= set(STREAM_LABELS) | own, stream


def test_a_line_in_pieces_arrives_whole(collected: Collected) -> None:
    [entry] = collected.of("long")
    assert len(entry.line) > 30_000
    assert entry.labels["level"] == "warn"


def test_a_flood_costs_its_own_service_lines_and_nobody_else_one(collected: Collected) -> None:
    arrived = len(collected.of("flood"))
    dropped = sum(value for labels, value in collected.flooded.items() if 'label_value="flood"' in labels)
    assert BURST_LINES <= arrived < FLOOD_LINES
    assert arrived + dropped == FLOOD_LINES
    assert [entry.line for entry in collected.of("quiet")] == [f"quiet {n}" for n in range(QUIET_LINES)]


def test_what_was_written_during_an_outage_is_no_flood_when_it_is_read(collected: Collected) -> None:
    assert [entry.line for entry in collected.of("late")] == [f"late {n}" for n in range(LATE_LINES)]


def test_what_is_dropped_on_purpose_is_counted_by_reason(collected: Collected) -> None:
    # Of the debug lines, one is the journal's.
    assert collected.dropped_by_reason() == {"health_check": 2, "debug_line": 3}


def test_files_of_the_node_arrive_named_and_masked(collected: Collected) -> None:
    [kubelet] = collected.found('{job="node-files", service="kubelet"}')
    assert (kubelet.labels["level"], kubelet.labels["node"]) == ("info", "n1")
    [boot] = collected.found('{job="node-files", service="node-files"}')
    assert boot.line == "password=[MASKED] given at boot"


def test_the_journal_is_read_with_services_levels_and_masks(collected: Collected) -> None:
    found = collected.found(f'{{job="{JOURNAL_JOB}"}}')
    assert {entry.labels["service"]: (entry.line, entry.labels["level"]) for entry in found} == {
        "kubelet": ("image is gone", "warn"),
        "kernel": ("Out of memory: Killed process 4711 (java)", "fatal"),
        "systemd-journal": ("mount -o password=[MASKED] //server/share", "info"),
    }


def test_the_metrics_that_alerts_read_exist_in_the_running_binary(collected: Collected) -> None:
    wanted = {in_names_of(collected.collector, name) for name in read_by_alerts(JOB)}
    assert wanted
    assert wanted <= collected.metric_names


def test_every_metric_that_has_a_name_in_both_exists_in_the_running_binary(collected: Collected) -> None:
    names = {re.sub("_(bucket|count|sum)$", "", name) for name in collected.metric_names}
    assert {metric_of(collected.collector, name) for name in ALLOYS_METRICS} <= names


@pytest.mark.full
def test_both_make_the_same_of_the_same_lines(collect: Callable[[Collector], Collected]) -> None:
    """Streams with their labels; lines with their times and metadata; what was dropped. A flood's share apart."""
    promtail, alloy = (collect(collector) for collector in get_args(Collector))
    assert streams(alloy) == streams(promtail)
    assert lines(alloy) == lines(promtail)
    assert alloy.dropped_by_reason() == promtail.dropped_by_reason()


def streams(collected: Collected) -> Counter[frozenset[tuple[str, str]]]:
    return Counter(labels(collected, stream) for stream in collected.loki.streams())


def lines(collected: Collected) -> Counter[tuple[frozenset[tuple[str, str]], int, str]]:
    """Of what a container writes, the time too; the rest is dated as it is read, or written."""
    return Counter(
        (labels(collected, entry.labels), entry.timestamp_ns if entry.labels["job"] == PODS_JOB else 0, entry.line)
        for query in ('{pod=~"pod-.+|late|long"}', '{job=~"systemd-journal|node-files"}')
        for entry in collected.found(query)
    )


def labels(collected: Collected, found: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """With the paths of files as on a node, where they are the same for each collector."""
    return frozenset((name, value.removeprefix(str(collected.folder))) for name, value in found.items())
