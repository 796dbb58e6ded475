"""Loki's own checker accepts its configuration, and its rules fire on the lines they are for and on no others."""

import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from rendering import documents
from rendering.loki import LokiValues, render_loki
from sandbox.toolchain import binary
from tests.native.alert_metrics import emitted, read_by_alerts
from tests.native.loki_process import CONFIGS, LokiClient, rendered_rules, running_loki

SERVICE = {"job": "kubernetes-pods", "namespace": "dharma", "service": "api-gateway", "team": "platform", "pod": "a"}
DATABASE = {**SERVICE, "service": "postgresql", "team": "database"}
JOURNAL = {"job": "systemd-journal", "service": "kernel", "node": "n1", "team": "infrastructure"}


@pytest.fixture(scope="module")
def loki(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LokiClient]:
    with running_loki(tmp_path_factory.mktemp("loki")) as client:
        yield client


def verify(config: Path) -> str:
    """What Loki says of a configuration; empty when nothing is wrong."""
    done = subprocess.run(
        [binary("loki"), "-verify-config", f"-config.file={config}"], capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stderr + done.stdout


def test_the_native_file_is_valid_as_it_stands() -> None:
    assert verify(CONFIGS / "loki.yaml") == ""


@pytest.mark.parametrize("endpoint", [None, "http://10.111.0.1:5000"])
@pytest.mark.parametrize("replicas", [1, 3])
def test_what_is_rendered_is_valid(tmp_path: Path, endpoint: str | None, replicas: int) -> None:
    values = LokiValues(
        bucket="logs",
        region="eu-west-1",
        cluster="c",
        environment="test",
        service_count=9,
        s3_endpoint=endpoint,
        s3_path_style=endpoint is not None,
        replicas=replicas,
    )
    config = tmp_path / "loki.yaml"
    config.write_text(render_loki(documents.load(CONFIGS / "loki.yaml"), values))
    assert verify(config) == ""


def test_a_misspelt_key_would_be_noticed(tmp_path: Path) -> None:
    config = tmp_path / "loki.yaml"
    config.write_text((CONFIGS / "loki.yaml").read_text().replace("retention_enabled", "retention_enabeld"))
    assert "retention_enabeld" in verify(config)


def rules() -> dict[str, dict[str, Any]]:
    """Alerts by name."""
    return {
        rule["alert"]: rule
        for text in rendered_rules().values()
        for group in yaml.safe_load(text)["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }


def test_the_ruler_has_loaded_every_rule(loki: LokiClient) -> None:
    deadline = time.monotonic() + 90
    loaded: set[str] = set()
    while not loaded and time.monotonic() < deadline:
        groups = httpx.get(f"{loki.url}/prometheus/api/v1/rules").json()["data"]["groups"]
        loaded = {rule["name"] for group in groups for rule in group["rules"]}
        time.sleep(0.5)
    assert set(rules()) <= loaded


def fires(loki: LokiClient, alert: str, at_seconds: float) -> list[Mapping[str, str]]:
    return [sample["metric"] for sample in loki.instant(rules()[alert]["expr"], at_seconds)]


def lines(end_seconds: float, count: int, every_seconds: float, text: str) -> dict[int, str]:
    """`count` lines, the last at `end_seconds`."""
    return {int((end_seconds - index * every_seconds) * 1e9): text for index in range(count)}


# Each case has a window of its own, far from the others, within the hours that Loki accepts.
HEALTHY = '{"level":"info","message":"blueprint created","status":200}'
FIRING = {
    "LogErrorBurst": (SERVICE, '{"level":"error","message":"boom"}', 600, 0.5, {"level": "error"}),
    "StackTraceInLogs": (SERVICE, "panic: runtime error: index out of range\n\ngoroutine 1 [running]:", 1, 1, {}),
    "AuthenticationFailuresInLogs": (DATABASE, 'FATAL:  password authentication failed for user "x"', 300, 1, {}),
    "OutOfMemoryKill": (JOURNAL, "Memory cgroup out of memory: Killed process 4711 (java) total-vm:1kB", 1, 1, {}),
    "DatabaseSlowStatementsInLogs": (DATABASE, "LOG:  duration: 2345.678 ms  statement: select 1", 20, 5, {}),
    "ServiceLogsSilent": ({**SERVICE, "service": "quiet"}, HEALTHY, 120, 10, {}),
}


def test_every_alert_has_a_case() -> None:
    assert set(FIRING) == set(rules())


@pytest.mark.parametrize("alert", FIRING)
def test_the_alert_fires_on_the_lines_it_is_for(loki: LokiClient, alert: str) -> None:
    labels, text, count, every_seconds, metadata = FIRING[alert]
    hours_ago = 3 * (1 + list(FIRING).index(alert))
    end = time.time() - hours_ago * 3600
    stream = {**labels, "pod": alert}  # a stream of its own: Loki takes no line an hour older than a stream's newest
    loki.push(stream, lines(end, count, every_seconds, text), metadata)
    loki.flush()
    # Silence is noticed once the lines are ten minutes old.
    seen_at = end + (900 if alert == "ServiceLogsSilent" else 1)
    firing = fires(loki, alert, seen_at)
    assert len(firing) == 1
    named = rules()[alert]
    assert "team" in firing[0] or "team" in named["labels"]
    for label in ("service", "node"):
        if f"$labels.{label} " in named["annotations"]["summary"]:
            assert firing[0][label] == labels[label]


def test_no_alert_fires_on_healthy_lines(loki: LokiClient) -> None:
    end = time.time() - 36 * 3600
    loki.push({**SERVICE, "pod": "healthy"}, lines(end, 2100, 2, HEALTHY), {"level": "info"})
    loki.push({**DATABASE, "pod": "healthy"}, lines(end, 100, 30, "LOG:  checkpoint complete: wrote 12 buffers"))
    loki.push({**DATABASE, "pod": "fast"}, lines(end, 100, 3, "LOG:  duration: 12.345 ms  statement: select 1"))
    loki.push({**SERVICE, "namespace": "default", "service": "debugger"}, lines(end - 900, 200, 1, "/var/log"))
    loki.flush()
    for alert in rules():
        assert fires(loki, alert, end + 1) == [], alert


def test_a_query_for_a_stack_trace_in_lokis_own_log_is_none(loki: LokiClient) -> None:
    end = time.time() - 40 * 3600
    loki.push({**SERVICE, "service": "loki", "pod": "self"}, lines(end, 5, 1, "panic: found by a query for panic: "))
    loki.flush()
    assert fires(loki, "StackTraceInLogs", end + 1) == []


def test_recorded_series_count_lines_by_service_and_level(loki: LokiClient) -> None:
    end = time.time() - 44 * 3600
    loki.push({**SERVICE, "pod": "counted"}, lines(end, 60, 1, HEALTHY), {"level": "info"})
    loki.flush()
    expression = yaml.safe_load((CONFIGS / "rules" / "recording-logs.yaml").read_text())["groups"][0]["rules"][0][
        "expr"
    ]
    [sample] = loki.instant(expression, end + 1)
    assert sample["metric"] == {"namespace": "dharma", "service": "api-gateway", "team": "platform", "level": "info"}
    assert float(sample["value"][1]) == pytest.approx(60 / 300, rel=0.05)


# Of S3, of failures yet to come, and of a compaction, whose first one comes after ten minutes.
NOT_HERE = {
    "loki_s3_request_duration_seconds_count",
    "loki_discarded_samples_total",
    "loki_boltdb_shipper_compact_tables_operation_last_successful_run_timestamp_seconds",
}


def test_the_metrics_that_alerts_read_exist_in_the_running_binary(loki: LokiClient) -> None:
    wanted = read_by_alerts("loki") - NOT_HERE
    assert wanted
    assert wanted <= emitted(f"{loki.url}/metrics")
