"""The node's own bridge, and what pods and kube-proxy leave in the kernel's tables."""

import ipaddress
import json
import re
from pathlib import Path

from sandbox.node import layout
from sandbox.node.commands import attempt, run

_FILTERS = (("iptables-save", "iptables-restore"), ("ip6tables-save", "ip6tables-restore"))
# kube-proxy, the kubelet and the CNI plugins name all their chains like this; our own rules carry the comment.
_COMMENT = "observability-stack"
_OURS = re.compile(rf"(^:|-A |-j |-g )(KUBE-|CNI-)|--comment {_COMMENT}")


def up() -> None:
    """Makes the bridge with the node's address, which exists whatever becomes of the machine's other devices."""
    if layout.NODE_BRIDGE not in devices():
        run("ip", "link", "add", layout.NODE_BRIDGE, "type", "bridge")
    prefix = ipaddress.ip_network(layout.NODE_CIDR).prefixlen
    run("ip", "address", "replace", f"{layout.NODE_IP}/{prefix}", "dev", layout.NODE_BRIDGE)
    run("ip", "link", "set", layout.NODE_BRIDGE, "up")
    # Docker's policy for forwarding is to drop. Last in the chain: kube-proxy's refusals come first.
    for end in ("-s", "-d"):
        _forward("-A", end, layout.POD_CIDR, "-j", "ACCEPT")
    # An address of a Service that is gone would be looked for outside, where something may answer: who had a connection
    # to it would keep that for ever. Before all else, for what a Service still has is no longer addressed to it here.
    _forward("-I", "-d", layout.SERVICE_CIDR, "-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset")
    configs = layout.node_dir() / "cni"
    configs.mkdir(parents=True, exist_ok=True)
    (configs / "10-sandbox.conflist").write_text(layout.render("cni.conflist"))


def _forward(how: str, *rule: str) -> None:
    """A rule for forwarded packets, where it is not there yet; `how`: -I before all others, -A after them."""
    marked = ("FORWARD", "-m", "comment", "--comment", _COMMENT, *rule)
    if attempt("iptables", "-w", "-C", *marked) is None:
        run("iptables", "-w", how, *marked)


def down() -> None:
    """Removes both bridges, the pods' ends of their cables, and all rules of Kubernetes and CNI."""
    for device in devices():
        attempt("ip", "link", "delete", device)
    for save, restore in _FILTERS:
        rules = attempt(save) or ""
        if _OURS.search(rules):
            run(restore, text=without_ours(rules))


def devices() -> list[str]:
    """The network devices of the node that exist: cables first, so that they go before their bridge."""
    links = json.loads(attempt("ip", "-json", "link", "show") or "[]")
    bridges = (layout.POD_BRIDGE, layout.NODE_BRIDGE)
    cables = [link["ifname"] for link in links if link.get("master") in bridges]
    return cables + [link["ifname"] for link in links if link["ifname"] in bridges]


def without_ours(rules: str) -> str:
    """What iptables-save printed, less the rules and chains of Kubernetes, CNI and ourselves."""
    return "\n".join(line for line in rules.splitlines() if not _OURS.search(line)) + "\n"


def chains() -> list[str]:
    """The chains of Kubernetes and CNI that exist, and the chains that hold a rule of ours."""
    found = []
    for save, _ in _FILTERS:
        rules = attempt(save) or ""
        lines = [line for line in rules.splitlines() if _OURS.search(line)]
        found += [line.split()[0][1:] for line in lines if line.startswith(":")]
        found += [line.split()[1] for line in lines if _COMMENT in line]
    return found


def write_resolv_conf() -> None:
    """Writes the file that pods' name resolution goes on to for names from outside."""
    source = Path("/etc/resolv.conf")
    systemd = Path("/run/systemd/resolve/resolv.conf")
    if "127.0.0.53" in source.read_text() and systemd.exists():
        source = systemd
    (layout.node_dir() / "resolv.conf").write_text(without_loopback(source.read_text()))


def without_loopback(resolv_conf: str) -> str:
    """The name servers less those on loopback, which mean something else inside a pod."""
    lines = [line for line in resolv_conf.splitlines() if not _loopback(line)]
    if not any(line.startswith("nameserver") for line in lines):
        # CoreDNS wants one; nothing answers there, so names from outside fail at once instead of looping.
        lines.append(f"nameserver {layout.NODE_IP}")
    return "\n".join(lines) + "\n"


def _loopback(line: str) -> bool:
    words = line.split()
    return len(words) > 1 and words[0] == "nameserver" and (words[1].startswith("127.") or words[1] == "::1")
