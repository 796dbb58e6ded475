"""JaegerSamplingFailing: what a real blackbox exporter, asked as Prometheus asks it, says of a real Jaeger."""

import subprocess
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from rendering.profiles import Profile
from rendering.scrape import PrometheusConfigArgs, scrape_jobs
from sandbox.toolchain import binary
from tests.http_server import serving
from tests.native.jaeger_process import CONFIGS, PLATFORM, running_jaeger
from tests.native.loki_process import free_port
from tests.waiting import eventually

ARGS = PrometheusConfigArgs(
    cluster="c",
    environment="test",
    profile=Profile.SANDBOX,
    alertmanagers=("alertmanager:9093",),
    retention_days=1,
    retention_size_mib=512,
)
[PROBE] = [job.render() for job in scrape_jobs(PLATFORM, ARGS) if job.name == "blackbox-sampling"]
Probe = Callable[[str], bool]


class Nothing(BaseHTTPRequestHandler):
    """200, and no rate."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def probe() -> Iterator[Probe]:
    """Whether the probe of the sampling endpoint succeeds, with this in the place of Jaeger's address."""
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [
            binary("blackbox_exporter"),
            f"--config.file={CONFIGS / 'prometheus' / 'blackbox.yaml'}",
            f"--web.listen-address={address}",
        ]
    )
    [target] = PROBE["static_configs"][0]["targets"]
    asked = urlsplit(target)

    def succeeds(jaeger: str) -> bool:
        params = {"module": PROBE["params"]["module"][0], "target": f"{jaeger}{asked.path}?{asked.query}"}
        lines = (
            httpx.get(f"http://{address}{PROBE['metrics_path']}", params=params).raise_for_status().text.splitlines()
        )
        return "probe_success 1" in lines

    try:
        eventually(lambda: httpx.get(f"http://{address}/-/healthy").status_code == 200, 20, 0.2)
        yield succeeds
    finally:
        process.kill()
        process.wait()


def test_a_jaeger_that_names_a_rate_passes(probe: Probe, tmp_path: Path) -> None:
    with running_jaeger(tmp_path) as jaeger:
        assert probe(jaeger.urls["sampling"])
        assert not probe(jaeger.urls["query"])  # whose pages are other ones


def test_an_answer_without_a_rate_fails(probe: Probe) -> None:
    with serving(Nothing) as url:
        assert not probe(url)


def test_no_answer_fails(probe: Probe) -> None:
    assert not probe(f"http://127.0.0.1:{free_port()}")
