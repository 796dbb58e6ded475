"""Promtail's own checker accepts its configuration; the journal is read, and an absent Loki waited for."""

import subprocess
import time
from pathlib import Path

from rendering.promtail import STREAM_LABELS
from sandbox.toolchain import binary
from tests.native.collector_process import CONFIGS, running_collector, stack_configuration
from tests.native.journal import write_journal
from tests.native.loki_process import running_loki
from tests.waiting import eventually


def test_the_native_file_is_valid_as_it_stands() -> None:
    check(CONFIGS / "promtail" / "promtail.yaml")


def test_what_is_rendered_is_valid(tmp_path: Path) -> None:
    config = tmp_path / "promtail.yaml"
    config.write_text(stack_configuration(mask_emails=True, tenant_id="t", extra_node_files=("/srv/*.log",)))
    check(config)


def check(config: Path) -> None:
    done = subprocess.run(
        [binary("promtail"), "-check-syntax", f"-config.file={config}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


JOURNAL = (
    {"_SYSTEMD_UNIT": "kubelet.service", "PRIORITY": "4", "SYSLOG_IDENTIFIER": "kubelet", "MESSAGE": "image is gone"},
    {"_TRANSPORT": "kernel", "PRIORITY": "2", "MESSAGE": "Out of memory: Killed process 4711 (java)"},
    {"_SYSTEMD_UNIT": "session-3.scope", "PRIORITY": "6", "MESSAGE": "mount -o password=hunter2 //server/share"},
    {"_SYSTEMD_UNIT": "cron.service", "PRIORITY": "7", "MESSAGE": "nothing to do"},
)


def test_the_journal_is_read_with_services_levels_and_masks(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    write_journal(tmp_path / "journal" / "system.journal", *JOURNAL)
    start_ns = time.time_ns() - 60 * 10**9
    with running_loki(tmp_path / "loki") as loki:
        with running_collector("promtail", tmp_path, loki.url, {}):

            def lines() -> dict[str, tuple[str, str]]:
                found = loki.entries('{job="systemd-journal"}', start_ns, time.time_ns() + 10**9)
                return {entry.labels["service"]: (entry.line, entry.labels["level"]) for entry in found}

            eventually(lambda: len(lines()) >= 3, 60, 0.5)
        assert lines() == {
            "kubelet": ("image is gone", "warn"),
            "kernel": ("Out of memory: Killed process 4711 (java)", "fatal"),
            "systemd-journal": ("mount -o password=[MASKED] //server/share", "info"),
        }
        for stream in loki.streams():
            assert set(stream) <= {*STREAM_LABELS, "service_name"}, stream
    assert "not compiled" not in (tmp_path / "collector.log").read_text()
