"""The running sandbox, and one client per tool: what a test finds here is what an operator finds."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx
import pytest

from components import backup
from sandbox import aws, node, stack
from sandbox.aws import health, moto
from sandbox.paths import repo_root
from sandbox.platform.cluster import kubectl as on_node
from tests.e2e import numbered_lines
from tests.e2e.numbered_lines import Numbers
from tests.waiting import eventually


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On a simulated node pods do not run: what needs them is named as not run, never passed."""
    if node.is_simulated():
        for item in items:
            if item.get_closest_marker("real_node"):
                item.add_marker(pytest.mark.skip(reason="needs a real node; this one is simulated"))


@pytest.fixture(scope="session")
def said_by_up() -> str:
    """The stack, brought up from nothing by the real engine: all that `make up` prints of it, which is shown too.

    What an earlier run left goes first.
    """
    stack.engine().as_in_the_clone()
    stack.destroy()
    said = ""
    command = [sys.executable, "-m", "sandbox", "deploy"]
    with subprocess.Popen(
        command, cwd=repo_root(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as deploying:
        assert deploying.stdout
        for line in deploying.stdout:
            print(line, end="", flush=True)
            said += line
    assert deploying.returncode == 0, said[-5000:]
    return said


@pytest.fixture(scope="session")
def deployed(said_by_up: str) -> dict[str, Any]:
    """The outputs of the stack that has been brought up."""
    return stack.outputs()


@pytest.fixture(scope="session")
def urls(deployed: dict[str, Any]) -> dict[str, str]:
    """Where people find each tool; Loki's with the login that its gateway asks for."""
    login = stack.environment()
    with_login = httpx.URL(deployed["urls"]["loki"], username=login["LOKI_USERNAME"], password=login["LOKI_PASSWORD"])
    return {**deployed["urls"], "loki": str(with_login)}


@pytest.fixture(scope="session")
def loki_itself(deployed: dict[str, Any]) -> Callable[[str], str]:
    """Asks Loki past its gateway, which passes none of Loki's own switches on: by the cluster's API server."""

    def get(path: str) -> str:
        service = f"/api/v1/namespaces/{deployed['namespace']}/services/loki:http/proxy"
        return on_node("get", "--raw", f"{service}{path}", timeout_seconds=120)

    return get


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=15, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def span_store(deployed: dict[str, Any]) -> Iterator[httpx.Client]:
    """The span store as its administrator."""
    with health.client(deployed["span_store_url"], aws.store_certificates()) as client:
        yield client


@pytest.fixture(scope="session")
def prometheus(urls: dict[str, str], http: httpx.Client) -> Callable[[str], list[dict[str, Any]]]:
    """Asks Prometheus an instant query: the list of series with their `metric` and `value`."""

    def query(expression: str) -> list[dict[str, Any]]:
        answer = http.get(f"{urls['prometheus']}/api/v1/query", params={"query": expression}).raise_for_status().json()
        series: list[dict[str, Any]] = answer["data"]["result"]
        return series

    return query


@pytest.fixture(scope="session")
def loki(urls: dict[str, str], http: httpx.Client) -> Callable[..., list[dict[str, Any]]]:
    """Asks Loki for lines of the last `minutes`: a list of streams with `stream` and `values`."""

    def query(selector: str, minutes: int = 15, limit: int = 1000) -> list[dict[str, Any]]:
        now = time.time_ns()
        window = {"start": str(now - minutes * 60 * 10**9), "end": str(now), "limit": str(limit)}
        answer = http.get(f"{urls['loki']}/loki/api/v1/query_range", params={"query": selector, **window})
        streams: list[dict[str, Any]] = answer.raise_for_status().json()["data"]["result"]
        return streams

    return query


@pytest.fixture(scope="session")
def loki_sum(urls: dict[str, str], http: httpx.Client) -> Callable[..., float]:
    """Asks Loki an instant query, of now or of a time in seconds: the sum of what its series are."""

    def query(expression: str, at: str | None = None) -> float:
        params = {"query": expression, **({"time": at} if at else {})}
        answer = http.get(f"{urls['loki']}/loki/api/v1/query", params=params).raise_for_status().json()
        return sum(float(one["value"][1]) for one in answer["data"]["result"])

    return query


@pytest.fixture(scope="session")
def numbers(urls: dict[str, str], http: httpx.Client) -> Numbers:
    """How often each number of a service's stream is found, by service and prefix."""
    return partial(numbered_lines.numbers, urls["loki"], http)


@pytest.fixture(scope="session")
def grafana(urls: dict[str, str], deployed: dict[str, Any]) -> Iterator[httpx.Client]:
    """Grafana's API as its administrator."""
    login = ("admin", deployed["grafana_admin_password"])
    with httpx.Client(base_url=urls["grafana"], auth=login, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def kubectl(deployed: dict[str, Any]) -> Callable[..., Any]:
    """Runs kubectl and gives its JSON."""

    def run(*arguments: str) -> Any:
        return json.loads(on_node(*arguments, "-o", "json", timeout_seconds=120))

    return run


@pytest.fixture(scope="session")
def aws_client(deployed: dict[str, Any]) -> Callable[[str], Any]:
    """A client of one service of the local AWS, whether or not the stack is still there."""
    return lambda service: moto.client(service, stack.environment()["AWS_ENDPOINT_URL"])


@pytest.fixture(scope="session")
def s3(aws_client: Callable[[str], Any]) -> Any:
    """The S3 API that the bucket is in."""
    return aws_client("s3")


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def filled(placeholders: dict[str, Callable[[], str]]) -> Callable[[str], str]:
    def fill(text: str) -> str:
        for placeholder, value in placeholders.items():
            if placeholder in text:
                text = text.replace(placeholder, value())
        return text

    return fill
