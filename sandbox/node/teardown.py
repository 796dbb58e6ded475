"""Leaves the machine as it was, however little of the node is still alive."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from sandbox import processes
from sandbox.node import disks, kernel, layout, network
from sandbox.node.commands import attempt

_PROGRAMS = ("containerd", "kubelet", "kube-proxy")
_SHIM_SOCKETS = Path("/run/containerd/s")
_CNI_RESULTS = Path("/var/lib/cni/results")
_POD_LOGS = (Path("/var/log/pods"), Path("/var/log/containers"))
# Folders that others may use too; removed when empty, from the inside out.
_SHARED = [
    *(Path("/run/containerd") / name for name in ("s", "fifo", "")),
    _CNI_RESULTS,
    _CNI_RESULTS.parent,
    Path("/usr/libexec/kubernetes/kubelet-plugins/volume/exec"),
    *(Path("/usr/libexec/kubernetes") / name for name in ("kubelet-plugins/volume", "kubelet-plugins", "")),
]
_END_SECONDS = 15


def remove_all() -> None:
    """Ends and removes everything of the real node. Can be run again at any time."""
    halt()
    kernel.restore()
    _remove_files()


def halt() -> None:
    """Ends what a reboot of the machine would end: processes, mounts, loop devices, network, cgroups. Files stay."""
    for name in layout.PROCESSES:
        processes.stop(name)
    _kill(list(_our_processes()))
    for mount in _mounts():
        if attempt("umount", mount) is None:
            attempt("umount", "--lazy", mount)
    for device in disks.loop_devices():
        attempt("losetup", "--detach", device)
    network.down()
    for group in _cgroups():
        _remove_cgroup(group)


def leftovers() -> list[str]:
    """What of a real node is still on this machine, a line for each thing; empty when nothing is."""
    found = [f"process {process.pid} {_name(process)}" for process in _our_processes()]
    found += [f"mount {path}" for path in _mounts()]
    found += [f"loop device {name}" for name in disks.loop_devices()]
    found += [f"network device {name}" for name in network.devices()]
    found += [f"iptables chain {name}" for name in network.chains()]
    found += [f"cgroup {path}" for path in _cgroups()]
    found += [f"files in {path}" for path in _folders() if path.exists()]
    found += [f"CNI result {path.name}" for path in _cni_results()]
    return found


def _our_processes() -> Iterator[psutil.Process]:
    """Everything that runs from our folders, serves our containerd or lives in a pod's cgroup."""
    pids = {int(pid) for group in _cgroups() for file in group.rglob("cgroup.procs") for pid in _lines(file)}
    for process in psutil.process_iter(["cmdline", "status"]):
        if process.info["status"] == psutil.STATUS_ZOMBIE:
            continue
        if process.pid in pids or is_node_program(process.info["cmdline"] or []):
            yield process


def is_node_program(words: list[str]) -> bool:
    """One of the node's programs, with one of its files on the command line (a log reader has that, too)."""
    if not words or not (Path(words[0]).name.startswith(_PROGRAMS) or "sandbox.node.volumes" in words):
        return False
    marks = (str(layout.node_dir()), str(layout.RUN_DIR), f"--config={layout.KUBELET_DIR}/")
    return any(mark in word for mark in marks for word in words[1:])


def _kill(found: list[psutil.Process]) -> None:
    """A shim is told to end last: it is what buries a container's processes."""
    deadline = time.monotonic() + _END_SECONDS
    while found and time.monotonic() < deadline:
        shims = [process for process in found if _name(process).startswith("containerd-shim")]
        for process in [process for process in found if process not in shims] or shims:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.2)
        found = list(_our_processes())


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""


def _mounts() -> list[str]:
    """Mount points below our folders, the innermost first."""
    roots = [f"{path}/" for path in (layout.node_dir(), layout.RUN_DIR, layout.KUBELET_DIR)]
    # \040 is how the kernel writes a space.
    points = [line.split()[4].replace("\\040", " ") for line in _lines(Path("/proc/self/mountinfo"))]
    return [point for point in reversed(points) if any(f"{point}/".startswith(root) for root in roots)]


def _cgroups() -> list[Path]:
    """The kubelet's group for pods in every hierarchy (one below a container's own group is not ours)."""
    hierarchies = [line.split()[4] for line in _lines(Path("/proc/self/mountinfo")) if " - cgroup" in line]
    return [group for group in (Path(root) / "kubepods" for root in hierarchies) if group.exists()]


def _remove_cgroup(group: Path) -> None:
    deadline = time.monotonic() + _END_SECONDS
    while group.exists() and time.monotonic() < deadline:
        for folder, _, _ in os.walk(group, topdown=False):
            try:
                Path(folder).rmdir()
            except OSError:  # a process is still on its way out
                time.sleep(0.1)


def _folders() -> list[Path]:
    return [layout.KUBERNETES_DIR, layout.KUBELET_DIR, layout.RUN_DIR, layout.node_dir(), *_POD_LOGS]


def _remove_files() -> None:
    if not _mounts():  # never delete through a mount that would not go
        for folder in _folders():
            shutil.rmtree(folder, ignore_errors=True)
    for result in _cni_results():
        result.unlink(missing_ok=True)
    listening = {line.split()[-1] for line in _lines(Path("/proc/net/unix"))}
    for socket in _SHIM_SOCKETS.glob("*") if _SHIM_SOCKETS.is_dir() else []:
        if str(socket) not in listening:
            socket.unlink(missing_ok=True)
    for folder in _SHARED:
        try:
            folder.rmdir()
        except OSError:  # missing, or somebody else's things are in it
            continue


def _cni_results() -> list[Path]:
    """What libcni remembers of our pods; the loopback's file goes by the pod's id alone."""
    if not _CNI_RESULTS.is_dir():
        return []
    own = sorted(_CNI_RESULTS.glob(f"{layout.CNI_NETWORK}-*-eth0"))
    ids = [file.name.removeprefix(f"{layout.CNI_NETWORK}-").removesuffix("-eth0") for file in own]
    loopback = [_CNI_RESULTS / f"cni-loopback-{pod}-lo" for pod in ids]
    # The loopback first: cut short in between, the rest is still found the next time.
    return [file for file in loopback if file.exists()] + own


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []
