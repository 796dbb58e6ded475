"""Loki as microservices, which stack `sandbox` is not: one `pulumi up` makes it so, and one changes it back."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from components.loki_microservices import tool
from rendering.loki_size import NAMES
from sandbox import images, node, stack
from sandbox.platform.cluster import kubectl as on_node
from sandbox.toolchain import images as built
from tests.e2e.numbered_lines import Numbers, each_once, written
from tests.stack_file import configured
from tests.waiting import eventually

pytestmark = [pytest.mark.real_node, pytest.mark.full]
Query = Callable[..., list[dict[str, Any]]]
SMALL = {"cpu_millicores": 20, "memory_mib": 96, "cpu_limit_millicores": 1000, "memory_limit_mib": 512}
LAYOUT = {
    "layout": "microservices",
    "microservices": {name: {"resources": SMALL} for name in NAMES},
    "results_cache_mib": 64,
    "memcached": {"replicas": 1, "chunks_mib": 64},
}


def _up() -> None:
    stack.pulumi("up", "--yes", "--skip-preview", capture=True)


@pytest.fixture(scope="module")
def layout(before: str) -> Iterator[ExitStack]:
    """The stack in that layout, until it is closed."""
    node.import_images(built.ensure([images.catalogue().reference("memcached")]).values())
    with ExitStack() as chosen:
        chosen.callback(_up)
        chosen.enter_context(configured(stack.engine(), "observability-stack:loki", LAYOUT))
        _up()
        yield chosen


@pytest.fixture(scope="module")
def before(deployed: dict[str, Any]) -> str:
    """Prefix of lines that one whole process took in."""
    return written()


@pytest.fixture(scope="module")
def meanwhile(layout: ExitStack) -> str:
    """Prefix of lines that the microservices took in while an ingester was killed."""
    return written(
        lambda: on_node("-n", "monitoring", "delete", "pod", "loki-ingester-1", "--grace-period=0", "--force")
    )


def test_every_line_is_found_once_though_an_ingester_was_killed(meanwhile: str, numbers: Numbers) -> None:
    assert eventually(lambda: each_once(numbers, meanwhile), 180)


def test_lines_of_the_whole_process_are_still_found(before: str, layout: ExitStack, numbers: Numbers) -> None:
    assert eventually(lambda: each_once(numbers, before), 180)


def test_each_of_them_is_scraped(layout: ExitStack, prometheus: Query) -> None:
    def scraped() -> set[str]:
        return {series["metric"]["pod"].removeprefix("loki-") for series in prometheus('up{job="loki"} == 1')}

    assert eventually(lambda: all(any(pod.startswith(name) for pod in scraped()) for name in NAMES), 120)


def test_their_logs_are_collected(layout: ExitStack, loki: Query) -> None:
    expected = {tool(name) for name in NAMES} - {tool("query-scheduler")}  # which has little to say

    assert eventually(lambda: {one["stream"]["service"] for one in loki('{service=~"loki-.+"}')} >= expected, 120)


def test_the_rulers_alerts_are_listed(layout: ExitStack, urls: dict[str, str], http: Any) -> None:
    def groups() -> set[str]:
        answer = http.get(f"{urls['loki']}/prometheus/api/v1/rules").raise_for_status()
        return {group["name"] for group in answer.json()["data"]["groups"]}

    assert eventually(lambda: "alerts-logs" in groups(), 120)


def test_back_at_one_process_every_line_is_still_found(
    layout: ExitStack, before: str, meanwhile: str, numbers: Numbers
) -> None:
    layout.close()

    # What the ingesters stored when they ended is in an index that the new process looks for every five minutes.
    assert eventually(lambda: all(each_once(numbers, prefix) for prefix in (before, meanwhile)), 420)
