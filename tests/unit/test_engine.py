"""A stack whose engine was killed can be driven again; one that an engine drives is left alone."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.engine import Engine


@pytest.fixture
def running(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """What goes by the engine's name."""
    program = tmp_path / "pulumi"
    shutil.copy(shutil.which("sleep") or "", program)
    with subprocess.Popen([program, "60"]) as process:
        yield process
        process.kill()


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine("sandbox", tmp_path / "kubeconfig", tmp_path / "state", account={})


def locked_by(pid: int, engine: Engine) -> Path:
    """As the engine writes it."""
    lock = engine.folder / "pulumi/.pulumi/locks/organization/observability-stack/sandbox/f3a1.json"
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps({"pid": pid, "username": "root", "hostname": "vm"}))
    return lock


def test_the_lock_of_an_engine_that_runs_stays(engine: Engine, running: "subprocess.Popen[bytes]") -> None:
    lock = locked_by(running.pid, engine)
    engine.unlock()
    assert lock.exists()


def test_the_lock_of_an_engine_that_was_killed_goes(engine: Engine, running: "subprocess.Popen[bytes]") -> None:
    lock = locked_by(running.pid, engine)
    running.kill()
    running.wait()
    engine.unlock()
    assert not lock.exists()


def test_the_lock_goes_though_its_number_is_another_programs_now(engine: Engine) -> None:
    lock = locked_by(1, engine)
    engine.unlock()
    assert not lock.exists()
