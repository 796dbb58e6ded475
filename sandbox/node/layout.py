"""Names, addresses and places of the node; the native files beside this module are filled in from here."""

from pathlib import Path
from string import Template

from sandbox.paths import state_dir

NODE_NAME = "sandbox"
NODE_IP = "10.111.0.1"
NODE_CIDR = "10.111.0.0/24"
POD_CIDR = "10.112.0.0/16"
SERVICE_CIDR = "10.113.0.0/16"
NODE_BRIDGE = "obs0"
POD_BRIDGE = "obs-pods0"
CNI_NETWORK = "observability-sandbox"
STORAGE_CLASS = "sandbox-local"
PROVISIONER = "sandbox.observability-stack/loop-file"

# Sockets stay outside the state folder: a path of a Unix socket may have 107 characters, and a home folder can be deep.
RUN_DIR = Path("/run/observability-stack")
CONTAINERD_SOCKET = RUN_DIR / "containerd.sock"

# Where kubeadm and the kubelet keep their files is theirs to say.
KUBERNETES_DIR = Path("/etc/kubernetes")
KUBELET_DIR = Path("/var/lib/kubelet")
ADMIN_CONF = KUBERNETES_DIR / "admin.conf"
# Tells our cluster from somebody else's: holds the state folder that it belongs to.
MARKER = KUBERNETES_DIR / "observability-stack-sandbox"

# The node's processes by the names under which sandbox.processes keeps them, in the order they are ended.
VOLUMES, KUBE_PROXY, KUBELET, CONTAINERD = PROCESSES = ("node-volumes", "kube-proxy", "kubelet", "containerd")

_CONFIGS = Path(__file__).parent


def node_dir() -> Path:
    """Everything of the real node that is not at a fixed place of Kubernetes."""
    return state_dir() / "node"


def volumes_dir() -> Path:
    """The files that play the disks, and where they are mounted."""
    return node_dir() / "volumes"


def is_ours() -> bool:
    """True when the Kubernetes files of this machine belong to this state folder."""
    try:
        return MARKER.read_text().strip() == str(state_dir())
    except OSError:
        return False


def config_file(name: str) -> Path:
    """A native file of this package."""
    return _CONFIGS / name


def render(name: str, **values: object) -> str:
    """The native file `name` with the node's addresses and `values` filled in. KeyError when a value is missing."""
    known = {
        "node_name": NODE_NAME,
        "node_ip": NODE_IP,
        "node_cidr": NODE_CIDR,
        "pod_cidr": POD_CIDR,
        "service_cidr": SERVICE_CIDR,
        "pod_bridge": POD_BRIDGE,
        "cni_network": CNI_NETWORK,
        "storage_class": STORAGE_CLASS,
        "provisioner": PROVISIONER,
        "run_dir": RUN_DIR,
        "containerd_socket": CONTAINERD_SOCKET,
        "node_dir": node_dir(),
    }
    return Template(config_file(name).read_text()).substitute(known | values)
