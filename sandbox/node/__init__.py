"""The Kubernetes node of the sandbox: a real one made by kubeadm, or a simulated one made by kwokctl."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.node import containerd, layout, real, simulated, teardown

SIMULATED = "sandbox"

__all__ = ["down", "import_images", "is_simulated", "kubeconfig", "leftovers", "simulated_cluster", "status", "up"]


def up(simulated_node: bool = False) -> None:
    """Brings the node up, mends what of it has died, or does nothing in seconds when it is well.

    Raises SandboxError, one line, when this machine cannot be the node or the other kind of node is up.
    """
    other = real.exists() if simulated_node else is_simulated()
    if other:
        kind = "a real" if simulated_node else "a simulated"
        raise SandboxError(f"{kind} node is up; end it first: python -m sandbox down")
    if simulated_node:
        simulated.up(SIMULATED)
    else:
        real.up()


def down() -> None:
    """Ends the node and every simulated cluster, leaving nothing. Raises SandboxError naming what would not go."""
    for name in simulated.names():
        simulated.down(name)
    if real.exists():
        real.down()


def status() -> str | None:
    """The node in one line; None when there is none."""
    if is_simulated():
        state = "ready" if simulated.ready(SIMULATED) else "not ready; run up again"
        return f"simulated node (kwok): {state}; the API, admission and controllers are real, pods do not run"
    return real.status() if real.exists() else None


def is_simulated() -> bool:
    """True while the node that is up is the simulated one: pods look Running but do not run."""
    return SIMULATED in simulated.names()


def kubeconfig() -> Path:
    """The administrator's kubeconfig (mode 0600) of the node that is up. Raises SandboxError when there is none."""
    path = simulated.kubeconfig(SIMULATED) if is_simulated() else layout.node_dir() / "kubeconfig"
    if not path.exists():
        raise SandboxError("no node is up; bring it up first: python -m sandbox up")
    return path


def import_images(paths: Iterable[Path]) -> None:
    """Makes images from OCI archives known to the node, those that it lacks. A simulated node needs none."""
    if not is_simulated():
        containerd.import_images(paths)


def leftovers() -> list[str]:
    """What of a real node is on this machine, a line for each thing; empty after `down`."""
    return teardown.leftovers()


def simulated_cluster(name: str) -> AbstractContextManager[Path]:
    """A fresh simulated cluster for the length of a `with` block, beside whatever else runs; yields its kubeconfig."""
    return simulated.cluster(name)
