"""What runs once in namespace `monitoring` because a test asks for it."""

import json
import uuid
from collections.abc import Callable
from typing import Any

from sandbox.platform.cluster import kubectl as on_node
from tests.waiting import eventually

NAMESPACE = "monitoring"
_PATIENCE_SECONDS = 200  # more than any wait that kubectl itself is told here


def on_monitoring(*arguments: str, text: str | None = None) -> str:
    """Runs kubectl in the namespace. Raises SandboxError when it fails."""
    return on_node("-n", NAMESPACE, *arguments, text=text, timeout_seconds=_PATIENCE_SECONDS)


def run_now(cron_job: str) -> str:
    """One run of a CronJob, to its end; gives what it said. Raises SandboxError when it fails."""
    job = f"{cron_job[:40]}-{uuid.uuid4().hex[:6]}"
    on_monitoring("create", "job", job, f"--from=cronjob/{cron_job}")
    try:
        on_monitoring("wait", f"job/{job}", "--for=condition=complete", "--timeout=120s")
        return on_monitoring("logs", f"job/{job}", "--all-containers")
    finally:
        on_monitoring("delete", "job", job, "--wait=false")


def printed_by_python(kubectl: Callable[..., Any], program: str) -> str:
    """What a program prints in a pod of its own, which is the dependency job's but for its command."""
    name = f"asks-{uuid.uuid4().hex[:6]}"
    of_job = kubectl("-n", NAMESPACE, "get", "cronjob", "jaeger-dependencies")["spec"]["jobTemplate"]["spec"]
    spec = {**of_job["template"]["spec"], "restartPolicy": "Never"}
    container = {**spec["containers"][0], "command": ["python3", "-c", program]}
    container.pop("args", None)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {**spec, "containers": [container]},
    }
    on_monitoring("apply", "-f", "-", text=json.dumps(pod))
    try:
        phases = ("Succeeded", "Failed")
        eventually(lambda: kubectl("-n", NAMESPACE, "get", "pod", name)["status"]["phase"] in phases, 60)
        return on_monitoring("logs", name)
    finally:
        on_monitoring("delete", "pod", name, "--wait=false")
