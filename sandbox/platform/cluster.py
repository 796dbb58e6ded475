"""The declared platform and the cluster it runs on, as the other modules here ask for them."""

from rendering.declarations import Platform, load_platform
from sandbox import node
from sandbox.errors import SandboxError
from sandbox.node import commands
from sandbox.paths import repo_root


def declared() -> Platform:
    """The platform of configs/services.yaml."""
    return load_platform(repo_root() / "configs" / "services.yaml")


def kubectl(*args: str, text: str | None = None, timeout_seconds: float = 60) -> str:
    """Runs kubectl on the node that is up and returns its output. Raises SandboxError."""
    return commands.kubectl(node.kubeconfig(), *args, text=text, timeout_seconds=timeout_seconds)


def reachable() -> bool:
    """True when there is a node and its API server answers."""
    try:
        kubectl("get", "--raw", "/readyz", timeout_seconds=15)
    except SandboxError:
        return False
    return True
