"""The platform does what drills and proofs need: it answers, calls, fails, crashes, fills up and mends as told."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from rendering.declarations import load_services
from sandbox import platform
from sandbox.errors import SandboxError
from sandbox.node.layout import NODE_NAME
from sandbox.paths import repo_root
from sandbox.platform.cluster import kubectl
from tests.waiting import eventually

pytestmark = pytest.mark.real_node
SERVICES = [service.name for service in load_services(repo_root() / "configs" / "services.yaml")]


@pytest.fixture(scope="module", autouse=True)
def running() -> None:
    platform.up()


@pytest.fixture
def mended() -> Iterator[str]:
    """A service to be broken, as good as new afterwards."""
    yield "automation-engine"
    platform.clear_faults("automation-engine")
    kubectl("-n", "dharma", "exec", "deploy/automation-engine", "--", "sh", "-c", "rm -f /tmp/test")


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("path", ["/health", "/ready", "/live", "/metrics"])
def test_a_service_answers_on_its_port(service: str, path: str) -> None:
    assert platform.request(service, "GET", path).status_code == 200


def test_the_tasks_own_request_works_from_inside_the_cluster() -> None:
    shown = kubectl(
        "-n", "dharma", "exec", "deploy/traffic", "--", "curl", "-sf", "http://api-gateway:3000/api/v1/blueprints"
    )
    assert json.loads(shown)["route"] == "GET /api/v1/blueprints"


def test_a_burst_is_counted_and_every_request_has_a_trace_of_its_own() -> None:
    burst = platform.burst("/api/v1/iac", 50, method="POST", ids=True)
    assert burst.statuses == {"200": 50}
    assert len(set(burst.trace_ids)) == 50


def test_errors_appear_and_go(mended: str) -> None:
    platform.fault(mended, error_rate=1, status=503)
    assert platform.request(mended, "POST", "/api/v1/runs").status_code == 503
    platform.clear_faults(mended)
    assert platform.request(mended, "POST", "/api/v1/runs").status_code == 200


def test_latency_is_added(mended: str) -> None:
    platform.fault(mended, latency_ms=1500)
    started = time.monotonic()
    platform.request(mended, "POST", "/api/v1/runs")
    assert time.monotonic() - started >= 1.5


def test_a_fault_that_does_not_exist_is_refused(mended: str) -> None:
    with pytest.raises(SandboxError, match=r"unknown field.*eror_rate"):
        platform.fault(mended, eror_rate=1)


def test_a_crash_loop_outlives_restarts_and_is_mended(mended: str) -> None:
    platform.fault(mended, crash_loop=True)

    def reason() -> bool:
        waiting = _pod(mended)["status"]["containerStatuses"][0]["state"].get("waiting", {})
        return bool(waiting.get("reason") == "CrashLoopBackOff")

    eventually(reason, 90)
    platform.clear_faults(mended)
    assert platform.request(mended, "GET", "/health").status_code == 200


def test_the_tasks_memory_drill_fills_the_memory_and_kills_nothing(mended: str) -> None:
    """`dd` ends with "no space left" at over 85 % of the limit, and the service goes on answering."""
    before = _pod(mended)["metadata"]["uid"]
    shell = ("-n", "dharma", "exec", f"deploy/{mended}", "--", "sh", "-c")
    said = kubectl(*shell, "dd if=/dev/zero of=/tmp/test bs=1M count=1000 2>&1; true")
    assert "No space left on device" in said
    eventually(lambda: 0.85 < _memory_share(mended) < 0.99, 40)
    assert platform.request(mended, "GET", "/health").status_code == 200
    after = _pod(mended)
    assert after["metadata"]["uid"] == before
    assert after["status"]["containerStatuses"][0]["restartCount"] == 0


def test_held_memory_is_given_back(mended: str) -> None:
    platform.fault(mended, memory_mib=120)
    eventually(lambda: _memory_share(mended) > 0.5, 40)
    platform.clear_faults(mended)
    eventually(lambda: _memory_share(mended) < 0.5, 40)


def test_numbered_raw_and_panic_lines_are_in_the_pods_log(mended: str) -> None:
    platform.log_lines(mended, 200, "numbered", line_bytes=300)
    platform.log_raw(mended, "a raw line with password=hunter2")
    platform.panic(mended)
    log = kubectl("-n", "dharma", "logs", f"deploy/{mended}", "--since=60s").splitlines()
    numbered = [json.loads(line)["message"] for line in log if '"message":"numbered ' in line]
    assert [message.split()[1] for message in numbered] == [str(number) for number in range(1, 201)]
    assert all(len(message) == 300 for message in numbered)
    assert "a raw line with password=hunter2" in log
    assert "panic: runtime error: index out of range [0] with length 0" in log


def test_postgresql_has_the_exporters_role_and_logs_slow_queries() -> None:
    role = "select pg_has_role('observability', 'pg_monitor', 'member')"
    assert platform.psql(role).strip() == "t"
    platform.psql("select pg_sleep(0.7)")
    log = kubectl("-n", "dharma", "logs", "deploy/postgresql", "--since=60s")
    assert "select pg_sleep(0.7)" in log


def test_redis_answers() -> None:
    assert kubectl("-n", "dharma", "exec", "deploy/redis", "--", "redis-cli", "ping").strip() == "PONG"


def test_a_second_up_changes_nothing() -> None:
    def generations() -> list[tuple[str, int]]:
        listed = json.loads(kubectl("-n", "dharma", "get", "deployments", "-o", "json"))["items"]
        return [(each["metadata"]["name"], each["metadata"]["generation"]) for each in listed]

    before = generations()
    platform.up()
    assert generations() == before


def _pod(service: str) -> dict[str, Any]:
    pods = json.loads(kubectl("-n", "dharma", "get", "pods", "-l", f"app={service}", "-o", "json"))["items"]
    [pod] = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    found: dict[str, Any] = pod
    return found


def _memory_share(service: str) -> float:
    """Working set by memory limit, as the kubelet last measured it."""
    summary = json.loads(kubectl("get", "--raw", f"/api/v1/nodes/{NODE_NAME}/proxy/stats/summary"))
    pod = _pod(service)
    [measured] = [each for each in summary["pods"] if each["podRef"]["uid"] == pod["metadata"]["uid"]]
    limit = pod["spec"]["containers"][0]["resources"]["limits"]["memory"]
    used: int = measured["containers"][0]["memory"]["workingSetBytes"]
    return used / 2**20 / int(limit.removesuffix("Mi"))
