"""Lines with a number each, written by the platform's services: which are found, and how often."""

import time
import uuid
from collections import Counter
from collections.abc import Callable

import httpx

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
