"""Is the store ready to take spans?"""

import ssl
import time
from pathlib import Path

import httpx

from sandbox import processes
from sandbox.errors import SandboxError

_LOG_LINES = 15


def client(url: str, certificates: Path) -> httpx.Client:
    """An HTTP client for the store; on TLS it is the store's administrator."""
    if not url.startswith("https:"):
        return httpx.Client(base_url=url, timeout=10, trust_env=False)
    context = ssl.create_default_context(cafile=certificates / "ca.pem")
    context.load_cert_chain(certificates / "administrator.pem", certificates / "administrator-key.pem")
    return httpx.Client(base_url=url, timeout=10, trust_env=False, verify=context)


def wait_ready(url: str, certificates: Path, timeout_seconds: float, name: str) -> None:
    """Waits until the cluster answers that it is at least yellow (one node never gets greener with replicas).

    Raises SandboxError with the end of the log when the process ends or the time is over.
    """
    deadline = time.monotonic() + timeout_seconds
    with client(url, certificates) as store:
        while time.monotonic() < deadline:
            if not processes.alive(name):
                raise SandboxError(f"{name} ended while it was starting; its log says:\n{_log_end(name)}")
            try:
                if _ready(store, secure=url.startswith("https:")):
                    return
            except (httpx.HTTPError, ValueError, KeyError):
                pass
            time.sleep(0.5)
    raise SandboxError(f"{name} was not ready at {url} in {timeout_seconds:.0f} s; its log says:\n{_log_end(name)}")


def _ready(store: httpx.Client, *, secure: bool) -> bool:
    answer = store.get("/_cluster/health")
    if answer.status_code != httpx.codes.OK or answer.json()["status"] == "red":
        return False
    # The plugin lets its administrator in before it has read its users.
    return not secure or store.get("/_plugins/_security/health").json()["status"] == "UP"


def _log_end(name: str) -> str:
    return "\n".join(processes.log_path(name).read_text(errors="replace").splitlines()[-_LOG_LINES:])
