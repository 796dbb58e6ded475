"""Ports shut for a while, to play an outage: iptables rules that bear our mark and are gone with `open_all`."""

import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.errors import SandboxError

_MARK = "observability-stack-outage"


@contextmanager
def closed(host: str, port: int) -> Iterator[None]:
    """Whoever calls the port is refused while the block runs, on connections that are open already too.

    Raises SandboxError without root or without iptables.
    """
    rule = ["-d", host, "-p", "tcp", "--dport", str(port), "-m", "comment", "--comment", _MARK]
    rule += ["-j", "REJECT", "--reject-with", "tcp-reset"]
    _iptables("-I", "INPUT", "1", *rule)
    try:
        yield
    finally:
        _iptables("-D", "INPUT", *rule)


def open_all() -> None:
    """Removes every rule of ours, also those that a killed run has left behind."""
    if shutil.which("iptables") is None:
        return
    listed = subprocess.run(["iptables", "-w", "-S", "INPUT"], capture_output=True, text=True, check=False)
    for rule in left_behind(listed.stdout):
        _iptables("-D", *rule)


def left_behind(listed: str) -> list[list[str]]:
    """Our rules out of what `iptables -S` prints, as arguments that name them."""
    return [shlex.split(line)[1:] for line in listed.splitlines() if _MARK in line]


def _iptables(*arguments: str) -> None:
    try:
        subprocess.run(["iptables", "-w", *arguments], capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise SandboxError("an outage needs iptables; on Debian: apt-get install iptables") from None
    except subprocess.CalledProcessError as error:
        raise SandboxError(f"an outage needs root and iptables: {error.stderr.strip()}") from error
