"""Real span stores with TLS and users, each on an address of its own, and clients of them as the stack has them."""

import os
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from rendering.jaeger import CA_FILE, PASSWORD_FILE, Role
from rendering.span_store import render_role
from sandbox import processes
from sandbox.aws import health, opensearch
from sandbox.paths import repo_root
from tests.native import elasticsearch_process as elasticsearch
from tests.native.jaeger_process import JaegerClient, on_loopback, rendered, started

Kind = Literal["opensearch", "elasticsearch"]
HOSTS: Mapping[Kind, str] = {  # the sandbox's own store may be running on another
    "opensearch": "127.0.0.3",
    "elasticsearch": "127.0.0.5",
}
PREFIX = "test"
PASSWORD, MASTER_PASSWORD = "q8Zr-unlike-2yP", "Kx71-master-0wT"
USER, MASTER = "jaeger", "administrator"
PROGRAM = repo_root() / "jobs" / "span_store.py"

# What docs/traces.md says that Jaeger's user needs in Elasticsearch.
ELASTICSEARCH_ROLE = {
    "cluster": ["monitor", "manage_index_templates"],
    "indices": [
        {
            "names": [f"{PREFIX}-jaeger-*"],
            "privileges": ["read", "write", "create_index", "view_index_metadata", "delete_index"],
        }
    ],
}


@dataclass(frozen=True)
class RunningStore:
    """The store, and the folder of files that pods would have mounted."""

    kind: Kind
    url: str
    files: Path
    administrator: httpx.Client
    start: Callable[[], None]
    stop: Callable[[], None]

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.files / "ca" / "ca.crt"))

    def as_jaeger(self) -> httpx.Client:
        """A client as the user that Jaeger logs in as."""
        return httpx.Client(base_url=self.url, auth=(USER, PASSWORD), verify=self.trust(), trust_env=False)

    def environment(self, **others: str) -> dict[str, str]:
        """What a pod of jobs/span_store.py has."""
        return {
            "SPAN_STORE_URL": self.url,
            "SPAN_STORE_FILES": str(self.files),
            "SPAN_STORE_USERNAME": USER,
            "SPAN_STORE_MASTER_USERNAME": MASTER,
            "SPAN_STORE_INDEX_PREFIX": PREFIX,
            "SPAN_STORE_SHARDS": "1",
            "SPAN_STORE_REPLICAS": "0",
            **others,
        }

    def run(self, command: str, seconds: float = 90, **others: str) -> subprocess.CompletedProcess[str]:
        """Runs a command of jobs/span_store.py to its end. Raises TimeoutExpired, with what it printed."""
        return subprocess.run(
            [sys.executable, "-u", PROGRAM, command],
            env={**os.environ, **self.environment(**others)},
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )


@contextmanager
def running_store(folder: Path, kind: Kind = "opensearch") -> Iterator[RunningStore]:
    """The store with its administrator and Jaeger's user, and files for its clients."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        files = folder / "mounted"
        for name, text in {
            "login/password": PASSWORD,
            "master/password": MASTER_PASSWORD,
            "users/role.json": render_role("test", PREFIX),
        }.items():
            (files / name).parent.mkdir(parents=True, exist_ok=True)
            (files / name).write_text(text)
        with _opensearch(files) if kind == "opensearch" else _elasticsearch(files) as store:
            yield store


def _trusting(files: Path, certificates: Path) -> None:
    (files / "ca").mkdir()
    (files / "ca" / "ca.crt").write_text((certificates / "ca.pem").read_text())


@contextmanager
def _opensearch(files: Path) -> Iterator[RunningStore]:
    host = HOSTS["opensearch"]

    def start() -> None:
        opensearch.up(host, secure=True)

    try:
        start()
        url, certificates = opensearch.url(host, secure=True), opensearch.folder() / "config"
        _trusting(files, certificates)
        with health.client(url, certificates) as administrator:
            user = {"password": MASTER_PASSWORD, "backend_roles": ["admin"]}
            administrator.put(f"/_plugins/_security/api/internalusers/{MASTER}", json=user).raise_for_status()
            store = RunningStore(
                "opensearch", url, files, administrator, start, lambda: processes.stop(opensearch.NAME)
            )
            done = store.run("users")
            assert done.returncode == 0, done.stderr
            yield store
    finally:
        opensearch.down()


@contextmanager
def _elasticsearch(files: Path) -> Iterator[RunningStore]:
    host, master = HOSTS["elasticsearch"], (MASTER, MASTER_PASSWORD)

    def start() -> None:
        elasticsearch.up(host, master, (USER, PASSWORD), ELASTICSEARCH_ROLE)

    try:
        start()
        _trusting(files, elasticsearch.folder() / "config")
        with elasticsearch.client(host, master) as administrator:
            url = str(administrator.base_url).rstrip("/")
            yield RunningStore("elasticsearch", url, files, administrator, start, elasticsearch.stop)
    finally:
        elasticsearch.down()


@contextmanager
def jaeger_on(
    store: RunningStore, folder: Path, role: Role, url: str | None = None, replicas: int = 0
) -> Iterator[JaegerClient]:
    """Jaeger with the stack's configuration for this store; `url` goes there by another way."""
    folder.mkdir(exist_ok=True)
    text = rendered(role, store_kind=store.kind, username=USER, own_ca=True, index_prefix=PREFIX, replicas=replicas)
    for mounted in (CA_FILE, PASSWORD_FILE):
        text = text.replace(mounted, str(store.files / Path(mounted).parent.name / Path(mounted).name))
    document, urls = on_loopback(text, folder)
    env: Mapping[str, Any] = {"SPAN_STORE_URL": url or store.url}
    with started(document, urls, folder, env) as client:
        yield client
