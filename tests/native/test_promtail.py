"""Promtail's own checker accepts its configuration."""

import subprocess
from pathlib import Path

from sandbox.toolchain import binary
from tests.native.collector_process import CONFIGS, stack_configuration


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
