"""Can this machine be the node? Each "no" is one line that says what to do."""

import ipaddress
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from sandbox.errors import SandboxError
from sandbox.node import layout
from sandbox.paths import state_dir

FREE_GIB = 10
# Port -> who of the node listens there.
PORTS = {
    2379: "etcd",
    2380: "etcd",
    2381: "etcd",
    6443: "kube-apiserver",
    10248: "kubelet",
    10249: "kube-proxy",
    10250: "kubelet",
    10256: "kube-proxy",
    10257: "kube-controller-manager",
    10259: "kube-scheduler",
}
_SIMULATED = "or take the simulated node (`make up NODE=simulated`)"


def check_machine() -> None:
    """What a real node needs in any case. Raises SandboxError."""
    if sys.platform != "linux":
        raise SandboxError(f"a real node needs Linux, this is {sys.platform}; use a Linux machine {_SIMULATED}")
    if os.geteuid() != 0:
        # sudo by itself would leave Go and Java behind, which are on the person's own PATH.
        raise SandboxError(
            f'a real node needs root, this is uid {os.geteuid()}; run: sudo env "PATH=$PATH" make up, {_SIMULATED}'
        )
    missing = _missing_cgroups()
    if missing:
        raise SandboxError(
            f"no cgroup controller {', '.join(missing)} to write to under /sys/fs/cgroup; mount it {_SIMULATED}"
        )
    refuse_foreign_node()


def check_room() -> None:
    """What a new cluster needs on top: disk, ports and addresses nobody uses. Raises SandboxError."""
    free_gib = shutil.disk_usage(state_dir()).free / 2**30
    if free_gib < FREE_GIB:
        raise SandboxError(
            f"only {free_gib:.1f} GiB free at {state_dir()}, the node needs {FREE_GIB}; make room or set XDG_STATE_HOME"
        )
    for port, user in PORTS.items():
        holder = _holder(port)
        if holder is not None:
            raise SandboxError(f"port {port} ({user}) is taken by {holder}; stop that program {_SIMULATED}")
    for cidr, device in ((layout.NODE_CIDR, layout.NODE_BRIDGE), (layout.POD_CIDR, layout.POD_BRIDGE)):
        for name, address in _addresses():
            if name != device and address in ipaddress.ip_network(cidr):
                raise SandboxError(
                    f"device {name} has {address}, the sandbox needs {cidr}; remove that address {_SIMULATED}"
                )


def refuse_foreign_node() -> None:
    """Raises SandboxError when this machine is a Kubernetes node that this state folder did not make."""
    if layout.MARKER.exists():
        owner = layout.MARKER.read_text().strip()
        if owner != str(state_dir()):
            raise SandboxError(
                f"another sandbox runs here, its state is in {owner}; end it first: "
                f"XDG_STATE_HOME={Path(owner).parent.parent} python -m sandbox down"
            )
        return
    if layout.KUBERNETES_DIR.is_dir() and any(layout.KUBERNETES_DIR.rglob("*.conf")):
        raise SandboxError(
            f"this machine is a Kubernetes node already ({layout.KUBERNETES_DIR} is not the sandbox's); "
            f"use another one {_SIMULATED}"
        )
    for process in psutil.process_iter(["name"]):
        if process.info["name"] == "kubelet" and _on_this_host(process.pid):
            raise SandboxError(
                f"a kubelet that is not the sandbox's runs here (pid {process.pid}); use another machine {_SIMULATED}"
            )


def _missing_cgroups() -> list[str]:
    root = Path("/sys/fs/cgroup")
    wanted = ["cpu", "memory", "pids"]
    unified = root / "cgroup.controllers"
    if unified.exists():
        available = unified.read_text().split() if os.access(root / "cgroup.procs", os.W_OK) else []
        return [name for name in wanted if name not in available]
    return [name for name in wanted if not os.access(root / name / "cgroup.procs", os.W_OK)]


def _holder(port: int) -> str | None:
    """Who listens on the port where the node wants to, as people would look for it."""
    for connection in psutil.net_connections("tcp"):
        if connection.status != psutil.CONN_LISTEN or not connection.laddr or connection.laddr.port != port:
            continue
        if connection.laddr.ip not in ("0.0.0.0", "::", "127.0.0.1", layout.NODE_IP):  # noqa: S104 (compared, not bound)
            continue
        if connection.pid is None:
            return "a process that cannot be seen"
        return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return None


def _addresses() -> Iterator[tuple[str, ipaddress.IPv4Address]]:
    for name, entries in psutil.net_if_addrs().items():
        for entry in entries:
            if entry.family.name == "AF_INET":
                yield name, ipaddress.IPv4Address(entry.address)


def _on_this_host(pid: int) -> bool:
    """False for a kubelet inside a container (kind, k3d): such a one leaves the host's folders alone."""
    try:
        return Path(f"/proc/{pid}/ns/mnt").readlink() == Path("/proc/self/ns/mnt").readlink()
    except OSError:
        return False
