"""Kernel settings that a node needs, put back as they were when the node goes."""

import json
from pathlib import Path

from sandbox.node import layout
from sandbox.node.commands import attempt, run

# At least this much.
_MINIMUM = {
    "fs.inotify.max_user_instances": 1024,  # the kubelet, containerd and Promtail watch many files, all as root
    "fs.inotify.max_user_watches": 524288,
    "vm.max_map_count": 262144,  # OpenSearch refuses to start below
}
_EXACT = {
    "net.ipv4.ip_forward": 1,
    # Answers between two pods on the bridge must pass kube-proxy's address translation.
    "net.bridge.bridge-nf-call-iptables": 1,
    # What the kubelet sets by itself: listed to be put back.
    "kernel.panic": 10,
    "kernel.panic_on_oops": 1,
    "vm.overcommit_memory": 1,
    "vm.panic_on_oom": 0,
}


def prepare() -> None:
    """Sets what is not set and remembers what it was. The root mount gets shared, as systemd has it."""
    was = _remembered()
    for name, wanted in {**_MINIMUM, **_EXACT}.items():
        file = _file(name)
        if not file.exists():
            attempt("modprobe", "br_netfilter")
        current = int(file.read_text())
        if current == wanted or (name in _MINIMUM and current > wanted):
            continue
        was.setdefault(name, {"was": current, "now": wanted})
        file.write_text(str(wanted))
    if root_is_private():
        run("mount", "--make-shared", "/")
        was["root_mount"] = {"was": 0, "now": 1}
    _memory().write_text(json.dumps(was))


def restore() -> None:
    """Puts back what `prepare` changed, unless somebody has changed it since."""
    was = _remembered()
    if was.pop("root_mount", None):
        attempt("mount", "--make-private", "/")
    for name, value in was.items():
        file = _file(name)
        if file.exists() and int(file.read_text()) == value["now"]:
            file.write_text(str(value["was"]))
    _memory().unlink(missing_ok=True)


def root_is_private() -> bool:
    """True when mounts made by the host would not show in containers (HostToContainer propagation is refused then)."""
    return (attempt("findmnt", "-n", "-o", "PROPAGATION", "/") or "").strip() == "private"


def _remembered() -> dict[str, dict[str, int]]:
    try:
        known: dict[str, dict[str, int]] = json.loads(_memory().read_text())
        return known
    except (OSError, ValueError):
        return {}


def _memory() -> Path:
    return layout.node_dir() / "kernel.json"


def _file(name: str) -> Path:
    return Path("/proc/sys", *name.split("."))
