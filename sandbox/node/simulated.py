"""A cluster whose pods are simulated: kwokctl runs a real API server, scheduler and controllers, as any user.

More than one can run at a time, each under a name and with ports of its own.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox import processes, toolchain
from sandbox.errors import SandboxError
from sandbox.node import layout
from sandbox.node.commands import attempt, environment, kubectl, program, run
from sandbox.paths import repo_root, state_dir
from sandbox.toolchain.table import groups

PROGRAMS = ("kwokctl", "kwok", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
# The size of a usual machine of a cloud, so that what would not fit there stays pending here too.
NODES, NODE_CPUS, NODE_MEMORY_GIB, NODE_PODS = 3, 4, 16, 110
_UP_SECONDS = 120


def up(name: str) -> Path:
    """Makes the cluster, or starts what of it is not running; returns the path of its kubeconfig.

    Raises SandboxError with kwokctl's words when it does not come up.
    """
    toolchain.ensure(PROGRAMS)
    config = kubeconfig(name)
    if not (config.exists() and ready(name)):
        if _folder(name).exists():
            # What is left of a cluster after a reboot or a kill is not worth mending: a new one takes seconds.
            down(name)
        _create(name, config)
    _provisioner(name, config)
    return config


def down(name: str) -> None:
    """Ends the cluster and removes its data; does nothing when there is none."""
    processes.stop(_volumes(name))
    if _folder(name).exists():
        _kwokctl(name, "delete", "cluster", "--kubeconfig", kubeconfig(name))
        shutil.rmtree(_folder(name), ignore_errors=True)
    kubeconfig(name).unlink(missing_ok=True)
    if _root().exists() and not any((_root() / "clusters").glob("*")):
        shutil.rmtree(_root())


def names() -> list[str]:
    """The clusters there are."""
    return sorted(folder.name for folder in (_root() / "clusters").glob("*"))


def kubeconfig(name: str) -> Path:
    """Where the cluster's kubeconfig is while it exists."""
    return _root() / f"{name}.kubeconfig"


def ready(name: str) -> bool:
    """True when its API server answers and all its programs run."""
    answer = attempt(
        program("kubectl"), "--kubeconfig", kubeconfig(name), "--request-timeout=5s", "get", "--raw", "/readyz"
    )
    pids = [int(file.read_text()) for file in (_folder(name) / "pids").glob("*.pid")]
    return answer == "ok" and len(pids) >= 5 and all(_runs(pid) for pid in pids)


@contextmanager
def cluster(name: str) -> Iterator[Path]:
    """A fresh cluster for the length of a `with` block; yields the path of its kubeconfig."""
    down(name)
    try:
        yield up(name)
    finally:
        down(name)


def _create(name: str, config: Path) -> None:
    _root().mkdir(parents=True, exist_ok=True)
    options = _root() / f"{name}.yaml"
    options.write_text(
        layout.render("kwokctl.yaml", bin=toolchain.bin_dir(), kubernetes_version=groups()["kubernetes"].version)
    )
    config.touch(mode=0o600)
    _kwokctl(name, "create", "cluster", "--config", options, "--kubeconfig", config, "--wait", f"{_UP_SECONDS}s")
    options.unlink()
    sizes = (f"cpu={NODE_CPUS}", f"memory={NODE_MEMORY_GIB}Gi", f"pods={NODE_PODS}")
    parameters = [word for size in sizes for word in ("--param", f".allocatable.{size}")]
    _kwokctl(name, "scale", "node", "--replicas", str(NODES), *parameters)
    kubectl(config, "wait", "--for=condition=Ready", "node", "--all", "--timeout=60s", timeout_seconds=90)
    kubectl(config, "apply", "-f", "-", text=layout.render("storage-class.yaml"))


def _provisioner(name: str, config: Path) -> None:
    argv = [sys.executable, "-m", "sandbox.node.volumes", str(config), "simulated"]
    processes.start(_volumes(name), argv, cwd=repo_root())


def _kwokctl(name: str, *args: str | Path) -> None:
    # kubectl is looked for on PATH first.
    path = f"{toolchain.bin_dir()}:{environment()['PATH']}"
    env = {"KWOK_WORKDIR": str(_root()), "PATH": path, "HOME": str(_root())}
    run(program("kwokctl"), "--name", name, *args, env=env, timeout_seconds=_UP_SECONDS + 30)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _volumes(name: str) -> str:
    return f"{name}-volumes"


def _folder(name: str) -> Path:
    if not name.replace("-", "").isalnum():
        raise SandboxError(f"{name!r} is no name for a cluster; write letters, digits and dashes")
    return _root() / "clusters" / name


def _root() -> Path:
    return state_dir() / "simulated"
