"""Where the running platform's traces are kept: who called whom, what goes, and who may."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from sandbox import platform
from tests.e2e.jobs import on_monitoring, run_now
from tests.e2e.platform_traces import CALLS, Kubectl, Query, declared_calls
from tests.waiting import eventually

pytestmark = pytest.mark.real_node


def test_the_dependency_graph_is_what_the_services_really_call(urls: dict[str, str], http: httpx.Client) -> None:
    """Every route is asked; through the gateway, which samples all, each call is in some trace."""
    for service, routes in CALLS.items():
        for method, path in (route.split(" ") for route in routes):
            platform.burst(path.replace("{id}", "7"), 5, service=service, method=method)

    def graph() -> set[tuple[str, str]]:
        run_now("jaeger-dependencies")
        window = {"endTs": str(int(time.time() * 1000)), "lookback": str(3600 * 1000)}
        answer = http.get(f"{urls['jaeger']}/api/dependencies", params=window).raise_for_status().json()
        links = {(one["parent"], one["child"]) for one in answer["data"]}
        return {(caller, called) for caller, called in links if caller in CALLS and called in CALLS}

    def same() -> bool:
        assert graph() == declared_calls()
        return True

    eventually(same, 90)


def test_the_cleaners_job_runs_and_leaves_todays_spans(deployed: dict[str, Any], span_store: httpx.Client) -> None:
    """What it deletes is shown in tests/native/test_span_store.py: no store lets itself be given an old index."""
    run_now("jaeger-index-cleaner")
    left = span_store.get("/sandbox-jaeger-span-*/_settings").raise_for_status().json()
    today = datetime.now(UTC)
    assert f"sandbox-jaeger-span-{today:%Y-%m-%d}" in left


def test_jaeger_may_not_touch_what_is_not_its_own(deployed: dict[str, Any], span_store: httpx.Client) -> None:
    users = span_store.get("/_plugins/_security/api/internalusers").raise_for_status().json()
    assert users["jaeger"]["backend_roles"] == []
    mapped = span_store.get("/_plugins/_security/api/rolesmapping").raise_for_status().json()
    assert [name for name, mapping in mapped.items() if "jaeger" in mapping["users"]] == ["jaeger-sandbox"]
    anonymous = httpx.get(deployed["span_store_url"], verify=False, trust_env=False)  # noqa: S501 - to be refused
    assert anonymous.status_code == 401


def test_a_wrong_password_is_a_clear_condition_an_alert_and_no_crash_loop(kubectl: Kubectl, prometheus: Query) -> None:
    before = kubectl("-n", "monitoring", "get", "secret", "span-store-login")["data"]["password"]

    def login(password: str) -> None:
        patch = json.dumps({"data": {"password": password}})
        kubectl("-n", "monitoring", "patch", "secret", "span-store-login", "--type=merge", "-p", patch)
        on_monitoring("rollout", "restart", "deployment/jaeger")

    def waiting() -> dict[str, Any] | None:
        pods = kubectl("-n", "monitoring", "get", "pods", "-l", "app=jaeger")["items"]
        return next((pod for pod in pods if pod["status"]["phase"] == "Pending"), None)

    login("d3Jvbmc=")
    try:
        pod = eventually(waiting, 60)
        assert pod is not None
        name = pod["metadata"]["name"]
        eventually(lambda: "the password is wrong" in on_monitoring("logs", name, "-c", "wait-for-span-store"), 60)
        # Its expression holds; it fires after a quarter of an hour.
        alerts = f'ALERTS{{pod="{name}"}}'
        eventually(lambda: "KubernetesPodNotReady" in {one["metric"]["alertname"] for one in prometheus(alerts)}, 90)
        still = waiting()
        assert still is not None
        assert [one["restartCount"] for one in still["status"]["initContainerStatuses"]] == [0]
    finally:
        login(before)
        on_monitoring("rollout", "status", "deployment/jaeger", "--timeout=120s")
