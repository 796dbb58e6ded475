"""What is around the deploy gate, played: a cluster behind kubectl; Prometheus, Alertmanager, Grafana and a webhook."""

import json
import stat
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

NOW = datetime.now(UTC)
WHO = {"service": "api-gateway", "namespace": "dharma"}
WATCHDOG = {
    "labels": {"alertname": "Watchdog", "severity": "none", "environment": "staging"},
    "annotations": {},
    "status": {"silencedBy": []},
    "startsAt": NOW.isoformat(),
}
SECRETS = {"GRAFANA_TOKEN": "token", "SLACK_WEBHOOK_URL": "https://hooks.example/secret"}
ARGUMENTS = [
    "watch",
    *("--service", "api-gateway"),
    *("--minutes", "0"),
    *("--prometheus-url", "http://prometheus"),
    *("--alertmanager-url", "http://alertmanager"),
    *("--grafana-url", "http://grafana/"),
    *("--jaeger-link", "https://jaeger.example"),
    *("--otlp-endpoint", "http://otlp:4317"),
]
# Plays kubectl on the objects in $KUBECTL_STATE and writes down what it was told.
KUBECTL = """#!/bin/sh
shift 2
echo "$@" >> "$KUBECTL_STATE/calls"
case "$1 $2" in
  "get deployment/api-gateway") cat "$KUBECTL_STATE/deployment.json" ;;
  "get replicasets" | "get pods") cat "$KUBECTL_STATE/$2.json" ;;
  "rollout status")
    if [ -e "$KUBECTL_STATE/stuck" ]; then echo "error: exceeded its progress deadline" >&2; exit 1; fi ;;
  "rollout undo") ;;
  *) echo "Error from server (NotFound): $2 not found" >&2; exit 1 ;;
esac
"""


@dataclass
class Tools:
    """Prometheus, Alertmanager, Grafana and the webhook; `changed` is what somebody asked them to write."""

    burn: dict[str, float] = field(default_factory=lambda: {"availability": 0.0, "errors": 0.0, "latency": 0.0})
    requests: float = 100
    firing: list[dict[str, Any]] = field(default_factory=list)
    held: list[dict[str, Any]] = field(default_factory=lambda: [WATCHDOG])
    refuse: str = ""
    """Host that answers 503."""
    changed: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def fire(self, name: str, since: datetime, *, silenced: bool = False, pending: bool = False, **more: str) -> None:
        """An alert whose condition stands `since`; Alertmanager gets it, with the stack's labels, when it fires."""
        labels = {"alertname": name, "severity": "critical", **WHO, **more}
        annotations = {"summary": f"{name} it is"}
        state = "pending" if pending else "firing"
        self.firing.append({"labels": labels, "state": state, "activeAt": since.isoformat()})
        if not pending:
            status = {"silencedBy": ["a silence"] if silenced else []}
            sent = {"labels": {**labels, "cluster": "one"}, "annotations": annotations, "status": status}
            self.held.append({**sent, "startsAt": datetime.now(UTC).isoformat()})

    def client(self) -> httpx.Client:
        return httpx.Client(transport=self.transport())

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == self.refuse:
            return httpx.Response(503)
        if request.method != "GET":
            self.changed.append((request.method, str(request.url), json.loads(request.content)))
            return httpx.Response(200, json={"id": 7})
        match request.url.path:
            case "/api/v2/alerts":
                return httpx.Response(200, json=self.held)
            case "/api/v1/alerts":
                return httpx.Response(200, json={"data": {"alerts": self.firing}})
        return httpx.Response(200, json={"data": {"result": self.result(request.url.params["query"])}})

    def result(self, query: str) -> list[dict[str, Any]]:
        if query == "platform:service:info":
            return [{"metric": WHO}, {"metric": {"service": "ai-engine", "namespace": "dharma"}}]
        if query.startswith("service_slo:objective:ratio{"):
            return [{"metric": {"slo": name}} for name in ("availability", "errors", "latency")]
        if query.startswith("service_slo:error:ratio_rate5m{"):
            return [{"metric": {"slo": name}, "value": [0, str(rate)]} for name, rate in self.burn.items()]
        assert 'pod=~"api-gateway-new-.+"' in query
        return [{"metric": {}, "value": [0, str(self.requests)]}]


def play_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Revision 4 of api-gateway, rolled out a minute ago; 3 is still there. What kubectl was told is in `calls`."""
    program = tmp_path / "bin" / "kubectl"
    program.parent.mkdir()
    program.write_text(KUBECTL)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setenv("KUBECTL_STATE", str(tmp_path))
    write(tmp_path, revisions={4: "new", 3: "old"}, age=timedelta(minutes=1))
    return tmp_path


def write(folder: Path, revisions: dict[int, str], age: timedelta) -> None:
    def number(revision: int) -> dict[str, str]:
        return {"deployment.kubernetes.io/revision": str(revision)}

    made = f"{NOW - age:%Y-%m-%dT%H:%M:%SZ}"
    template = {"spec": {"containers": [{"image": "registry/api-gateway:2"}]}}
    deployment = {
        "metadata": {"name": "api-gateway", "uid": "d", "generation": 9, "annotations": number(max(revisions))},
        "spec": {"template": template},
        "status": {"observedGeneration": 9},
    }
    replica_sets = [
        {
            "metadata": {
                "name": f"api-gateway-{name}",
                "uid": name,
                "annotations": number(revision),
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "ownerReferences": [{"uid": "d"}],
            }
        }
        for revision, name in revisions.items()
    ]
    pod = {"metadata": {"creationTimestamp": made, "ownerReferences": [{"uid": revisions[max(revisions)]}]}}
    other = {"metadata": {"creationTimestamp": "2025-01-01T00:00:00Z", "ownerReferences": [{"uid": "else"}]}}
    for name, content in (
        ("deployment", deployment),
        ("replicasets", {"items": replica_sets}),
        ("pods", {"items": [pod, other]}),
    ):
        (folder / f"{name}.json").write_text(json.dumps(content))


def rollouts(cluster: Path) -> list[str]:
    return [line for line in (cluster / "calls").read_text().splitlines() if line.startswith("rollout undo")]
