"""A machine that is not enough is refused with one line before anything is started, and an error is shown as it is."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from sandbox import __main__ as command
from sandbox import machine, node
from sandbox.aws import java, opensearch
from sandbox.errors import SandboxError
from sandbox.paths import cache_dir
from sandbox.toolchain import builder, debian, golang


@pytest.fixture(autouse=True)
def enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with Java, 8 GiB of memory (less what the kernel keeps) and every program there, but no Go or Maven."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for coordinate in (opensearch.SERVER, opensearch.SECURITY):
        group, artifact, version, packaging = coordinate.split(":")
        archive = cache_dir() / "maven" / group / f"{artifact}-{version}.{packaging}"
        archive.parent.mkdir(parents=True, exist_ok=True)
        archive.touch()
    monkeypatch.setattr(java, "home", lambda: "/usr/lib/jvm/java-17")
    monkeypatch.setattr(builder, "find", lambda name: f"/cache/{name}")
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    memory(monkeypatch, 7.7)


def memory(monkeypatch: pytest.MonkeyPatch, gib: float) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=gib * 2**30))


def test_a_machine_where_all_is_there_needs_no_go_and_no_maven() -> None:
    machine.check(simulated_node=False)
    machine.check(simulated_node=True)


@pytest.mark.parametrize(
    ("apt_get", "message"),
    [
        ("/usr/bin/apt-get", r"^this needs root to install packages; run once: sudo apt-get install -y maven$"),
        (None, r"^this needs Debian's packages maven; install their like with your system's own tool$"),
    ],
    ids=["without root", "not on Debian"],
)
def test_maven_that_cannot_be_installed_is_missed_before_anything_is_started(
    apt_get: str | None, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(cache_dir() / "maven")
    monkeypatch.setattr(debian, "installed", lambda _package: False)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda name: apt_get if name == "apt-get" else None)
    with pytest.raises(SandboxError, match=message):
        machine.check(simulated_node=True)


@pytest.mark.parametrize("simulated", [False, True])
def test_go_is_missed_before_the_first_program_is_built(simulated: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "find", lambda name: None if name == "pulumi" else f"/cache/{name}")
    with pytest.raises(SandboxError, match=r'^go is not on PATH; install Go .*: sudo env "PATH=\$PATH" make up$'):
        machine.check(simulated_node=simulated)


def test_a_go_too_old_for_the_last_program_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    monkeypatch.setattr(builder, "find", lambda _name: None)
    monkeypatch.setattr(golang, "require_go", asked.append)
    machine.check(simulated_node=False)
    assert {"etcd", "grafana", "actionlint"} <= {folder.name for folder in asked}


def test_too_little_memory_is_said_with_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    memory(monkeypatch, 3.9)
    with pytest.raises(SandboxError, match=r"^this machine has 3\.9 GiB of memory, the sandbox needs 8; .*NODE=simul"):
        machine.check(simulated_node=False)
    machine.check(simulated_node=True)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["sandbox", *arguments])
    return command.main()


def test_up_starts_nothing_on_a_machine_without_java(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none() -> None:
        raise SandboxError("there is no java on PATH")

    def never(_simulated: bool) -> None:
        raise AssertionError("the node was started")

    monkeypatch.setattr(java, "home", none)
    monkeypatch.setattr(node, "up", never)
    assert run(monkeypatch, "up", "--node", "real") == 1
    assert capsys.readouterr().err == "error: there is no java on PATH\n"


@pytest.mark.parametrize(
    "words", ["[x] and [/x]", "a [bold]word[/bold]", "many words " * 20 + "end"], ids=["closed", "bold", "long"]
)
def test_an_error_is_printed_as_it_is_on_one_line(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def status(_arguments: Any) -> None:
        """Fails."""
        raise SandboxError(words)

    monkeypatch.setattr(command, "status", status)
    assert run(monkeypatch, "status") == 1
    assert capsys.readouterr().err == f"error: {words}\n"
