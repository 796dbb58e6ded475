"""First `up` and no-change `preview`, against kubectl with the same objects on the same cluster."""

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import manifests
from bench.processor import seconds_by_part
from sandbox import stack

# What `up` waits for, and how kubectl is told to.
_AWAITED = {
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet"), ("rollout", "status")),
    "Job": ("wait", "--for=condition=complete"),
}
_PREVIEW_RUNS = 3


def run() -> dict[str, Any]:
    """Needs a running sandbox; leaves the stack up. Times in seconds."""
    stack.up()
    objects = manifests.of(stack.engine())
    previews, diffs = [], []
    spent: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = _written(Path(folder) / "all.json", objects)
        for _ in range(_PREVIEW_RUNS):  # in turn, so that a busy minute hits both
            previews.append(_seconds(lambda: stack.pulumi("preview", "--expect-no-changes", capture=True)))
            diffs.append(_seconds(lambda: _kubectl("diff", "-f", str(file), accept=(0, 1))))
        with seconds_by_part(spent):
            stack.pulumi("preview", "--expect-no-changes", capture=True)
        _kubectl("delete", "--wait", "--ignore-not-found", "-f", str(file))
        applied = _seconds(lambda: _apply(file, objects))  # what is in AWS stayed, so the pods find their bucket
    stack.destroy()
    first_up = _seconds(lambda: stack.pulumi("up", "--yes", "--skip-preview", capture=True))
    return {
        "objects": len(objects),
        "first_up_seconds": first_up,
        "kubectl_apply_and_rollout_seconds": applied,
        "first_up_ratio": first_up / applied,
        "preview_seconds": statistics.median(previews),
        "kubectl_diff_seconds": statistics.median(diffs),
        "preview_ratio": statistics.median(previews) / statistics.median(diffs),
        "processor_seconds_of_a_preview": spent,
    }


def _apply(file: Path, objects: list[dict[str, Any]]) -> None:
    _kubectl("apply", "--server-side", "--force-conflicts", "-f", str(file))
    for each in objects:
        if each["kind"] in _AWAITED:
            name, namespace = each["metadata"]["name"], each["metadata"]["namespace"]
            _kubectl(*_AWAITED[each["kind"]], f"{each['kind']}/{name}", "-n", namespace, "--timeout=10m")


def _written(path: Path, objects: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    return path


def _kubectl(*arguments: str, accept: tuple[int, ...] = (0,)) -> None:
    done = subprocess.run(
        ["kubectl", *arguments], env={**os.environ, **stack.environment()}, capture_output=True, text=True, check=False
    )
    if done.returncode not in accept:
        raise RuntimeError(f"kubectl {arguments[0]}: {done.stderr}")


def _seconds(action: Callable[[], object]) -> float:
    started = time.monotonic()
    action()
    return time.monotonic() - started
