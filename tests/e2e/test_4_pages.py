"""Every command and query of every page, on the running sandbox: blocks are run, queries answer, names are right.

A block that is marked is typed elsewhere (tests/pages.py). A query marked `empty` finds nothing on a healthy platform.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from components import backup
from sandbox import aws, stack
from sandbox.platform import client
from tests.page_commands import CHANGES, FORWARDS, LOOKS_BACK, READS, UNDOES, inline
from tests.pages import MAY_BE_EMPTY, PAGES, ROOT, RUNBOOKS, Block, blocks
from tests.shell import typed
from tests.waiting import eventually

pytestmark = pytest.mark.real_node

TOUR = ROOT / "docs" / "tour.md"
BLOCK_SECONDS = 300
# Windows of five minutes are recorded every half; a trace is searchable seconds after it ends.
DATA_SECONDS = 240

Run = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def placeholders(
    deployed: dict[str, Any],
    kubectl: Callable[..., Any],
    urls: dict[str, str],
    s3: Any,
    span_store: httpx.Client,
) -> dict[str, Callable[[], str]]:
    """What a person would put in place of `<...>`, taken from what runs when it is typed."""

    def a_trace() -> str:
        found = httpx.get(f"{urls['jaeger']}/api/traces", params={"service": "api-gateway", "limit": 1}).json()["data"]
        return str(found[0]["traceID"]) if found else ""

    def a_snapshot() -> str:
        found = s3.list_objects_v2(Bucket=deployed["bucket"], Prefix=backup.PREFIX, Delimiter="/")["CommonPrefixes"]
        return str(found[0]["Prefix"]).removeprefix(backup.PREFIX).strip("/")

    def an_old_index() -> str:
        span_store.put("/sandbox-jaeger-span-2020-01-01").raise_for_status()
        return "sandbox-jaeger-span-2020-01-01"

    def a_pod() -> str:
        return str(kubectl("get", "pods", "-n", "monitoring", "-l", "app=grafana")["items"][0]["metadata"]["name"])

    store = httpx.URL(deployed["span_store_url"])  # what speaks TLS here
    return {
        "<a trace id>": lambda: eventually(a_trace, 60),
        "<alert>": lambda: "Watchdog",
        "<host>": lambda: store.host,
        "<port>": lambda: str(store.port),
        "<name>": lambda: "api-gateway",
        "<namespace>": lambda: "dharma",
        "<node>": lambda: str(kubectl("get", "nodes")["items"][0]["metadata"]["name"]),
        "<password>": lambda: str(deployed["grafana_admin_password"]),
        "<pod>": a_pod,
        "<service>": lambda: "api-gateway",
        "<snapshot>": a_snapshot,
        "<oldest index>": an_old_index,
        "<url>": lambda: "https://heartbeat.example",
    }


@pytest.fixture(scope="module")
def filled(placeholders: dict[str, Callable[[], str]]) -> Callable[[str], str]:
    def fill(text: str) -> str:
        for placeholder, value in placeholders.items():
            if placeholder in text:
                text = text.replace(placeholder, value())
        return text

    return fill


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
    subprocess.run(
        ["kubectl", "delete", "pods", "-l", "app.kubernetes.io/managed-by=kubectl-debug"],
        env={**os.environ, **stack.environment()},
        check=True,
        capture_output=True,
    )
    for service in ("api-gateway", "costing-service"):
        subprocess.run(
            ["kubectl", "-n", "dharma", "rollout", "status", f"deployment/{service}", "--timeout=120s"],
            env={**os.environ, **stack.environment()},
            check=True,
            capture_output=True,
        )
    for service in ("api-gateway", "ai-engine"):
        client.clear_faults(service)


@pytest.fixture
def answering(urls: dict[str, str]) -> Iterator[None]:
    """Restarted or restored, Grafana is Ready a moment before its address answers, and the next command may ask it."""
    yield
    eventually(lambda: httpx.get(f"{urls['grafana']}/api/health").is_success, 120)


ASKED_AT = {"promql": ("prometheus", "/api/v1/query"), "logql": ("loki", "/loki/api/v1/query_range")}


def result_of(block: Block, urls: dict[str, str], query: str) -> list[Any]:
    tool, path = ASKED_AT[block.language]
    answer = httpx.get(f"{urls[tool]}{path}", params={"query": query}, timeout=60)
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["data"]["result"]
    return found


def found_in_time(block: Block, urls: dict[str, str], query: str, seconds: float) -> list[Any]:
    return eventually(lambda: result_of(block, urls, query), seconds)


OUTSIDE_TOUR = tuple(page for page in PAGES if page != TOUR)
QUERIES = [*blocks("promql", *OUTSIDE_TOUR), *blocks("logql", *OUTSIDE_TOUR)]


@pytest.mark.parametrize("page", [page for page in OUTSIDE_TOUR if blocks("sh", page)], ids=lambda page: page.stem)
def test_the_commands_of_a_page_work(page: Path, run: Run, answering: None) -> None:
    for block in blocks("sh", page):
        if block.is_run:
            done = run(block.text)
            assert done.returncode == 0, f"{block}: {block.text}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("block", [each for each in QUERIES if each.page in RUNBOOKS], ids=str)
def test_a_runbooks_query_is_answered(block: Block, urls: dict[str, str], filled: Callable[[str], str]) -> None:
    """What an alert asks for is mostly not there when all is well; the query is right all the same."""
    result_of(block, urls, filled(block.text))


@pytest.mark.parametrize("block", [each for each in QUERIES if each.page not in RUNBOOKS], ids=str)
def test_a_pages_query_finds_something(block: Block, urls: dict[str, str], filled: Callable[[str], str]) -> None:
    if MAY_BE_EMPTY in block.marks:
        result_of(block, urls, filled(block.text))
    else:
        assert found_in_time(block, urls, filled(block.text), DATA_SECONDS)


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


@pytest.mark.parametrize("text", inline(FORWARDS))
def test_a_port_can_be_forwarded(text: str, run: Run) -> None:
    done = run(f"timeout 5 {text} || true")

    assert "Forwarding from" in done.stdout, done.stderr


def test_the_tour_can_be_followed(run: Run, urls: dict[str, str], filled: Callable[[str], str]) -> None:
    """Step by step as it is written: what it types works, and what it looks at is there in the end."""
    steps = sorted(
        (each for kind in ("sh", "promql", "logql") for each in blocks(kind, TOUR)), key=lambda one: one.line
    )
    assert len(steps) > 15
    for step in steps:
        if step.language == "sh":
            if step.is_run:
                done = run(step.text)
                assert done.returncode == 0, f"{step}: {step.text}\n{done.stdout}{done.stderr}"
        elif MAY_BE_EMPTY not in step.marks:
            assert found_in_time(step, urls, filled(step.text), 360), str(step)
