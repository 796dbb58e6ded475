"""A real blackbox exporter with the stack's own modules says when a certificate expires; of a closed port, nothing."""

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from cryptography import x509

from rendering.declarations import load_platform
from rendering.profiles import Profile
from rendering.scrape import CERTIFICATES_JOB, PrometheusConfigArgs, scrape_jobs
from sandbox.aws import certificates
from sandbox.paths import repo_root
from sandbox.toolchain import binary
from tests.native.loki_process import free_port
from tests.waiting import eventually

HOST = "127.0.0.1"
CONFIGS = repo_root() / "configs"
EXPIRY = "probe_ssl_earliest_cert_expiry"


@contextmanager
def served(folder: Path) -> Iterator[int]:
    """A port that speaks TLS with a certificate of an authority of its own, and asks for a login by saying nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "node.pem", folder / "node-key.pem")
    with socket.create_server((HOST, 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                    context.wrap_socket(connection, server_side=True).close()
                except ssl.SSLError:
                    continue
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]


@pytest.fixture
def exporter() -> Iterator[str]:
    port = free_port()
    argv = [
        str(binary("blackbox_exporter")),
        f"--config.file={CONFIGS / 'prometheus' / 'blackbox.yaml'}",
        f"--web.listen-address={HOST}:{port}",
    ]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        url = f"http://{HOST}:{port}"
        eventually(lambda: httpx.get(f"{url}/-/healthy", trust_env=False).is_success, 30, 0.2)
        yield url
        process.terminate()


def probed(exporter: str, port: int) -> dict[str, float]:
    """What the exporter answers when it is asked as the job asks it."""
    args = PrometheusConfigArgs(
        cluster="c",
        environment="test",
        profile=Profile.SANDBOX,
        alertmanagers=("alertmanager:9093",),
        retention_days=30,
        retention_size_mib=8192,
        certificates={"test": f"https://{HOST}:{port}"},
    )
    jobs = {job.name: job.render() for job in scrape_jobs(load_platform(CONFIGS / "services.yaml"), args)}
    job = jobs[CERTIFICATES_JOB]
    asked = {"module": job["params"]["module"][0], "target": job["static_configs"][0]["targets"][0]}
    lines = (
        httpx.get(exporter + job["metrics_path"], params=asked, trust_env=False).raise_for_status().text.splitlines()
    )
    return {line.split()[0]: float(line.split()[1]) for line in lines if line.startswith("probe_") and "{" not in line}


def test_a_handshake_tells_when_the_certificate_expires(exporter: str, tmp_path: Path) -> None:
    certificates.ensure(tmp_path, HOST)
    node = x509.load_pem_x509_certificate((tmp_path / "node.pem").read_bytes())
    with served(tmp_path) as port:
        found = probed(exporter, port)
    assert found["probe_success"] == 1
    assert found[EXPIRY] == pytest.approx(node.not_valid_after_utc.timestamp(), abs=60)
    assert found[EXPIRY] - time.time() > 14 * 86400, "CertificateExpiresSoon would stand on a fresh sandbox"


def test_without_a_handshake_there_is_no_date_and_the_probe_fails(exporter: str) -> None:
    found = probed(exporter, free_port())
    assert found["probe_success"] == 0
    assert EXPIRY not in found
