"""A systemd journal as a node has it, written by systemd's own program for journals of other machines."""

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from sandbox.toolchain import debian

_PACKAGE = "systemd-journal-remote"
_BOOT = "0123456789abcdef0123456789abcdef"


def write_journal(file: Path, *entries: Mapping[str, str]) -> None:
    """Appends entries of now with these fields to the journal `file`. SandboxError where the writer is missing."""
    debian.ensure([_PACKAGE])
    text = "".join(_exported(entry, number) for number, entry in enumerate(entries))
    writer = ["/lib/systemd/systemd-journal-remote", f"--output={file}", "--split-mode=none", "-"]
    subprocess.run(writer, input=text, text=True, check=True, capture_output=True)


def _exported(entry: Mapping[str, str], number: int) -> str:
    """An entry as `journalctl --output=export` prints it."""
    stamps = {
        "__REALTIME_TIMESTAMP": time.time_ns() // 1000 + number,
        "__MONOTONIC_TIMESTAMP": time.monotonic_ns() // 1000,
    }
    return "".join(f"{key}={value}\n" for key, value in {**stamps, "_BOOT_ID": _BOOT, **entry}.items()) + "\n"
