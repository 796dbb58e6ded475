"""Nothing fires while all is well. Asked before any test breaks something: budgets remember a fault for hours."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.waiting import eventually

pytestmark = pytest.mark.real_node
Query = Callable[..., list[dict[str, Any]]]


def firing(prometheus: Query, minutes: int) -> set[str]:
    """The alerts that have fired at any time in the last minutes."""
    found = prometheus(f'count by (alertname) (max_over_time(ALERTS{{alertstate="firing"}}[{minutes}m]))')
    return {series["metric"]["alertname"] for series in found}


def firing_from_lines(urls: dict[str, str], http: httpx.Client) -> set[str]:
    """The alerts of Loki's own rules that fire now; Prometheus does not know of them."""
    groups = http.get(f"{urls['loki']}/prometheus/api/v1/rules").raise_for_status().json()["data"]["groups"]
    alerts = [rule for group in groups for rule in group["rules"] if rule["type"] == "alerting"]
    assert alerts, "Loki has no alerts at all"
    return {rule["name"] for rule in alerts if rule["state"] == "firing"}


def test_nothing_fires_on_a_healthy_platform_for_five_minutes(
    prometheus: Query, urls: dict[str, str], http: httpx.Client
) -> None:
    def quiet() -> bool:
        assert firing_from_lines(urls, http) == set()
        assert prometheus('time() - process_start_time_seconds{job="prometheus"} > 300'), "it has not run for long"
        assert firing(prometheus, 5) == {"Watchdog"}
        return True

    eventually(quiet, 600, 10)  # what is young is not judged yet


@pytest.mark.full
def test_nothing_fires_on_a_healthy_platform_for_half_an_hour(
    prometheus: Query, urls: dict[str, str], http: httpx.Client
) -> None:
    test_nothing_fires_on_a_healthy_platform_for_five_minutes(prometheus, urls, http)
    for _ in range(25 * 2):
        time.sleep(30)
        assert firing_from_lines(urls, http) == set()
    assert firing(prometheus, 30) == {"Watchdog"}
