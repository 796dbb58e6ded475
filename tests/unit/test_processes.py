"""Background programs: found again, never confused with somebody else's, stopped whole."""

import json
import os
import sys
from pathlib import Path

import psutil
import pytest

from sandbox import processes
from sandbox.errors import SandboxError
from sandbox.paths import state_dir

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def pid_of(name: str) -> int:
    known = json.loads((state_dir() / "processes" / f"{name}.json").read_text())
    return int(known["pid"])


def test_a_second_start_leaves_the_first_alone() -> None:
    processes.start("sleeper", SLEEP)
    first = pid_of("sleeper")
    processes.start("sleeper", SLEEP)
    assert pid_of("sleeper") == first
    processes.stop("sleeper")
    assert not processes.alive("sleeper")


def test_children_end_with_it() -> None:
    sleep = "import time; time.sleep(60)"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{sleep}'])"
    processes.start("parent", [sys.executable, "-c", script])
    parent = psutil.Process(pid_of("parent"))
    while not parent.children():
        pass
    [child] = parent.children()
    processes.stop("parent")
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_recycled_process_id_is_not_ours() -> None:
    folder = state_dir() / "processes"
    folder.mkdir(parents=True)
    (folder / "other.json").write_text(json.dumps({"pid": os.getpid(), "created": 1.0}))
    assert not processes.alive("other")
    processes.stop("other")  # would end this very test if it took the id for ours


def test_a_program_that_dies_while_starting_is_reported_with_its_log() -> None:
    processes.start("dying", [sys.executable, "-c", "raise SystemExit('no such disk')"])
    with pytest.raises(SandboxError, match="no such disk"):
        processes.wait_http("http://127.0.0.1:1/", 10, "dying")
    processes.stop("dying")


def test_a_missing_program_is_one_clear_line() -> None:
    with pytest.raises(SandboxError, match="ghost cannot be started"):
        processes.start("ghost", ["/no/such/program"])
