"""Does the node tell its own things on the machine from other people's?"""

import io
import json
import tarfile
from pathlib import Path

import pytest

from sandbox.errors import SandboxError
from sandbox.node import containerd, layout, network, simulated, teardown

RULES = """*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
:KUBE-SERVICES - [0:0]
:CNI-HOSTPORT-DNAT - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A FORWARD -s 10.112.0.0/16 -m comment --comment observability-stack -j ACCEPT
-A CNI-HOSTPORT-DNAT -j RETURN
COMMIT
"""


def test_only_our_rules_are_taken_away() -> None:
    assert network.without_ours(RULES).splitlines() == [
        "*nat",
        ":PREROUTING ACCEPT [0:0]",
        ":DOCKER - [0:0]",
        "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
        "COMMIT",
    ]


def test_name_servers_on_loopback_are_left_out() -> None:
    assert network.without_loopback("search a.b\nnameserver 127.0.0.53\nnameserver 192.0.2.1\n") == (
        "search a.b\nnameserver 192.0.2.1\n"
    )


def test_without_any_name_server_one_that_refuses_is_named() -> None:
    assert network.without_loopback("nameserver ::1\n") == f"nameserver {layout.NODE_IP}\n"


def test_our_programs_are_told_by_name_and_place() -> None:
    config = str(layout.node_dir() / "containerd.toml")
    assert teardown.is_node_program(["/usr/bin/containerd", "--config", config])
    assert teardown.is_node_program(["/x/containerd-shim-runc-v2", "-address", str(layout.CONTAINERD_SOCKET)])
    assert teardown.is_node_program(["python", "-m", "sandbox.node.volumes", str(layout.node_dir() / "kubeconfig")])


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["/usr/bin/containerd"],
        ["/usr/bin/containerd-shim-runc-v2", "-address", "/run/containerd/containerd.sock"],
        ["tail", "-f", str(layout.node_dir() / "containerd.toml")],
        ["bash", "-c", f"kubectl --kubeconfig {layout.node_dir()}/kubeconfig get pods"],
    ],
)
def test_other_peoples_programs_are_not_ours(words: list[str]) -> None:
    assert not teardown.is_node_program(words)


def test_an_archives_images_are_read_from_its_index(tmp_path: Path) -> None:
    annotations = {"io.containerd.image.name": "docker.io/library/busybox:1.35.0"}
    index = {"manifests": [{"digest": "sha256:abc", "annotations": annotations}]}
    archive = _archive(tmp_path, "index.json", index)
    assert containerd.image_digests(archive) == {"docker.io/library/busybox:1.35.0": "sha256:abc"}


def test_an_archive_without_index_says_nothing(tmp_path: Path) -> None:
    assert containerd.image_digests(_archive(tmp_path, "manifest.json", [])) == {}


def test_a_clusters_name_cannot_leave_its_folder() -> None:
    with pytest.raises(SandboxError, match=r"'\.\./x' is no name for a cluster"):
        simulated.down("../x")


def _archive(folder: Path, name: str, content: object) -> Path:
    data = json.dumps(content).encode()
    path = folder / "image.tar"
    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    return path
