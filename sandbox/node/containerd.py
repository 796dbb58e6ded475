"""The container runtime: the machine's containerd program with folders and a socket of the sandbox's own."""

import json
import shutil
import tarfile
from collections.abc import Iterable
from pathlib import Path

from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from sandbox import processes
from sandbox.errors import SandboxError
from sandbox.node import layout
from sandbox.node.commands import environment, run

_NAMESPACE = "k8s.io"
_REF_KEYS = ("io.containerd.image.name", "org.opencontainers.image.ref.name")


def start(pause_image: str) -> None:
    """Starts containerd unless it is alive, and waits until it answers."""
    if not processes.alive(layout.CONTAINERD):
        _start(pause_image)
    _wait()


def import_images(archives: Iterable[Path]) -> None:
    """Imports OCI image archives under the names they carry, leaving out those that are there already."""
    present = _present()
    for archive in archives:
        wanted = image_digests(archive)
        if wanted and wanted.items() <= present.items():
            continue
        _ctr("images", "import", "--all-platforms", archive)


def image_digests(archive: Path) -> dict[str, str]:
    """Image name -> digest as the archive's index says; empty when it has none (docker's own format)."""
    with tarfile.open(archive) as tar:
        try:
            index = tar.extractfile("index.json")
        except KeyError:
            return {}
        manifests = json.load(index)["manifests"] if index else []
    found = {}
    for manifest in manifests:
        annotations = manifest.get("annotations", {})
        name = next((annotations[key] for key in _REF_KEYS if "/" in annotations.get(key, "")), None)
        if name is None:
            return {}
        found[name] = manifest["digest"]
    return found


def _present() -> dict[str, str]:
    lines = _ctr("images", "list").splitlines()[1:]
    return {words[0]: words[2] for words in (line.split() for line in lines)}


def _ctr(*args: str | Path) -> str:
    return run("ctr", "--address", layout.CONTAINERD_SOCKET, "--namespace", _NAMESPACE, *args, timeout_seconds=300)


@retry(retry=retry_if_exception_type(SandboxError), stop=stop_after_delay(30), wait=wait_fixed(0.3), reraise=True)
def _wait() -> None:
    if not processes.alive(layout.CONTAINERD):
        raise SandboxError(f"containerd ended while it was starting; see {processes.log_path(layout.CONTAINERD)}")
    _ctr("version")


def _start(pause_image: str) -> None:
    layout.RUN_DIR.mkdir(mode=0o711, parents=True, exist_ok=True)
    config = layout.node_dir() / "containerd.toml"
    config.write_text(layout.render("containerd.toml", pause_image=pause_image))
    program = shutil.which("containerd", path=environment()["PATH"])
    if program is None:
        raise SandboxError("containerd is not on PATH although its package is installed; look at `dpkg -L containerd`")
    processes.start(layout.CONTAINERD, [program, "--config", str(config)], env=environment())
