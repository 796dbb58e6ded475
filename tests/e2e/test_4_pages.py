"""Every command of every page works on the running sandbox. Blocks with a mark are typed elsewhere (tests/pages.py)."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox import aws, sinks, stack
from sandbox.platform import client
from sandbox.platform.cluster import kubectl as on_node
from tests.page_commands import (
    CHANGES,
    DUMPS,
    FAULTS,
    FORWARDS,
    IN_CLUSTER,
    LOOKS_BACK,
    READS,
    UNDOES,
    as_python,
    further_faults,
    inline,
    searches,
)
from tests.page_queries import found_in_time
from tests.pages import PAGES, ROOT, TOUR, Block, blocks
from tests.shell import typed
from tests.waiting import eventually

pytestmark = pytest.mark.real_node

BEGAN = time.time()
DEPLOYMENT, TRACES = (ROOT / "docs" / f"{page}.md" for page in ("deployment", "traces"))
BLOCK_SECONDS = 300

Run = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def run(deployed: dict[str, Any], filled: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """In a shell as the README sets it up, at the root of the repository; what it sets, it sets in a copy."""
    environment = {**os.environ, **stack.environment(), "CURL_CA_BUNDLE": str(aws.store_certificates() / "ca.pem")}
    original = environment["PULUMI_OPTION_CONFIG_FILE"]

    def run(text: str) -> "subprocess.CompletedProcess[str]":
        config = tmp_path_factory.mktemp("pages") / "Pulumi.sandbox.yaml"
        shutil.copyfile(original, config)
        environment["PULUMI_OPTION_CONFIG_FILE"] = str(config)
        return typed(filled(text), environment, timeout_seconds=BLOCK_SECONDS)

    return run


@pytest.fixture(scope="module", autouse=True)
def left_as_it_was(deployed: dict[str, Any]) -> Iterator[None]:
    """The pages scale and break services, and look into the node."""
    yield
    on_node("delete", "pods", "-l", "app.kubernetes.io/managed-by=kubectl-debug", timeout_seconds=130)
    for service in ("api-gateway", "costing-service"):
        status = ("rollout", "status", f"deployment/{service}", "--timeout=120s")
        on_node("-n", "dharma", *status, timeout_seconds=130)
    for service in ("api-gateway", "ai-engine"):
        client.clear_faults(service)


@pytest.fixture
def answering(urls: dict[str, str]) -> Iterator[None]:
    """Restarted or restored, Grafana is Ready a moment before its address answers, and the next command may ask it."""
    yield
    eventually(lambda: httpx.get(f"{urls['grafana']}/api/health").is_success, 120)


OUTSIDE_TOUR = tuple(page for page in PAGES if page != TOUR)


@pytest.mark.parametrize("page", [page for page in OUTSIDE_TOUR if blocks("sh", page)], ids=lambda page: page.stem)
def test_the_commands_of_a_page_work(page: Path, run: Run, answering: None) -> None:
    for block in blocks("sh", page):
        if block.is_run:
            done = run(block.text)
            assert done.returncode == 0, f"{block}: {block.text}\n{done.stdout}{done.stderr}"


def test_the_first_alert_is_received_wherever_the_page_says(run: Run) -> None:
    [block] = [block for block in blocks("sh", DEPLOYMENT) if "HandMade" in block.text]
    done = run(block.text)
    assert done.returncode == 0, done.stderr

    def arrived(channel: str) -> list[dict[str, Any]]:
        # Another test makes alerts of its own whose names begin like this one's.
        bodies = sinks.received(channel, since=BEGAN)
        return [body for body in bodies if re.search(r"HandMade\b|An alert by hand", str(body))]

    assert eventually(lambda: [body for body in arrived("slack") if body["channel"] == "#dharma-critical"], 90)
    assert eventually(lambda: arrived("pagerduty"), 90)
    assert eventually(lambda: [mail for mail in arrived("smtp") if "platform-oncall@dharma.example" in mail["to"]], 90)


@pytest.fixture(scope="module")
def all_kinds_of_traces(deployed: dict[str, Any], run: Run) -> None:
    """Failed and slow ones too, few enough to alarm nobody, and a count of who calls whom."""
    for fault in ({"error_rate": 1.0}, {"latency_ms": 700}):
        client.fault("api-gateway", **fault)
        client.burst("/api/v1/blueprints", 5)
        client.clear_faults("api-gateway")
    graph = "kubectl -n monitoring create job pages-graph --from=cronjob/jaeger-dependencies"
    done = run(f"{graph} && kubectl -n monitoring wait job/pages-graph --for=condition=complete --timeout=120s")
    assert done.returncode == 0, done.stderr
    run("kubectl -n monitoring delete job pages-graph")


@pytest.mark.parametrize(("line", "definitions"), searches(TRACES), ids=lambda text: text[:60])
def test_a_search_for_traces_finds_some(line: str, definitions: str, run: Run, all_kinds_of_traces: None) -> None:
    def printed() -> bool:
        done = run(f"{definitions}\n{line}")
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        return done.stdout.strip() not in ("", "[]", "null")

    assert eventually(printed, 90)


@pytest.mark.parametrize("text", inline(READS))
def test_a_command_in_running_text_works(text: str, run: Run, answering: None) -> None:
    done = run(text)

    no_match = "| grep" in text and done.returncode == 1 and "rror" not in done.stderr
    assert done.returncode == 0 or no_match, done.stderr


@pytest.mark.parametrize("text", inline(CHANGES))
def test_what_a_command_would_change_is_there(text: str, run: Run) -> None:
    done = run(f"{text} --dry-run=server")

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text", inline(UNDOES))
def test_a_rollout_can_be_undone(text: str, run: Run) -> None:
    done = run(f"{text.replace('undo', 'restart')} && {text.replace('undo', 'status')} && {text}")

    assert done.returncode == 0, done.stderr
    assert "rolled back" in done.stdout


@pytest.mark.parametrize("text", inline(LOOKS_BACK))
def test_what_a_container_said_before_it_ended_is_there(text: str, run: Run, kubectl: Callable[..., Any]) -> None:
    def pod() -> dict[str, Any]:
        [found] = kubectl("-n", "dharma", "get", "pods", "-l", "app=automation-engine")["items"]
        return dict(found)

    def restarts() -> int:
        return int(pod()["status"]["containerStatuses"][0]["restartCount"])

    before, name = restarts(), pod()["metadata"]["name"]
    run(f"kubectl -n dharma exec {name} -- kill 1")
    eventually(lambda: restarts() > before, 60)

    done = run(text.replace("<pod>", name))

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("text", inline(DUMPS))
def test_a_program_says_what_its_threads_wait_for(text: str, run: Run) -> None:
    run(text)  # the container ends under it

    said = f"{text.split(' -- ', maxsplit=1)[0].replace('exec', 'logs')} --previous"
    eventually(lambda: "goroutine" in run(said).stdout, 60)


@pytest.mark.parametrize("text", inline(FORWARDS))
def test_a_port_can_be_forwarded(text: str, run: Run) -> None:
    done = run(f"timeout 5 {text} || true")

    assert "Forwarding from" in done.stdout, done.stderr


@pytest.mark.parametrize("text", inline(IN_CLUSTER))
def test_an_address_of_the_cluster_answers(text: str, run: Run, kubectl: Callable[..., Any]) -> None:
    """Typed in a pod; here at the Service's address, which this machine reaches as pods do."""
    asked = IN_CLUSTER.match(text)
    assert asked is not None
    [service] = [
        one for one in kubectl("get", "services", "-A")["items"] if one["metadata"]["name"] == asked["service"]
    ]

    done = run(f"{text} -sf --connect-to ::{service['spec']['clusterIP']}:{asked['port']}")

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.full
@pytest.mark.parametrize("text", further_faults())
def test_a_further_fault_of_the_tour_is_taken_and_mended(text: str, run: Run) -> None:
    service = text.split('"')[1]
    [mended] = [block for block in blocks("sh", TOUR) if "<service>" in block.text]

    for line in (as_python(f"client.{text}"), mended.text.replace("<service>", service)):
        done = run(line)
        assert done.returncode == 0, f"{line}\n{done.stderr}"


@pytest.mark.full
def test_the_further_faults_of_the_tour_speak_as_its_table_says(run: Run, urls: dict[str, str]) -> None:
    """All of them at once, for each is another service's; with the traffic that one of them needs."""
    rows = [line for line in TOUR.read_text().splitlines() if line.startswith("| `fault(")]
    expected = {re.split(r'"', row)[1]: set(re.findall(r"`([A-Z]\w+)`", row)) for row in rows}
    assert len(expected) == len(further_faults()) == 4

    def firing(service: str) -> set[str]:
        query = f'ALERTS{{alertstate="firing", service="{service}"}}'
        answer = httpx.get(f"{urls['prometheus']}/api/v1/query", params={"query": query}).raise_for_status()
        from_lines = httpx.get(f"{urls['loki']}/prometheus/api/v1/alerts").raise_for_status()
        own = [one["labels"] for one in from_lines.json()["data"]["alerts"] if one["state"] == "firing"]
        labels = [one["metric"] for one in answer.json()["data"]["result"]] + own
        return {one["alertname"] for one in labels if one.get("service") == service}

    try:
        for text in inline(FAULTS):
            done = run(as_python(text if text.startswith("client.") else f"client.{text}"))
            assert done.returncode == 0, f"{text}\n{done.stderr}"
        for service, alerts in expected.items():
            eventually(lambda names=alerts, name=service: firing(name) >= names, 1500, 10)  # type: ignore[misc]
    finally:
        client.traffic(5)
        for service in expected:
            client.clear_faults(service)


@pytest.mark.full
def test_the_tour_can_be_followed(run: Run, urls: dict[str, str], filled: Callable[[str], str]) -> None:
    """Step by step as it is written: what it types works, and what it looks at is there in the end."""
    steps = sorted(
        (each for kind in ("sh", "promql", "logql") for each in blocks(kind, TOUR)), key=lambda one: one.line
    )
    assert len(steps) > 15
    for step in steps:
        if step.language != "sh":
            assert found_in_time(step, urls, filled(step.text), 360), str(step)
        elif step.is_run:
            eventually(lambda each=step: _said(each, run), 120 if step.expected else 0)  # type: ignore[misc]


def _said(step: Block, run: Run) -> bool:
    """Types it; what it prints must be what the page says, if it says anything."""
    done = run(step.text)
    assert done.returncode == 0, f"{step}: {step.text}\n{done.stdout}{done.stderr}"
    assert step.is_met_by([], [done.stdout]), f"{step}: {step.expected} in {done.stdout}"
    return True
