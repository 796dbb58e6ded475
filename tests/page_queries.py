"""What a query on a page finds in the running tools."""

from typing import Any

import httpx

from tests.pages import Block
from tests.waiting import eventually


def labels_of(result: dict[str, Any]) -> dict[str, str]:
    return dict(result.get("metric") or result.get("stream") or {})


def figures_of(block: Block, results: list[Any]) -> list[float]:
    """The values of an instant query; of a query for lines, how many there are."""
    if block.language == "promql":
        return [float(each["value"][1]) for each in results]
    return [sum(len(each["values"]) for each in results)]


ASKED_AT = {"promql": ("prometheus", "/api/v1/query"), "logql": ("loki", "/loki/api/v1/query_range")}


def result_of(block: Block, urls: dict[str, str], query: str) -> list[Any]:
    tool, path = ASKED_AT[block.language]
    answer = httpx.get(f"{urls[tool]}{path}", params={"query": query}, timeout=60)
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["data"]["result"]
    return found


def found_in_time(block: Block, urls: dict[str, str], query: str, seconds: float) -> list[Any]:
    """What it finds once that is what the page says."""

    def found() -> list[Any]:
        results = result_of(block, urls, query)
        told = (figures_of(block, results), [str(labels_of(each)) for each in results])
        assert block.is_met_by(*told), f"{block}: {block.expected} of {told}"
        return results

    return eventually(found, seconds)
