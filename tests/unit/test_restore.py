"""Does a restore stop Grafana, whatever runs it, and start as much of it again, also when the job fails?"""

import json
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest

from operations import restore


class Cluster:
    """Answers kubectl as a cluster with one Grafana would."""

    def __init__(self, kind: str, replicas: int, *, fails: bool = False) -> None:
        self.kind, self.replicas, self.fails = kind, replicas, fails
        self.pods = replicas
        self.asked: list[tuple[str, ...]] = []
        self.job: dict[str, Any] = {}

    def run(self, argv: Sequence[str], **given: Any) -> "subprocess.CompletedProcess[str]":
        verb, *rest = argv[3:]
        self.asked.append((verb, *rest))
        return subprocess.CompletedProcess(argv, 0, stdout=getattr(self, verb)(rest, given.get("input")))

    def get(self, rest: Sequence[str], _given: str | None) -> str:
        if rest[0] == "pods":
            self.pods -= 1  # one is gone at each look
            return "\n".join(f"pod/grafana-{number}" for number in range(self.pods))
        if rest[0] == "job":
            ended = "Failed" if self.fails else "Complete"
            return json.dumps({"status": {"conditions": [{"type": ended, "status": "True"}]}})
        found = {"kind": self.kind, "metadata": {"name": "grafana"}, "spec": {"replicas": self.replicas}}
        return json.dumps({"items": [found]})

    def create(self, _rest: Sequence[str], given: str | None) -> str:
        if given is not None:
            assert self.pods == 0
            self.job = json.loads(given)
        steps = [{"name": name, "env": []} for name in ("download", "put-back")]
        return json.dumps({"spec": {"template": {"spec": {"initContainers": steps}}}})

    def scale(self, _rest: Sequence[str], _given: str | None) -> str:
        return ""

    rollout = logs = scale

    def scaled(self) -> list[list[str]]:
        return [rest for verb, *rest in self.asked if verb == "scale"]


def on(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr("operations.restore.subprocess.run", cluster.run)
    monkeypatch.setattr("operations.restore.time.sleep", lambda _seconds: None)
    return cluster


@pytest.mark.parametrize(
    ("kind", "before", "after"), [("StatefulSet", 1, 1), ("Deployment", 3, 3), ("StatefulSet", 0, 1)]
)
def test_as_many_replicas_come_back_as_there_were(
    kind: str, before: int, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = on(Cluster(kind, before), monkeypatch)
    cluster.pods = before + 1
    restore.restore("monitoring")
    grafana = f"{kind.lower()}/grafana"
    assert cluster.scaled() == [[grafana, "--replicas=0"], [grafana, f"--replicas={after}"]]


def test_grafana_comes_back_when_the_job_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = on(Cluster("Deployment", 2, fails=True), monkeypatch)
    with pytest.raises(RuntimeError, match="failed"):
        restore.restore("monitoring")
    assert cluster.scaled()[-1] == ["deployment/grafana", "--replicas=2"]


def test_the_snapshots_name_is_for_the_download(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = on(Cluster("Deployment", 2), monkeypatch)
    restore.restore("monitoring", "2026-11-22T03-17-00Z")
    download, put_back = cluster.job["spec"]["template"]["spec"]["initContainers"]
    assert download["env"] == [{"name": "SNAPSHOT", "value": "2026-11-22T03-17-00Z"}]
    assert put_back["env"] == []
