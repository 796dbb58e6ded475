"""A real OpenSearch 2.19 with its security plugin on an address of its own, and clients of it as the stack has them."""

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from rendering.jaeger import CA_FILE, PASSWORD_FILE, Role
from rendering.span_store import render_role
from sandbox import processes
from sandbox.aws import health, opensearch
from sandbox.paths import repo_root
from tests.native.jaeger_process import JaegerClient, on_loopback, rendered, started

HOST = "127.0.0.3"  # the sandbox's own store may be running on another
PREFIX = "test"
PASSWORD, MASTER_PASSWORD = "q8Zr-unlike-2yP", "Kx71-master-0wT"
USER, MASTER = "jaeger", "administrator"
PROGRAM = repo_root() / "jobs" / "span_store.py"


@dataclass(frozen=True)
class RunningStore:
    """The store, and the folder of files that pods would have mounted."""

    url: str
    files: Path
    administrator: httpx.Client

    def as_jaeger(self) -> httpx.Client:
        """A client as the user that Jaeger logs in as."""
        trust = ssl.create_default_context(cafile=str(self.files / "ca" / "ca.crt"))
        return httpx.Client(base_url=self.url, auth=(USER, PASSWORD), verify=trust, trust_env=False)

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

    def stop(self) -> None:
        processes.stop(opensearch.NAME)

    def start(self) -> None:
        opensearch.up(HOST, secure=True)


@contextmanager
def running_store(folder: Path) -> Iterator[RunningStore]:
    """The store with its administrator, and files for its clients; Jaeger's user is still to be made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        opensearch.up(HOST, secure=True)
        certificates = opensearch.folder() / "config"
        files = folder / "mounted"
        for name, text in {
            "ca/ca.crt": (certificates / "ca.pem").read_text(),
            "login/password": PASSWORD,
            "master/password": MASTER_PASSWORD,
            "users/role.json": render_role("test", PREFIX),
        }.items():
            (files / name).parent.mkdir(parents=True, exist_ok=True)
            (files / name).write_text(text)
        try:
            with health.client(opensearch.url(HOST, secure=True), certificates) as administrator:
                user = {"password": MASTER_PASSWORD, "backend_roles": ["admin"]}
                administrator.put(f"/_plugins/_security/api/internalusers/{MASTER}", json=user).raise_for_status()
                yield RunningStore(opensearch.url(HOST, secure=True), files, administrator)
        finally:
            opensearch.down()


@contextmanager
def jaeger_on(store: RunningStore, folder: Path, role: Role, url: str | None = None) -> Iterator[JaegerClient]:
    """Jaeger with the stack's configuration for this store; `url` goes there by another way."""
    folder.mkdir(exist_ok=True)
    text = rendered(role, username=USER, own_ca=True, index_prefix=PREFIX)
    for mounted in (CA_FILE, PASSWORD_FILE):
        text = text.replace(mounted, str(store.files / Path(mounted).parent.name / Path(mounted).name))
    document, urls = on_loopback(text, folder)
    env: Mapping[str, Any] = {"SPAN_STORE_URL": url or store.url}
    with started(document, urls, folder, env) as client:
        yield client
