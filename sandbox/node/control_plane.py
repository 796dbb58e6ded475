"""kubeadm makes the cluster; the kubelet and kube-proxy are started by hand, since there may be no init system."""

import shlex
import shutil
import ssl
import subprocess
import time
from pathlib import Path

import httpx

from sandbox import processes, toolchain
from sandbox.errors import SandboxError
from sandbox.node import layout
from sandbox.node.commands import attempt, environment, kubectl, program, run
from sandbox.paths import state_dir
from sandbox.toolchain.table import groups

PROGRAMS = ("kubeadm", "kubelet", "kube-proxy", "kubectl")
INIT_SECONDS = 300
READY_SECONDS = 120


def kubeadm_config() -> Path:
    """Writes and returns the file that `kubeadm init` reads, with the versions that the toolchain builds."""
    # A copy, so that the file is the same whichever clone writes it.
    patches = layout.node_dir() / "patches"
    shutil.copytree(layout.config_file("patches"), patches, dirs_exist_ok=True)
    text = layout.render(
        "kubeadm.yaml",
        kubernetes_version=groups()["kubernetes"].version,
        coredns_tag=groups()["coredns"].version,
        etcd_tag=f"{groups()['etcd'].release}-0",
        patches_dir=patches,
    )
    file = layout.node_dir() / "kubeadm.yaml"
    file.write_text(text)
    return file


def images() -> list[str]:
    """The images of the control plane, as kubeadm names them, without kube-proxy's (a process of the host here)."""
    listed = run(program("kubeadm"), "config", "images", "list", "--config", kubeadm_config())
    return [ref for ref in listed.split() if "/kube-proxy:" not in ref]


def initialised() -> bool:
    """True when `create` has gone through to its end."""
    return (layout.node_dir() / "initialised").exists()


def create() -> None:
    """A new cluster with certificates of its own. Raises SandboxError with kubeadm's own words when it fails."""
    layout.KUBERNETES_DIR.mkdir(parents=True, exist_ok=True)
    layout.MARKER.write_text(str(state_dir()))
    log_file = processes.log_path("kubeadm")
    argv = [program("kubeadm"), "init", "--config", kubeadm_config(), "--skip-phases=addon/kube-proxy"]
    with log_file.open("wb") as log:
        init = subprocess.Popen(
            [str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment()
        )
        try:
            _attend(init, log_file)
        finally:
            if init.poll() is None:
                init.kill()
                init.wait()
    config = layout.node_dir() / "kubeconfig"
    config.touch(mode=0o600)
    config.write_bytes(layout.ADMIN_CONF.read_bytes())
    _kube_proxy_identity()
    start_kube_proxy()
    kubectl(config, "apply", "-f", "-", text=layout.render("storage-class.yaml"))
    (layout.node_dir() / "initialised").touch()


def start_kubelet() -> None:
    """Starts the kubelet as kubeadm's unit for systemd would."""
    flags = (layout.KUBELET_DIR / "kubeadm-flags.env").read_text().partition("=")[2].strip().strip('"')
    argv = [
        str(program("kubelet")),
        # cAdvisor, inside the kubelet, asks containerd on its own which pod a container belongs to; without an answer
        # container metrics carry no names.
        f"--containerd={layout.CONTAINERD_SOCKET}",
        f"--bootstrap-kubeconfig={layout.KUBERNETES_DIR / 'bootstrap-kubelet.conf'}",
        f"--kubeconfig={layout.KUBERNETES_DIR / 'kubelet.conf'}",
        f"--config={layout.KUBELET_DIR / 'config.yaml'}",
        *shlex.split(flags),
    ]
    processes.start(layout.KUBELET, argv, env=_environment())


def start_kube_proxy() -> None:
    """Starts kube-proxy with its own identity. It ends itself whenever its file is written, so that waits its turn."""
    if processes.alive(layout.KUBE_PROXY):
        return
    config = layout.node_dir() / "kube-proxy.yaml"
    config.write_text(layout.render("kube-proxy.yaml"))
    processes.start(layout.KUBE_PROXY, [str(program("kube-proxy")), f"--config={config}"], env=_environment())


def wait_ready(timeout_seconds: float) -> bool:
    """Waits until the node is Ready and names resolve; False when the time is over or a process has ended."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        if not all(processes.alive(name) for name in layout.PROCESSES):
            return False
        if ready():
            return True
        time.sleep(1)
    return False


def ready() -> bool:
    """True when API server and kubelet say they are well, the node is Ready and CoreDNS serves."""
    if not (api_healthy() and _kubelet_healthy()):
        return False
    config = layout.node_dir() / "kubeconfig"
    ask: list[str | Path] = [program("kubectl"), "--kubeconfig", config, "--request-timeout=5s", "get"]
    state = attempt(*ask, "node", layout.NODE_NAME, "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].status}")
    dns = attempt(*ask, "-n", "kube-system", "deployment", "coredns", "-o", "jsonpath={.status.readyReplicas}")
    return state == "True" and dns not in (None, "", "0")


def api_healthy() -> bool:
    """True when the API server says that it is ready (anybody may ask that, by kubeadm's default)."""
    try:
        context = ssl.create_default_context(cafile=layout.KUBERNETES_DIR / "pki" / "ca.crt")
        answer = httpx.get(f"https://{layout.NODE_IP}:6443/readyz", verify=context, timeout=5, trust_env=False)
    except (httpx.HTTPError, OSError):
        return False
    return answer.status_code == httpx.codes.OK


def _kubelet_healthy() -> bool:
    """A kubelet that was killed a moment ago is not missed by the API server yet."""
    try:
        return httpx.get("http://127.0.0.1:10248/healthz", timeout=5, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _attend(init: "subprocess.Popen[bytes]", log_file: Path) -> None:
    """Starts the kubelet as soon as kubeadm, which waits for it, has written its configuration."""
    deadline = time.monotonic() + INIT_SECONDS
    needed = [layout.KUBELET_DIR / "config.yaml", layout.KUBELET_DIR / "kubeadm-flags.env"]
    while init.poll() is None and time.monotonic() < deadline:
        if all(file.exists() for file in needed) and not processes.alive(layout.KUBELET):
            start_kubelet()
        time.sleep(0.2)
    if init.poll() != 0:
        lines = log_file.read_text(errors="replace").strip().splitlines()
        reason = " / ".join([line.strip() for line in lines if "error" in line.lower()][:3] or lines[-3:])
        raise SandboxError(f"kubeadm init failed (see {log_file} and {processes.log_path(layout.KUBELET)}): {reason}")


def _kube_proxy_identity() -> None:
    """A certificate for the user that Kubernetes' own role for kube-proxy is bound to."""
    config = run(
        program("kubeadm"),
        *("kubeconfig", "user", "--client-name", "system:kube-proxy", "--config", kubeadm_config()),
        env=_environment(),
    )
    file = layout.node_dir() / "kube-proxy.kubeconfig"
    file.touch(mode=0o600)
    file.write_text(config)


def _environment() -> dict[str, str]:
    """Without a proxy, since everything they talk to is on this machine; kubeadm looks for the kubelet on PATH."""
    hosts = f"{layout.NODE_IP},{layout.SERVICE_CIDR},{layout.POD_CIDR},127.0.0.1,localhost"
    path = f"{toolchain.bin_dir()}:{environment()['PATH']}"
    return environment({"NO_PROXY": hosts, "no_proxy": hosts, "PATH": path})
