"""The builder: what it takes from PATH, what it resumes, and how it says no."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from sandbox import paths
from sandbox.errors import SandboxError
from sandbox.toolchain import bin_dir, builder, cache, debian, ensure, golang, maven


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _put(program: str) -> Path:
    made = cache.toolchain_dir() / "made"
    made.mkdir()
    (made / program).write_text("#!/bin/sh\n")
    (made / program).chmod(0o755)
    return cache.put(program, made) / program


def _on_path(folder: Path, monkeypatch: pytest.MonkeyPatch, says: str) -> Path:
    program = folder / "etcd"
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return program


def _fake_go(folder: Path, build: str) -> None:
    """A go command whose `build` does this and which agrees to everything else."""
    program = folder / "go"
    program.write_text(f'#!/bin/sh\n[ "$1" = build ] || exit 0\n{build}\n')
    program.chmod(0o755)


def test_built_program_is_found_and_linked_under_its_plain_name() -> None:
    executable = _put("promtool")
    assert ensure(["promtool"]) == {"promtool": executable}
    assert (bin_dir() / "promtool").resolve() == executable.resolve()


def test_script_beside_a_program_is_linked_too() -> None:
    executable = _put("pulumi-language-python")
    script = executable.with_name("pulumi-language-python-exec")
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    (executable.parent / "notes").write_text("")
    ensure(["pulumi-language-python"])
    assert (bin_dir() / script.name).resolve() == script.resolve()
    assert not (bin_dir() / "notes").exists()


def test_older_build_of_the_same_program_goes_when_a_new_one_comes() -> None:
    old = cache.toolchain_dir() / "pulumi-0.1.0-00000000"
    other = cache.toolchain_dir() / "pulumi-language-python-0.1.0-00000000"
    old.mkdir()
    other.mkdir()
    _put("pulumi")
    assert not old.exists()
    assert other.exists()


def test_program_on_path_is_used_when_it_is_the_pinned_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = _on_path(tmp_path, monkeypatch, "etcd Version: 3.6.5")
    assert builder.find("etcd") == program


def test_program_on_path_of_another_release_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _on_path(tmp_path, monkeypatch, "etcd Version: 3.6.50")
    assert builder.find("etcd") is None


def test_interrupted_build_goes_on_at_the_program_it_was_at(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []

    def build(_group: object, program: str, _progress: object) -> None:
        if program == "amtool" and "amtool" not in built:
            built.append(program)
            raise KeyboardInterrupt
        built.append(program)
        _put(program)

    monkeypatch.setattr(builder, "_build", build)
    with pytest.raises(KeyboardInterrupt):
        builder.ensure(["alertmanager", "amtool"])
    builder.ensure(["alertmanager", "amtool"])
    assert built == ["alertmanager", "amtool", "amtool"]


def test_build_caches_are_dropped_when_all_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(_group: object, program: str, _progress: object) -> None:
        (golang.build_dir() / "mod").mkdir()
        _put(program)

    monkeypatch.setattr(builder, "_build", build)
    builder.ensure(["wire"])
    assert not (golang.build_dir() / "mod").exists()


def test_build_caches_of_a_stopped_run_are_dropped_when_nothing_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    (golang.build_dir() / "mod").mkdir()
    _put("wire")
    builder.ensure(["wire"])
    assert (golang.build_dir() / "mod").exists()
    monkeypatch.setattr(builder, "usual_programs", lambda: ["wire"])
    builder.ensure(["wire"])
    assert not (golang.build_dir() / "mod").exists()


def test_build_caches_stay_while_another_run_uses_them() -> None:
    (golang.build_dir() / "mod").mkdir()
    with cache.using_build_caches():
        assert not cache.drop_build_caches()
    assert (golang.build_dir() / "mod").exists()


def _free_disk(gib: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the disk report these amounts, one per question, the last one for good."""
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _path: usage._replace(free=(gib.pop(0) if len(gib) > 1 else gib[0]) * 2**30)
    )


def test_too_little_disk_is_said_with_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    _free_disk([5], monkeypatch)
    with pytest.raises(SandboxError, match=r"needs 10 GiB of free disk under .*, there are 5.0; free some"):
        builder.ensure(["wire"])


def test_what_earlier_programs_left_makes_room_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    (golang.build_dir() / "go").mkdir()
    _free_disk([5, 12], monkeypatch)
    cache.make_room()
    assert not (golang.build_dir() / "go").exists()


def test_missing_go_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxError, match=r"^go is not on PATH; install Go"):
        golang.require_go(tmp_path)


def test_go_too_old_for_a_module_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "go.mod").write_text("module x\n\ngo 1.999.0\n")
    monkeypatch.setenv("GOTOOLCHAIN", "local")
    with pytest.raises(SandboxError, match=r"^this Go is too old: .*1\.999"):
        golang.require_go(tmp_path)


def test_failed_build_shows_the_end_of_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fake_go(tmp_path, "echo './main.go:3:15: undefined: missing' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(SandboxError, match=r"^building x failed \(log: .*\):\n./main.go:3:15: undefined: missing$"):
        builder.local_program(tmp_path, "x")


def test_full_disk_during_a_build_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fake_go(tmp_path, "echo 'write /x: no space left on device' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(SandboxError, match=r"^the disk of .* is full; free 10 GiB and run this again$"):
        builder.local_program(tmp_path, "x")


def test_debian_packages_without_root_say_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "installed", lambda package: package == "bash")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(SandboxError, match=r"run once: sudo apt-get install -y socat$"):
        debian.ensure(["bash", "socat"])


def test_debian_packages_that_are_there_need_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_arguments: Any) -> None:
        raise AssertionError("apt was run")

    monkeypatch.setattr(debian, "installed", lambda _package: True)
    monkeypatch.setattr(debian, "_apt", never)
    debian.ensure(["bash"])


def test_package_that_cannot_be_unpacked_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, does in (("apt-get", "touch busybox.deb"), ("dpkg-deb", "echo 'not a Debian archive' >&2; exit 2")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(debian, "_UPDATED", True)
    with pytest.raises(SandboxError, match=r"^`dpkg-deb -x \S+/busybox\.deb \S+/files` failed: not a Debian archive$"):
        debian.unpacked("busybox")


def test_bad_maven_coordinate_is_refused() -> None:
    with pytest.raises(SandboxError, match="write group:artifact:version:packaging"):
        maven.ensure("opensearch:2.19.4")


def test_maven_is_installed_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[str] = []

    def fetch(argv: list[str], **_options: Any) -> "subprocess.CompletedProcess[str]":
        assert installed == ["maven"]
        folder = next(word.removeprefix("-DoutputDirectory=") for word in argv if "outputDirectory" in word)
        (Path(folder) / "opensearch-2.19.4.zip").touch()
        return subprocess.CompletedProcess(argv, 0, "", "")

    monkeypatch.setattr(shutil, "which", lambda _name: None)
    monkeypatch.setattr(debian, "ensure", installed.extend)
    monkeypatch.setattr(subprocess, "run", fetch)
    assert maven.ensure("org.opensearch:opensearch:2.19.4:zip").exists()


def test_killed_run_takes_the_compiler_with_it(tmp_path: Path) -> None:
    started = tmp_path / "started"
    _fake_go(tmp_path, f"echo $$ > {started}.new; mv {started}.new {started}; exec sleep 60")
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    run = subprocess.Popen([sys.executable, "-m", "sandbox.toolchain", "wire"], env=environment, cwd=paths.repo_root())
    deadline = time.monotonic() + 30
    while not started.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    run.terminate()
    assert run.wait(timeout=20) == 130
    assert not psutil.pid_exists(int(started.read_text()))
