"""What the cost model takes for granted of a signal's size, measured again on the running sandbox."""

import gzip
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from components.cost import PRICES
from rendering.prices import Measured, load_prices
from sandbox import stack
from tests.waiting import eventually

pytestmark = pytest.mark.real_node

FACTOR = 2.5
"""How far off a figure may be: the sandbox's load is not production's, and compression differs with what is said."""

Ask = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def measured() -> Measured:
    return load_prices(PRICES).measured


def near(figure: float, seen: float) -> None:
    assert figure / FACTOR <= seen <= figure * FACTOR, f"configs/cost.yaml says {figure:g}, the sandbox shows {seen:g}"


def value(prometheus: Ask, query: str) -> float:
    """Of a query with one series; waited for, since a rate needs its window."""

    def once() -> float:
        found = prometheus(query)
        return float(found[0]["value"][1]) if found else 0.0

    return eventually(once, 240)


def test_bytes_of_a_line(measured: Measured, loki_sum: Callable[..., float]) -> None:
    def of(function: str) -> float:
        return loki_sum(f'sum({function}({{namespace="dharma", service=~".+-.+"}}[5m]))')

    lines = eventually(lambda: of("count_over_time"), 120)

    near(measured.bytes_per_line, of("bytes_over_time") / lines)


def test_bytes_of_a_span(measured: Measured, span_store: httpx.Client) -> None:
    indices = "sandbox-jaeger-span-*"

    def spans() -> int:
        span_store.post(f"/{indices}/_forcemerge?max_num_segments=1", timeout=60).raise_for_status()
        count: int = span_store.get(f"/{indices}/_count").raise_for_status().json()["count"]
        return count if count > 1000 else 0

    count = eventually(spans, 240, every_seconds=10)
    stats = span_store.get(f"/{indices}/_stats/store").raise_for_status().json()

    near(measured.bytes_per_span, stats["_all"]["primaries"]["store"]["size_in_bytes"] / count)


def test_compression_of_chunks(measured: Measured, prometheus: Ask, loki_itself: Callable[[str], str]) -> None:
    loki_itself("/flush")

    ratio = "sum(loki_ingester_chunk_compression_ratio_sum) / sum(loki_ingester_chunk_compression_ratio_count) > 1"

    near(measured.log_compression, value(prometheus, ratio))


def test_bytes_of_a_sample_on_the_wire(measured: Measured, urls: dict[str, str]) -> None:
    page = httpx.get(f"{urls['prometheus']}/metrics").raise_for_status().content
    samples = sum(1 for line in page.splitlines() if line and not line.startswith(b"#"))

    near(measured.bytes_per_sample_scraped, len(gzip.compress(page, 1)) / samples)


def test_series_that_rules_record_and_what_they_spare(
    measured: Measured, prometheus: Ask, urls: dict[str, str]
) -> None:
    """Samples that Prometheus touches for p99 of every service: from the raw buckets, and recorded."""

    def touched(query: str) -> int:
        params = {"query": query, "stats": "all"}
        answer = httpx.get(f"{urls['prometheus']}/api/v1/query", params=params).raise_for_status().json()["data"]
        return int(answer["stats"]["samples"]["totalQueryableSamples"]) if answer["result"] else 0

    raw = "histogram_quantile(0.99, sum by (service, le) (rate(http_request_duration_seconds_bucket[5m])))"
    # A younger stack has less than five minutes to read, so raw looks cheaper than it is.
    eventually(lambda: prometheus("count(http_request_duration_seconds_bucket offset 5m)"), 360)
    recorded = touched("service:http_request_duration_seconds:p99_rate5m")

    near(measured.recorded_samples_ratio, touched(raw) / recorded)
    near(measured.recorded_series, value(prometheus, 'count({__name__=~"[^:]+:.+"})'))


def test_share_of_series_that_the_services_expose(measured: Measured, prometheus: Ask) -> None:
    share = 'sum(scrape_samples_post_metric_relabeling{job="services"}) / sum(scrape_samples_post_metric_relabeling)'

    near(measured.services_series_share, value(prometheus, share))


def test_the_outputs_have_the_sum(deployed: dict[str, Any]) -> None:
    costs = deployed["monthly_cost_usd"]

    assert costs["total"] == pytest.approx(sum(usd for tool, usd in costs.items() if tool != "total"), abs=0.1)
    assert {"prometheus", "loki", "jaeger", "grafana"} <= costs.keys()


def test_preview_says_the_sum(deployed: dict[str, Any]) -> None:
    said = stack.pulumi("preview", capture=True)

    assert f"about ${deployed['monthly_cost_usd']['total']:.0f} a month" in said
