"""Alloy takes the stack's configuration as it is, goes on where Promtail stopped, and waits for a Loki that is away."""

import subprocess
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from rendering import documents
from rendering.collectors import metric_of
from rendering.promtail import NODE_PLACEHOLDER
from sandbox.toolchain import binary
from tests.http_server import serving
from tests.native.collector_process import counted, running_collector, stack_configuration
from tests.native.loki_process import LokiClient, free_port, running_loki
from tests.native.test_log_collectors import cri, pod_labels
from tests.waiting import eventually

pytestmark = pytest.mark.full

READ = metric_of("alloy", "promtail_read_lines_total")
RETRIES = metric_of("alloy", "promtail_batch_retries_total")


def test_it_takes_what_is_rendered_without_a_complaint(tmp_path: Path) -> None:
    config = tmp_path / "promtail.yaml"
    config.write_text(stack_configuration("alloy", mask_emails=True, tenant_id="t", extra_node_files=("/srv/*.log",)))
    done = subprocess.run(
        [binary("alloy"), "convert", "--source-format=promtail", config], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f'field = "spec.nodeName={NODE_PLACEHOLDER}"' in done.stdout
    assert "max_backoff_retries = 0" in done.stdout  # without end


def test_it_asks_for_the_pods_of_its_own_node_alone(tmp_path: Path) -> None:
    """What the API server is asked, by the stack's configuration with the node's name put in."""
    asked: set[str] = set()

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.add(parse_qs(urlsplit(self.path).query).get("fieldSelector", [""])[0])
            answer = b'{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}'
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None: ...

    with serving(Server) as url:
        document = documents.load_text(stack_configuration("alloy").replace(NODE_PLACEHOLDER, "node-7"))
        document["scrape_configs"] = document["scrape_configs"][:1]
        document["scrape_configs"][0]["kubernetes_sd_configs"][0]["api_server"] = url
        config = tmp_path / "promtail.yaml"
        config.write_text(documents.dump(document))
        where = (f"--server.http.listen-addr=127.0.0.1:{free_port()}", f"--storage.path={tmp_path / 'alloy'}")
        command = [str(binary("alloy")), "run", "--config.format=promtail", "--disable-reporting", *where, str(config)]
        with (tmp_path / "alloy.log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                eventually(lambda: asked, 60)
                time.sleep(2)  # it watches after it has listed
            finally:
                process.kill()
    assert asked == {"spec.nodeName=node-7"}


@pytest.fixture
def pod_log(tmp_path: Path) -> Path:
    (tmp_path / "pods").mkdir()
    (tmp_path / "node").mkdir()
    return tmp_path / "pods" / "web.log"


def written(log: Path, *lines: str) -> None:
    with log.open("a") as file:
        file.write(cri(lines, time.time_ns()))


def arrived(loki: LokiClient) -> list[str]:
    now = time.time_ns()
    return [entry.line for entry in loki.entries('{pod="web"}', now - 600 * 10**9, now + 10 * 10**9)]


def test_it_goes_on_where_promtail_stopped(tmp_path: Path, pod_log: Path) -> None:
    pods = {"web": pod_labels("web", "web")}
    with running_loki(tmp_path / "loki") as loki:
        written(pod_log, "one", "two", "three")
        with running_collector("promtail", tmp_path, loki.url, pods):
            eventually(lambda: len(arrived(loki)) == 3, 60)
        written(pod_log, "four", "five")
        with running_collector("alloy", tmp_path, loki.url, pods) as metrics:
            eventually(lambda: len(arrived(loki)) == 5, 60)
            assert sum(counted(metrics, READ).values()) == 2
        assert arrived(loki) == ["one", "two", "three", "four", "five"]


def test_lines_wait_for_a_loki_that_is_away(tmp_path: Path, pod_log: Path) -> None:
    port = free_port()
    written(pod_log, *(f"line {n}" for n in range(50)))
    with running_collector("alloy", tmp_path, f"http://127.0.0.1:{port}", {"web": pod_labels("web", "web")}) as metrics:
        eventually(lambda: sum(counted(metrics, RETRIES).values()) >= 3, 60)
        with running_loki(tmp_path / "loki", http_port=port) as loki:
            eventually(lambda: len(arrived(loki)) == 50, 60)
            assert arrived(loki) == [f"line {n}" for n in range(50)]


@pytest.mark.parametrize(("form", "kept_back"), [('{"message":"line %d"}', 0), ("line %d", 1)], ids=["JSON", "text"])
def test_stopped_it_first_sends_what_it_has_read(tmp_path: Path, pod_log: Path, form: str, kept_back: int) -> None:
    """But for the block of text whose end it does not know yet: Promtail sends that too."""
    lines = [form % number for number in range(200)]
    with running_loki(tmp_path / "loki") as loki:
        with running_collector("alloy", tmp_path, loki.url, {"web": pod_labels("web", "web")}) as metrics:
            written(pod_log, "first")
            eventually(lambda: arrived(loki) == ["first"], 60)
            written(pod_log, *lines)
            eventually(lambda: sum(counted(metrics, READ).values()) == 201, 30, every_seconds=0.02)
        assert arrived(loki)[: 201 - kept_back] == ["first", *lines][: 201 - kept_back]
