"""A cluster whose pods are simulated: kwokctl runs a real API server, scheduler and controllers, as any user.

More than one can run at a time, each under a name and with ports of its own.
"""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from tenacity import retry, retry_if_exception_type, stop_after_attempt

from sandbox import processes, toolchain
from sandbox.errors import SandboxError
from sandbox.node import layout
from sandbox.node.commands import attempt, environment, kubectl, program, run
from sandbox.paths import repo_root, state_dir
from sandbox.toolchain.table import groups

PROGRAMS = ("kwokctl", "kwok", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
# The size of a usual machine of a cloud, so that what would not fit there stays pending here too.
NODES, NODE_CPUS, NODE_MEMORY_GIB, NODE_PODS = 3, 4, 16, 110
_COMPONENTS = {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok-controller"}
_UP_SECONDS = 120


def up(name: str) -> Path:
    """Makes the cluster, or starts what of it is not running; returns the path of its kubeconfig.

    Raises SandboxError with kwokctl's words when it does not come up.
    """
    toolchain.ensure(PROGRAMS)
    config = kubeconfig(name)
    if not ready(name):
        _create(name, config)
    _provisioner(name, config)
    return config


def down(name: str) -> None:
    """Ends the cluster and removes its data; does nothing when there is none."""
    processes.stop(_volumes(name))
    if _folder(name).exists():
        attempt(*_kwokctl_command(name, "delete", "cluster", "--kubeconfig", kubeconfig(name)), env=_environment(name))
        for process in _running(name).values():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        shutil.rmtree(_folder(name), ignore_errors=True)


def names() -> list[str]:
    """The clusters there are."""
    return sorted(folder.name for folder in (state_dir() / "simulated").glob("*"))


def kubeconfig(name: str) -> Path:
    """Where the cluster's kubeconfig is while it exists."""
    return _folder(name) / "kubeconfig"


def ready(name: str) -> bool:
    """True when it was made to the end, its API server answers and all its programs run."""
    if not _made(name).exists():
        return False
    answer = attempt(
        program("kubectl"), "--kubeconfig", kubeconfig(name), "--request-timeout=5s", "get", "--raw", "/readyz"
    )
    return answer == "ok" and _running(name).keys() >= _COMPONENTS


@contextmanager
def cluster(name: str) -> Iterator[Path]:
    """A fresh cluster for the length of a `with` block; yields the path of its kubeconfig."""
    down(name)
    try:
        yield up(name)
    finally:
        down(name)


# On a machine that is very busy kwok's controller gives up waiting for the API server.
@retry(retry=retry_if_exception_type(SandboxError), stop=stop_after_attempt(2), reraise=True)
def _create(name: str, config: Path) -> None:
    # What is left of a cluster after a reboot or a kill is not worth mending: a new one takes seconds.
    down(name)
    _folder(name).mkdir(parents=True)
    options = _folder(name) / "kwokctl.yaml"
    options.write_text(
        layout.render("kwokctl.yaml", bin=toolchain.bin_dir(), kubernetes_version=groups()["kubernetes"].version)
    )
    config.touch(mode=0o600)
    _kwokctl(name, "create", "cluster", "--config", options, "--kubeconfig", config, "--wait", f"{_UP_SECONDS}s")
    missing = _COMPONENTS - _running(name).keys()
    if missing:
        raise SandboxError(f"{', '.join(sorted(missing))} ended while cluster {name} was made; try again")
    sizes = (f"cpu={NODE_CPUS}", f'memory="{NODE_MEMORY_GIB}Gi"', f"pods={NODE_PODS}")
    parameters = [word for size in sizes for word in ("--param", f".allocatable.{size}")]
    _kwokctl(name, "scale", "node", "--replicas", str(NODES), *parameters)
    kubectl(config, "wait", "--for=condition=Ready", "node", "--all", "--timeout=60s", timeout_seconds=90)
    kubectl(config, "apply", "-f", "-", text=layout.render("storage-class.yaml"))
    _made(name).touch()


def _provisioner(name: str, config: Path) -> None:
    argv = [sys.executable, "-m", "sandbox.node.volumes", str(config), "simulated"]
    processes.start(_volumes(name), argv, cwd=repo_root())


def _kwokctl(name: str, *args: str | Path) -> None:
    run(*_kwokctl_command(name, *args), env=_environment(name), timeout_seconds=_UP_SECONDS + 30)


def _kwokctl_command(name: str, *args: str | Path) -> list[str | Path]:
    return [program("kwokctl"), "--name", name, *args]


def _environment(name: str) -> dict[str, str]:
    """kwokctl keeps everything below its work folder and looks for kubectl on PATH."""
    return {
        "KWOK_WORKDIR": str(_folder(name)),
        "HOME": str(_folder(name)),
        "PATH": f"{toolchain.bin_dir()}:{environment()['PATH']}",
    }


def _running(name: str) -> dict[str, psutil.Process]:
    """The cluster's programs that are alive, by name: each was started through a link in its own folder."""
    folder = str(_folder(name) / "clusters" / name / "bin")
    commands = {process: process.info["cmdline"] or [""] for process in psutil.process_iter(["cmdline"])}
    return {Path(words[0]).name: process for process, words in commands.items() if words[0].startswith(folder)}


def _made(name: str) -> Path:
    return _folder(name) / "made"


def _volumes(name: str) -> str:
    return f"{name}-volumes"


def _folder(name: str) -> Path:
    if not name.replace("-", "").isalnum():
        raise SandboxError(f"{name!r} is no name for a cluster; write letters, digits and dashes")
    return state_dir() / "simulated" / name
