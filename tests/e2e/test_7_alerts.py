"""Alerts on the running stack: all they read is there, nothing fires on a healthy platform, and faults are told."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import yaml

from sandbox import drills
from sandbox.paths import repo_root
from tests.waiting import eventually

pytestmark = [pytest.mark.real_node, pytest.mark.full]
Query = Callable[..., list[dict[str, Any]]]

# What cannot be in a healthy sandbox's scrape, and why.
NOT_YET = {
    "alertmanager_cluster_members": "one replica here; production has peers",
    "loki_discarded_samples_total": "made when the first line is discarded",
    "loki_ingester_wal_disk_full_failures_total": "made with the first failure",
    "otelcol_exporter_enqueue_failed_spans_total": "made when the first span finds the queue full",
    "otelcol_exporter_send_failed_spans_total": "made when the first span cannot be stored",
    "otelcol_receiver_refused_spans_total": "made when the first span is refused",
    "promtail_dropped_entries_total": "made when the first line is given up",
    "logentry_dropped_lines_by_label_total": "made when the first line is over a limit",
    "jaeger_storage_bulk_index_errors_total": "made with the first failure",
    "probe_ssl_earliest_cert_expiry": "nothing here speaks https",
    "service_signal:past_hour:mean": "needs a week of data",
    "service_signal:past_hour:stddev": "needs a week of data",
    "service_signal:baseline:week": "needs two weeks of data",
    "service_signal:deviation:week": "needs two weeks of data",
    "service_signal:band:upper": "needs two weeks of data",
    "service_signal:band:lower": "needs two weeks of data",
}

# What a sandbox cannot be well in: its node is the machine it runs on, with whatever else runs there.
OF_THE_MACHINE = {
    "Watchdog",
    "OpenSearchDiskAlmostFull",
    "KubernetesNodeFilesystemFull",
    "KubernetesNodeCPUHigh",
    "KubernetesNodeClockSkew",
}


def selectors(node: Any) -> Iterator[str]:
    """The metric names in a parsed query."""
    if isinstance(node, dict):
        if node.get("type") in ("vectorSelector", "matrixSelector") and node.get("name"):
            yield node["name"]
        for value in node.values():
            yield from selectors(value)
    elif isinstance(node, list):
        for value in node:
            yield from selectors(value)


@pytest.fixture(scope="module")
def named(urls: dict[str, str], http: httpx.Client) -> set[str]:
    """Every metric named in a rule, as Prometheus itself parses the rules."""
    names: set[str] = set()
    for path in (repo_root() / "configs" / "prometheus" / "rules").glob("*.yaml"):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                answer = http.post(f"{urls['prometheus']}/api/v1/parse_query", data={"query": rule["expr"]})
                names.update(selectors(answer.raise_for_status().json()["data"]))
    return names


def test_every_metric_named_in_a_rule_is_there(named: set[str], urls: dict[str, str], http: httpx.Client) -> None:
    def missing() -> list[str]:
        answer = http.get(f"{urls['prometheus']}/api/v1/label/__name__/values").raise_for_status()
        return sorted(named - set(answer.json()["data"]) - set(NOT_YET))

    eventually(lambda: not missing(), 120, 5)
    assert missing() == []
    assert set(NOT_YET) <= named, "an exception for a metric that no rule names"


def test_no_rule_fails_to_evaluate(urls: dict[str, str], http: httpx.Client) -> None:
    groups = http.get(f"{urls['prometheus']}/api/v1/rules").raise_for_status().json()["data"]["groups"]
    failing = [
        (rule["name"], rule["lastError"]) for group in groups for rule in group["rules"] if rule.get("lastError")
    ]
    assert len(groups) > 20
    assert failing == []


def test_nothing_fires_on_a_healthy_platform_for_five_minutes(prometheus: Query) -> None:
    def fired() -> set[str]:
        found = prometheus('count by (alertname) (max_over_time(ALERTS{alertstate="firing"}[5m]))')
        return {series["metric"]["alertname"] for series in found}

    def quiet() -> bool:
        assert fired() - OF_THE_MACHINE == set()
        return True

    eventually(quiet, 900, 10)  # what an earlier test left standing has to go first
    assert "Watchdog" in fired()


@pytest.fixture(scope="module")
def down() -> Iterator[tuple[drills.Drill, float, drills.Outcome]]:
    """The gateway scaled to zero, as the task's own test does it, until it was told."""
    drill = drills.get("scale-to-zero")
    began = time.time()
    drill.begin()
    try:
        yield drill, began, drills.await_message(drill, began)
    finally:
        drill.end()


def test_a_service_scaled_to_zero_pages_within_two_minutes(down: tuple[drills.Drill, float, drills.Outcome]) -> None:
    _, _, outcome = down
    assert outcome.page_seconds is not None
    assert max(outcome.page_seconds, outcome.slack_seconds) <= 120


def test_alertmanager_s_api_says_so_too_and_holds_the_followers_back(
    down: tuple[drills.Drill, float, drills.Outcome], urls: dict[str, str], http: httpx.Client
) -> None:
    def alerts() -> dict[str, dict[str, Any]]:
        found = http.get(f"{urls['alertmanager']}/api/v2/alerts").raise_for_status().json()
        return {one["labels"]["alertname"]: one for one in found if one["labels"].get("service") == "api-gateway"}

    assert alerts()["ServiceDown"]["status"]["state"] == "active"
    follower = eventually(lambda: alerts().get("ServiceHealthProbeFailing"), 180, 5)
    assert follower is not None
    assert follower["status"]["state"] == "suppressed"
    assert follower["status"]["inhibitedBy"] == [alerts()["ServiceDown"]["fingerprint"]]


def test_its_return_is_told_too(down: tuple[drills.Drill, float, drills.Outcome]) -> None:
    drill, _, _ = down
    drill.end()
    drills.await_message(drill, time.time() - 1, resolved=True, seconds=drills.GROUP_INTERVAL_SECONDS + 180)
