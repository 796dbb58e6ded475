"""Does the sandbox come back by the same two commands when parts of it were killed, and after a reboot?"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx
import psutil
import pytest

from sandbox import platform, sinks, stack
from sandbox.node import layout, teardown
from sandbox.paths import repo_root, state_dir
from tests.shell import typed
from tests.waiting import eventually

pytestmark = [pytest.mark.real_node, pytest.mark.full]
# What is on the command line of what runs beside the node.
AWS, SPAN_STORE, SINKS = BESIDE_THE_NODE = ("moto.server", "org.opensearch.bootstrap.OpenSearch", "sandbox.sink_server")
GONE = "the bucket with all log history is gone"
Kubectl = Callable[..., Any]
Query = Callable[[str], list[dict[str, Any]]]


def sandbox(*command: str) -> str:
    """Types a command of the sandbox; gives all that it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", *command],
        cwd=repo_root(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    return done.stdout


def kill(word: str) -> None:
    """kill -9 of what has the word on its command line."""
    found = [one for one in psutil.process_iter(["cmdline"]) if word in " ".join(one.info["cmdline"] or [])]
    assert found, f"no {word} runs"
    for process in found:
        process.kill()
    psutil.wait_procs(found, timeout=20)


def spans(urls: dict[str, str]) -> list[str]:
    answer = httpx.get(f"{urls['jaeger']}/api/traces", params={"service": "api-gateway", "limit": 1}, timeout=30)
    return [trace["traceID"] for trace in answer.raise_for_status().json()["data"]]


def is_found(urls: dict[str, str], trace: str) -> bool:
    try:
        return httpx.get(f"{urls['jaeger']}/api/traces/{trace}", timeout=30).is_success
    except httpx.HTTPError:
        return False


def test_a_killed_span_store_is_started_again_with_its_spans(deployed: dict[str, Any], urls: dict[str, str]) -> None:
    [trace, *_] = eventually(lambda: spans(urls), 60)
    kill(SPAN_STORE)
    assert "span store: has ended, `make up` starts it again" in sandbox("status")
    sandbox("up")
    assert eventually(lambda: is_found(urls, trace), 120)


def test_killed_sinks_are_started_again_with_what_they_had_heard(deployed: dict[str, Any]) -> None:
    heard = sinks.record().read_text()
    kill(SINKS)
    sandbox("up")
    assert sinks.record().read_text().startswith(heard)
    assert httpx.get(sinks.url("health"), timeout=10).is_success


def test_the_local_aws_comes_back_empty_and_up_says_what_is_gone(deployed: dict[str, Any], s3: Any) -> None:
    kill(AWS)
    assert "AWS: has ended, `make up` starts it again" in sandbox("status")
    assert GONE in sandbox("up")
    sandbox("deploy")
    assert GONE not in sandbox("up")
    # Loki goes on from what it holds, and writes that when it ends.
    restart = typed("kubectl -n monitoring rollout restart statefulset/loki", {**os.environ, **stack.environment()})
    assert restart.returncode == 0, restart.stderr
    eventually(lambda: s3.list_objects_v2(Bucket=deployed["bucket"], Prefix="fake/").get("KeyCount"), 180)


def test_after_a_down_that_was_interrupted_the_exporter_has_the_new_databases_password(
    deployed: dict[str, Any], prometheus: Query
) -> None:
    platform.down()
    for kept in state_dir().glob("platform-password-*"):
        kept.unlink()
    sandbox("up")
    sandbox("deploy")
    eventually(lambda: prometheus("pg_up == 1"), 120)


def reboot() -> None:
    """All that a machine loses when it is started again; what is on its disks stays."""
    for name in BESIDE_THE_NODE:
        kill(name)
    teardown.halt()
    shutil.rmtree(layout.RUN_DIR)


def test_after_a_reboot_everything_is_there_again_but_the_local_aws(
    deployed: dict[str, Any], urls: dict[str, str], kubectl: Kubectl
) -> None:
    [trace, *_] = eventually(lambda: spans(urls), 60)
    before = time.time()
    claims = {claim["spec"]["volumeName"] for claim in kubectl("get", "pvc", "-A")["items"]}
    reboot()

    assert GONE in sandbox("up")
    sandbox("deploy")

    assert {claim["spec"]["volumeName"] for claim in kubectl("get", "pvc", "-A")["items"]} == claims

    def services_up(at: float) -> int:
        query = {"query": 'count(up{namespace="dharma", service!=""} == 1)', "time": str(at)}
        answer = httpx.get(f"{urls['prometheus']}/api/v1/query", params=query, timeout=30).raise_for_status()
        return sum(int(one["value"][1]) for one in answer.json()["data"]["result"])

    eventually(lambda: services_up(time.time()) >= 9, 180)
    assert services_up(before - 30) >= 9, "what was measured before the reboot is gone"
    assert eventually(lambda: is_found(urls, trace), 120)
