"""The real node from end to end: what runs is kept, what died is started again, what cannot be mended is made anew."""

import hashlib
import sys

from sandbox import processes, toolchain
from sandbox.errors import SandboxError
from sandbox.node import containerd, control_plane, disks, kernel, layout, network, preflight, teardown
from sandbox.node.commands import attempt, program
from sandbox.paths import repo_root
from sandbox.toolchain import debian, images

PACKAGES = (
    "containerd",
    "runc",
    "containernetworking-plugins",
    "iptables",
    "conntrack",
    "ethtool",
    "socat",
    "iproute2",
    "mount",
    "util-linux",
    "xfsprogs",
)
RECOVERY_SECONDS = 90


def up() -> None:
    """See `sandbox.node.up`."""
    preflight.check_machine()
    if _well():
        return
    if not exists():
        preflight.check_room()  # before an hour of building, and again below
    debian.ensure(PACKAGES)
    toolchain.ensure([*control_plane.PROGRAMS])
    if exists() and not (control_plane.initialised() and _unchanged() and _recovered()):
        print("the node cannot be mended; a new one is made, what was in it is gone", file=sys.stderr)
        teardown.remove_all()
    if not exists():
        preflight.check_room()
        _create()


def down() -> None:
    """See `sandbox.node.down`."""
    preflight.refuse_foreign_node()
    teardown.remove_all()
    left = teardown.leftovers()
    if left:
        raise SandboxError(f"down left {len(left)} thing(s), run it again or reboot: {'; '.join(left[:5])}")


def exists() -> bool:
    """True when there is a node of ours here, in whatever state."""
    return layout.is_ours() or layout.node_dir().exists()


def status() -> str:
    """One line."""
    if not control_plane.ready():
        dead = [name for name in layout.PROCESSES if not processes.alive(name)]
        return f"real node (kubeadm): not ready{', not running: ' + ', '.join(dead) if dead else ''}; run up again"
    config = layout.node_dir() / "kubeconfig"
    pods = (attempt(program("kubectl"), "--kubeconfig", config, "get", "pods", "-A", "--no-headers") or "").splitlines()
    running = sum(" Running " in line for line in pods)
    return f"real node (kubeadm): ready at {layout.NODE_IP}, {running} of {len(pods)} pods running"


def _create() -> None:
    layout.node_dir().mkdir(parents=True, mode=0o700)
    try:
        _ground()
        archives = images.ensure(control_plane.images())
        containerd.import_images(archives.values())
        control_plane.create()
        _finish()
        if not control_plane.wait_ready(control_plane.READY_SECONDS):
            raise SandboxError(f"the node was made but does not get ready; see {processes.log_path(layout.KUBELET)}")
    except BaseException:
        # Logs are outside the node's folder and stay; a half-made cluster would only be in the way.
        teardown.remove_all()
        raise


def _recovered() -> bool:
    """Starts what is not running, twice if need be; False when the cluster does not get well."""
    for _ in range(2):
        _ground()
        disks.mount_all()
        control_plane.start_kubelet()
        control_plane.start_kube_proxy()
        _finish()
        if control_plane.wait_ready(RECOVERY_SECONDS):
            return True
    return False


def _ground() -> None:
    """What everything else stands on."""
    kernel.prepare()
    network.up()
    network.write_resolv_conf()
    (layout.node_dir() / "made-with").write_text(_fingerprint())
    pause = next(ref for ref in control_plane.images() if "/pause:" in ref)
    containerd.start(pause)


def _finish() -> None:
    config = layout.node_dir() / "kubeconfig"
    argv = [sys.executable, "-m", "sandbox.node.volumes", str(config), "real"]
    processes.start(layout.VOLUMES, argv, cwd=repo_root())


def _well() -> bool:
    alive = all(processes.alive(name) for name in layout.PROCESSES)
    return alive and control_plane.initialised() and layout.NODE_BRIDGE in network.devices() and control_plane.ready()


def _unchanged() -> bool:
    """False when kubeadm would be given something else today: a cluster of old is not bent into the new shape."""
    made_with = layout.node_dir() / "made-with"
    return made_with.exists() and made_with.read_text() == _fingerprint()


def _fingerprint() -> str:
    return hashlib.sha256(control_plane.kubeadm_config().read_bytes()).hexdigest()
