"""Whoever collects, Promtail or Alloy, makes of a container's log what the contract says."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from rendering.promtail import STREAM_LABELS
from tests.native.alert_metrics import emitted, read_by_alerts
from tests.native.collector_process import (
    BURST_LINES,
    STREAM_BURST_MIB,
    STREAM_RATE_MIB,
    Collector,
    counted,
    running_collector,
)
from tests.native.log_contract import CASES, Case
from tests.native.loki_process import Entry, LokiClient, running_loki
from tests.waiting import eventually

FLOOD_LINES = 6000
QUIET_LINES = BURST_LINES // 2
LATE_LINES = 4 * BURST_LINES
# Lines of a flood bear times to come, so that a busy machine reads them before they are late.
AHEAD_NS = 60 * 10**9


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
    start_ns: int
    dropped: dict[str, float]
    flooded: dict[str, float]
    collector: Collector
    metric_names: frozenset[str]

    def of(self, pod: str) -> list[Entry]:
        return self.loki.entries(f'{{pod="{pod}"}}', self.start_ns - 10**9, time.time_ns() + 2 * AHEAD_NS)


def pod_name(case: Case) -> str:
    return f"pod-{CASES.index(case)}"


def pod_labels(service: str, pod: str) -> dict[str, str]:
    return {"namespace": "dharma", "service": service, "team": "platform", "pod": pod, "container": service}


# Each collector's names for lines it dropped: by reason, and over a service's limit.
DROPPED: dict[Collector, tuple[str, str]] = {
    "promtail": ("logentry_dropped_lines_total", "logentry_dropped_lines_by_label_total"),
    "alloy": ("loki_process_dropped_lines_total", "loki_process_dropped_lines_by_label_total"),
}


READ: dict[Collector, str] = {"promtail": "promtail_read_lines_total", "alloy": "loki_source_file_read_lines_total"}


@pytest.fixture(scope="module", params=("promtail", pytest.param("alloy", marks=pytest.mark.full)))
def collected(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collected]:
    """Every case's lines, a flood and a quiet neighbour, through Promtail into Loki."""
    collector: Collector = request.param
    folder = tmp_path_factory.mktemp(collector)
    (folder / "pods").mkdir()
    (folder / "node").mkdir()
    start_ns = time.time_ns() - 60 * 10**9
    pods = {pod_name(case): pod_labels(case.service, pod_name(case)) for case in CASES}
    pods |= {name: pod_labels(name, name) for name in ("flood", "quiet", "late", "long")}
    for case in CASES:
        (folder / "pods" / f"{pod_name(case)}.log").write_text(cri(case.written, start_ns))
    # Written while the collector runs; what it finds written a minute ago is no flood of now.
    for name in ("flood", "quiet"):
        (folder / "pods" / f"{name}.log").write_text("")
    (folder / "pods" / "late.log").write_text(cri([f"late {n}" for n in range(LATE_LINES)], start_ns))
    (folder / "pods" / "long.log").write_text(partial_line(start_ns))
    (folder / "node" / "kubelet.log").write_text("I0101 12:00:00.000000 1 kubelet.go:1] started\n")
    (folder / "node" / "boot.log").write_text("password=hunter2 given at boot\n")
    loki_folder = tmp_path_factory.mktemp("loki")
    limits: dict[str, Any] = {"stream_rate_mib": STREAM_RATE_MIB, "stream_burst_mib": STREAM_BURST_MIB}
    with running_loki(loki_folder, **limits) as loki:
        with running_collector(collector, folder, loki.url, pods, mask_emails=True) as metrics:
            of_cases = sum(len(case.written) for case in CASES)
            wait_until_read(metrics, READ[collector], of_cases + LATE_LINES)
            for name, lines in (("flood", FLOOD_LINES), ("quiet", QUIET_LINES)):
                with (folder / "pods" / f"{name}.log").open("a") as log:
                    log.write(cri([f"{name} {n}" for n in range(lines)], time.time_ns() + AHEAD_NS))
            wait_until_read(metrics, READ[collector], of_cases + LATE_LINES + FLOOD_LINES + QUIET_LINES)
            dropped = counted(metrics, DROPPED[collector][0])
            flooded = counted(metrics, DROPPED[collector][1])
            names = frozenset(emitted(metrics))
        # Stopped: what was waiting for a further line of its block has been sent.
        yield Collected(loki, start_ns, dropped, flooded, collector, names)


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
    own = {"service_name", "filename"}  # of Loki, and of files of the node
    for stream in collected.loki.streams():
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
    for reason in ("health_check", "debug_line"):
        counts = [count for labels, count in collected.dropped.items() if f'reason="{reason}"' in labels]
        assert sum(counts) == 2, reason


def test_files_of_the_node_arrive_named_and_masked(collected: Collected) -> None:
    now = time.time_ns()
    [kubelet] = collected.loki.entries('{job="node-files", service="kubelet"}', collected.start_ns, now)
    assert (kubelet.labels["level"], kubelet.labels["node"]) == ("info", "n1")
    [boot] = collected.loki.entries('{job="node-files", service="node-files"}', collected.start_ns, now)
    assert boot.line == "password=[MASKED] given at boot"


def test_the_metrics_that_alerts_read_exist_in_the_running_binary(collected: Collected) -> None:
    wanted = read_by_alerts(collected.collector)
    assert wanted or collected.collector == "alloy"
    assert wanted <= collected.metric_names
