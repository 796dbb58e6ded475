"""Lines with a number each, written by the platform's services: which are found, and how often."""

import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx

from rendering.declarations import load_services
from sandbox import platform
from sandbox.paths import repo_root

SERVICES = [service.name for service in load_services(repo_root() / "configs" / "services.yaml")]
LINES_PER_SERVICE, LINES_PER_SECOND = 1000, 50

PAGE_LINES = 10_000  # that Loki gives at most to a query
# Asked for a service and a prefix.
Numbers = Callable[[str, str], Counter[int]]


def mark() -> str:
    """A word that no other line holds."""
    return f"mark-{uuid.uuid4().hex[:12]}"


def numbers(loki_url: str, http: httpx.Client, service: str, prefix: str) -> Counter[int]:
    """How often each number of a service's stream is found."""
    selector = f'{{namespace="dharma", service="{service}"}} |= "{prefix} "'
    start, found = time.time_ns() - 30 * 60 * 10**9, set[tuple[str, str, str]]()
    while True:
        window = {"start": str(start), "end": str(time.time_ns()), "limit": str(PAGE_LINES), "direction": "forward"}
        answer = http.get(f"{loki_url}/loki/api/v1/query_range", params={"query": selector, **window})
        streams = answer.raise_for_status().json()["data"]["result"]
        page = {(one["stream"]["pod"], *value) for one in streams for value in one["values"]}
        if page <= found:
            return Counter(int(line.split(f"{prefix} ")[1].split('"')[0].split(" ")[0]) for _, _, line in found)
        found |= page
        start = max(int(stamp) for _, stamp, _ in page)  # again: there may be more lines of that time


def written(fault: Callable[[], object] | None = None) -> str:
    """Prefix of lines that all services wrote, LINES_PER_SERVICE each; `fault` came while they did."""
    word = mark()
    with ThreadPoolExecutor(len(SERVICES)) as pool:
        writing = [
            pool.submit(platform.log_lines, service, LINES_PER_SERVICE, word, rate=LINES_PER_SECOND)
            for service in SERVICES
        ]
        if fault:
            time.sleep(5)
            fault()
        for done in writing:
            done.result()
    return word


def each_once(numbers: Numbers, prefix: str) -> bool:
    """Every one of those lines is found, and found once."""
    once = Counter(range(1, LINES_PER_SERVICE + 1))
    return all(numbers(service, prefix) == once for service in SERVICES)
