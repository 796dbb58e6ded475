"""Three OpenSearch nodes as `span_store.mode: in_cluster` makes them, each pod a process with an address of its own.

What a node reads is the stack's own: configs/opensearch/configure.sh fills its folder out of the rendered files. Only
addresses and folders are this machine's.
"""

import os
import re
import ssl
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml

from components.opensearch import CONFIGS, PORT, configuration
from sandbox import processes
from sandbox.aws import java, unprivileged
from sandbox.aws.opensearch import SECURITY, SERVER
from sandbox.toolchain import maven

HOSTS = ("127.0.0.21", "127.0.0.22", "127.0.0.23")
_HEAP_MIB = 384

# As docs/traces.md makes them, with this machine's addresses for names.
_CERTIFICATES = """
openssl req -x509 -newkey rsa:3072 -nodes -days 3650 -subj '/CN=spans authority' -keyout ca-key.pem -out ca.pem
openssl req -newkey rsa:3072 -nodes -subj '/CN=opensearch' -keyout key.pem -out node.csr
printf 'subjectAltName=%s\\nextendedKeyUsage=serverAuth,clientAuth\\n' "$1" >names
openssl x509 -req -in node.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 365 -out node.pem -extfile names
openssl pkcs8 -topk8 -nocrypt -in key.pem -out node-key.pem
"""


@dataclass(frozen=True)
class Node:
    """One pod: its name, its address and the folder in which its paths lie."""

    name: str
    host: str
    folder: Path
    snapshots: Path  # every node's

    def path(self, inside: str) -> str:
        """A path of the pod's, as the process sees it."""
        return f"{unprivileged.seen(self.folder)}{inside}"

    def prepare(self, certificates: Path, master: tuple[str, str]) -> None:
        """What the image ships, and then what the pod's init container does."""
        home = self.folder / "home"
        maven.unpack(SERVER, home)
        maven.unpack(SECURITY, home / "plugins" / "opensearch-security")
        shipped = home / "plugins" / "opensearch-security" / "config"
        shipped.rename(home / "config" / "opensearch-security")
        for name in ("etc/opensearch", "etc/opensearch-key", "conf", "data", "logs", "temporary"):
            (self.folder / name).mkdir(parents=True)
        for name in ("ca.pem", "node.pem"):
            (self.folder / "etc" / "opensearch" / name).write_text((certificates / name).read_text())
        key = self.folder / "etc" / "opensearch-key" / "node-key.pem"
        key.write_text((certificates / "node-key.pem").read_text())
        (self.folder / "etc" / "opensearch" / "opensearch.yml").write_text(self._configuration())
        script = (CONFIGS / "configure.sh").read_text().replace("/usr/share/opensearch", str(home))
        subprocess.run(
            ["sh", "-c", re.sub(r"(?<=[\s>])/(?=conf/|etc/)", f"{self.folder}/", script)],
            env={
                **os.environ,
                "MASTER_USERNAME": master[0],
                "MASTER_PASSWORD": master[1],
                "OPENSEARCH_JAVA_HOME": str(java.home()),
            },
            check=True,
            capture_output=True,
        )

    def _configuration(self) -> str:
        here = {
            "network.host": self.host,
            "path.data": self.path("/data"),
            "path.logs": self.path("/logs"),
            "path.repo": [str(self.snapshots)],
            "discovery.seed_hosts": list(HOSTS),
        }
        return yaml.safe_dump({**yaml.safe_load(configuration(len(HOSTS))), **here})

    def start(self) -> None:
        processes.start(
            self.name,
            unprivileged.command(self.name, self.folder, "home/bin/opensearch"),
            env={
                "NODE_NAME": self.name,
                "OPENSEARCH_JAVA_HOME": str(java.home()),
                "OPENSEARCH_JAVA_OPTS": f"-Xms{_HEAP_MIB}m -Xmx{_HEAP_MIB}m -XX:-UsePerfData",
                "OPENSEARCH_PATH_CONF": self.path("/conf"),
                "OPENSEARCH_TMPDIR": self.path("/temporary"),
            },
        )

    def stop(self) -> None:
        processes.stop(self.name)

    def client(self, certificates: Path, login: tuple[str, str]) -> httpx.Client:
        trust = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
        url = f"https://{self.host}:{PORT}"
        return httpx.Client(base_url=url, auth=login, verify=trust, timeout=30, trust_env=False)


@contextmanager
def running_nodes(folder: Path, certificates: Path, master: tuple[str, str]) -> Iterator[Sequence[Node]]:
    """Three nodes that have been started. `certificates` is filled with the authority's and theirs."""
    certificates.mkdir()
    names = ",".join(f"IP:{host}" for host in HOSTS)
    subprocess.run(["sh", "-ec", _CERTIFICATES, "sh", names], cwd=certificates, check=True, capture_output=True)
    # Not below `folder`: a node sees its own part of that only.
    with tempfile.TemporaryDirectory(prefix="snapshots-") as shared:
        Path(shared).chmod(0o777)
        nodes = [
            Node(f"opensearch-{index}", host, folder / f"node-{index}", Path(shared))
            for index, host in enumerate(HOSTS)
        ]
        try:
            for node in nodes:
                node.prepare(certificates, master)
                node.start()
            yield nodes
        finally:
            for node in nodes:
                node.stop()
