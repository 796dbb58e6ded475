"""Is a machine that cannot be the node refused with one clear line?"""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from sandbox.errors import SandboxError
from sandbox.node import layout, preflight
from sandbox.paths import state_dir


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A root's Linux machine that is nobody's Kubernetes node, whatever this one is."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(layout, "KUBERNETES_DIR", tmp_path / "kubernetes")
    monkeypatch.setattr(layout, "MARKER", tmp_path / "kubernetes" / "marker")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(preflight, "_missing_cgroups", list)
    monkeypatch.setattr(preflight, "PORTS", {})
    monkeypatch.setattr("psutil.process_iter", lambda _attributes: [])
    monkeypatch.setattr("psutil.net_if_addrs", dict)


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_fit_machine_passes() -> None:
    preflight.check_machine()
    preflight.check_room()


def test_another_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(SandboxError, match=r"^a real node needs Linux, this is darwin; .*NODE=simulated"):
        preflight.check_machine()


def test_without_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(
        SandboxError, match=r'^a real node needs root, this is uid 1000; run: sudo env "PATH=\$PATH" make up,'
    ):
        preflight.check_machine()


def test_without_cgroups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "_missing_cgroups", lambda: ["memory", "pids"])
    with pytest.raises(SandboxError, match="no cgroup controller memory, pids"):
        preflight.check_machine()


def test_a_busy_port_is_named_with_its_holder(monkeypatch: pytest.MonkeyPatch, listener: int) -> None:
    monkeypatch.setattr(preflight, "PORTS", {listener: "kube-apiserver"})
    with pytest.raises(SandboxError, match=rf"^port {listener} \(kube-apiserver\) is taken by .+ \(pid \d+\); stop"):
        preflight.check_room()


def test_too_little_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=3 * 2**30))
    with pytest.raises(SandboxError, match=r"^only 3\.0 GiB free at .*, the node needs 10; make room"):
        preflight.check_room()


def test_an_address_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    address = SimpleNamespace(family=socket.AF_INET, address="10.112.7.1")
    monkeypatch.setattr("psutil.net_if_addrs", lambda: {"vpn0": [address]})
    with pytest.raises(SandboxError, match=r"^device vpn0 has 10\.112\.7\.1, the sandbox needs 10\.112\.0\.0/16"):
        preflight.check_room()


def test_somebody_elses_node_is_refused() -> None:
    layout.KUBERNETES_DIR.mkdir()
    (layout.KUBERNETES_DIR / "kubelet.conf").touch()
    with pytest.raises(SandboxError, match="this machine is a Kubernetes node already"):
        preflight.check_machine()


def test_somebody_elses_kubelet_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    kubelet = SimpleNamespace(pid=4711, info={"name": "kubelet"})
    monkeypatch.setattr("psutil.process_iter", lambda _attributes: [kubelet])
    monkeypatch.setattr(preflight, "_on_this_host", lambda _pid: True)
    with pytest.raises(SandboxError, match=r"a kubelet that is not the sandbox's runs here \(pid 4711\)"):
        preflight.check_machine()


def test_a_sandbox_of_another_state_folder_is_refused_with_the_way_to_end_it() -> None:
    layout.KUBERNETES_DIR.mkdir()
    layout.MARKER.write_text("/home/kim/.local/state/observability-stack/sandbox")
    with pytest.raises(SandboxError, match=r"XDG_STATE_HOME=/home/kim/\.local/state python -m sandbox down"):
        preflight.check_machine()


def test_our_own_node_is_not_refused() -> None:
    layout.KUBERNETES_DIR.mkdir()
    (layout.KUBERNETES_DIR / "admin.conf").touch()
    layout.MARKER.write_text(str(state_dir()))
    preflight.check_machine()
