"""Each drill: the fault, how it is mended, and what must be seen of it within which time."""

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sandbox import aws, platform, processes
from sandbox.drills.signs import HeartbeatMissed, HeldBack, Mail, Page, Sign, Slack, StillAnswers
from sandbox.errors import SandboxError
from sandbox.node.layout import NODE_IP
from sandbox.platform import manifests
from sandbox.platform.cluster import kubectl

FIRST, SECOND, ALONE = 1, 2, 3
"""Waves. The first takes away the traffic that the second needs, and needs none itself; the last blinds all others."""


@dataclass(frozen=True, kw_only=True)
class Drill:
    """One fault and what must come of it."""

    name: str
    what: str
    begin: Callable[[], None]
    end: Callable[[], None]
    signs: tuple[Sign, ...]
    seconds: int
    """All signs must be there this long after the fault."""
    alert: str | None
    subject: str
    wave: int = SECOND


def _told(alert: str, subject: str, *channels: str, team: str | None = None, pages: bool = True) -> tuple[Sign, ...]:
    """The usual signs: each channel, the page, and the mail to the owner."""
    signs: list[Sign] = [Slack(channel, alert, subject) for channel in channels]
    if pages:
        signs.append(Page(alert, subject))
    if team is not None:
        signs.append(Mail(f"{team}-oncall@dharma.example", alert, subject))
    return tuple(signs)


def _scaled_to_zero(workload: str, namespace: str = "dharma", replicas: int = 1) -> dict[str, Any]:
    """Nothing is left of a workload; afterwards it has its replicas again."""

    def scale(count: int) -> None:
        # word for word as the task types it: kubectl scale deployment api-gateway --replicas=0 -n dharma
        kubectl("scale", *workload.split("/"), f"--replicas={count}", "-n", namespace)

    return {
        "what": f"{workload} in {namespace} scaled to zero",
        "begin": lambda: scale(0),
        "end": lambda: scale(replicas),
    }


def _jaeger_killed(clients: StillAnswers) -> dict[str, Any]:
    """Jaeger is gone to its last pod, while clients of the platform are served."""
    scaled = _scaled_to_zero("deployment/jaeger", "monitoring")

    def begin() -> None:
        deadline = time.monotonic() + 90  # an earlier drill may just have mended what they ask
        while not clients.answers():
            if time.monotonic() > deadline:
                raise SandboxError(f"{clients.service} fails before Jaeger is touched: {clients.statuses()} by status")
            time.sleep(2)
        scaled["begin"]()
        gone = ("wait", "--for=delete", "pod", "-l", "app=jaeger", "--timeout=90s")  # it has 60 to send what it holds
        kubectl("-n", "monitoring", *gone, timeout_seconds=100)

    return {**scaled, "begin": begin}


def _misbehaving(service: str, **fault: Any) -> dict[str, Any]:
    """A service that does as told."""
    return {
        "what": f"{service} with {', '.join(f'{field} {value}' for field, value in fault.items())}",
        "begin": lambda: platform.fault(service, **fault),
        "end": lambda: platform.clear_faults(service),
    }


def _ending_at_once(name: str) -> dict[str, Any]:
    """A new deployment whose program fails at its start; of a service that crashes only ServiceDown is told."""

    def begin() -> None:
        namespace = manifests.NAMESPACE
        traffic = json.loads(kubectl("-n", namespace, "get", "deployment", manifests.TRAFFIC, "-o", "json"))
        container = {
            "image": traffic["spec"]["template"]["spec"]["containers"][0]["image"],
            "command": ["false"],
            "resources": manifests.resources(1, 8, 50, 16),
        }
        deployment = manifests.deployment(name, namespace, container, [], user=65534)
        kubectl("apply", "-f", "-", text=json.dumps(deployment))

    return {
        "what": f"a deployment {name} whose program fails at its start",
        "begin": begin,
        "end": lambda: _ignore(kubectl("-n", manifests.NAMESPACE, "delete", "deployment", name, "--ignore-not-found")),
    }


def _memory_filled(service: str) -> dict[str, Any]:
    """The task's own `dd`: /tmp is memory, and smaller than the container's limit, so that nothing is killed."""
    shell = ("-n", "dharma", "exec", f"deploy/{service}", "--", "sh", "-c")
    return {
        "what": f"dd if=/dev/zero of=/tmp/test bs=1M count=1000 in {service}",
        "begin": lambda: _ignore(kubectl(*shell, "dd if=/dev/zero of=/tmp/test bs=1M count=1000 2>&1; true")),
        "end": lambda: _ignore(kubectl(*shell, "rm -f /tmp/test")),
    }


def _store_stopped() -> dict[str, Any]:
    """The span store ends, and comes back with its data."""
    return {
        "what": "OpenSearch stopped",
        "begin": lambda: processes.stop("opensearch"),
        "end": partial(aws.up, NODE_IP),
    }


def _volume_filled(claim: str, share: float = 0.95) -> dict[str, Any]:
    """A file that takes a volume to this share of its size, laid beside what its pod keeps there."""

    def begin() -> None:
        folder = _folder(claim)
        size = os.statvfs(folder)
        used = (size.f_blocks - size.f_bfree) * size.f_frsize
        with (folder / "ballast").open("wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, int(size.f_blocks * size.f_frsize * share) - used)

    return {
        "what": f"volume {claim} filled to {share:.0%}",
        "begin": begin,
        "end": lambda: (_folder(claim) / "ballast").unlink(missing_ok=True),
    }


def _folder(claim: str) -> Path:
    """Where the node has the data of a claim in `monitoring`."""
    name = json.loads(kubectl("-n", "monitoring", "get", "pvc", claim, "-o", "json"))["spec"]["volumeName"]
    return Path(json.loads(kubectl("get", "pv", name, "-o", "json"))["spec"]["local"]["path"])


def _credentials_flood(service: str, path: str, rps: int = 40, seconds: int = 150) -> dict[str, Any]:
    """Someone tries credentials: far more refused logins than traffic."""

    def flood() -> None:
        platform.burst(path, rps * seconds, service=service, rps=rps)

    def begin() -> None:
        platform.fault(service, error_rate=1.0, status=401)
        threading.Thread(target=flood, daemon=True).start()

    return {
        "what": f"{rps} refused logins a second at {service} for {seconds} s",
        "begin": begin,
        "end": lambda: platform.clear_faults(service),
    }


def _ignore(_: str) -> None:
    """What a command printed is of no interest here."""


# A route that no other drill breaks.
_CLIENTS = StillAnswers("api-gateway", "/api/v1/blueprints")

# Durations are those of Pulumi.sandbox.yaml, which shortens most to a minute; to them come the time that a rate over
# five minutes needs to show the fault, a scrape, an evaluation, and delivery.
DRILLS = (
    Drill(
        name="scale-to-zero",
        **_scaled_to_zero("deployment/api-gateway"),
        alert="ServiceDown",
        subject="api-gateway",
        signs=_told("ServiceDown", "api-gateway", "#dharma-critical", team="platform"),
        seconds=180,  # the page and its channel within 120, as promised; the mail may take longer
        wave=FIRST,
    ),
    Drill(
        name="postgresql-stopped",
        **_scaled_to_zero("deployment/postgresql"),
        alert="DatabaseDown",
        subject="PostgreSQL",
        signs=_told("DatabaseDown", "PostgreSQL", "#dharma-critical", "#database-alerts", team="database"),
        seconds=180,
    ),
    Drill(
        name="redis-stopped",
        **_scaled_to_zero("deployment/redis"),
        alert="RedisDown",
        subject="Redis",
        signs=_told("RedisDown", "Redis", "#dharma-critical", "#database-alerts", team="database"),
        seconds=180,
        wave=FIRST,
    ),
    Drill(
        name="loki-killed",
        **_scaled_to_zero("statefulset/loki", "monitoring"),
        alert="MonitoringTargetMissing",
        subject="loki",
        signs=_told(
            "MonitoringTargetMissing", "loki", "#dharma-critical", "#infrastructure-alerts", team="infrastructure"
        ),
        seconds=300,
    ),
    Drill(
        name="jaeger-killed",
        **_jaeger_killed(_CLIENTS),
        alert="MonitoringTargetMissing",
        subject="jaeger",
        signs=(
            _CLIENTS,
            *_told(
                "MonitoringTargetMissing", "jaeger", "#dharma-critical", "#infrastructure-alerts", team="infrastructure"
            ),
        ),
        # up to 90 until clients are served, and as many until the pod is gone
        seconds=420,
    ),
    Drill(
        name="full-volume",
        **_volume_filled("data-grafana-0"),
        alert="KubernetesPVCFull",
        subject="data-grafana-0",
        signs=_told(
            "KubernetesPVCFull", "data-grafana-0", "#infrastructure-alerts", team="infrastructure", pages=False
        ),
        seconds=300,
    ),
    Drill(
        name="opensearch-stopped",
        **_store_stopped(),
        alert="OpenSearchUnreachable",
        subject="span store",
        signs=_told(
            "OpenSearchUnreachable", "span store", "#dharma-critical", "#infrastructure-alerts", team="infrastructure"
        ),
        seconds=240,
    ),
    Drill(
        name="errors",
        **_misbehaving("costing-service", error_rate=1.0),
        alert="CriticalErrorRate",
        subject="costing-service",
        signs=_told("CriticalErrorRate", "costing-service", "#dharma-critical", team="platform"),
        seconds=300,
    ),
    Drill(
        name="latency",
        **_misbehaving("ai-engine", latency_ms=4000),
        alert="CriticalLatency",
        subject="ai-engine",
        signs=_told("CriticalLatency", "ai-engine", "#dharma-critical", "#performance-alerts", team="platform"),
        seconds=300,
    ),
    Drill(
        name="memory",
        **_memory_filled("orchestrator-service"),
        alert="HighMemoryUsage",
        subject="orchestrator-service",
        signs=_told("HighMemoryUsage", "orchestrator-service", "#performance-alerts", team="platform", pages=False),
        seconds=240,
    ),
    Drill(
        name="crash-loop",
        **_ending_at_once("night-job"),
        alert="KubernetesPodCrashLooping",
        subject="night-job",
        signs=_told(
            "KubernetesPodCrashLooping",
            "night-job",
            "#dharma-critical",
            "#infrastructure-alerts",
            team="infrastructure",
        ),
        seconds=300,
    ),
    Drill(
        name="credentials-flood",
        **_credentials_flood("monitoring-service", "/api/v1/services"),
        alert="UnauthorizedAccessAttempts",
        subject="monitoring-service",
        signs=_told(
            "UnauthorizedAccessAttempts", "monitoring-service", "#dharma-critical", "#security-alerts", team="security"
        ),
        seconds=300,
    ),
    Drill(
        name="escalation",
        **_misbehaving("iac-generator", latency_ms=1500),
        alert="WarningEscalated",
        subject="iac-generator",
        signs=(
            Slack("#performance-alerts", "HighLatency", "iac-generator"),
            *_told("WarningEscalated", "iac-generator", "#dharma-critical", team="platform"),
        ),
        seconds=420,
    ),
    Drill(
        name="inhibition",
        **_scaled_to_zero("deployment/guardrails-engine"),
        alert="ServiceDown",
        subject="guardrails-engine",
        signs=(
            *_told("ServiceDown", "guardrails-engine", "#dharma-critical", team="security"),
            HeldBack("ServiceHealthProbeFailing", "guardrails-engine", by="ServiceDown"),
        ),
        seconds=300,
        wave=FIRST,
    ),
    Drill(
        name="prometheus-killed",
        **_scaled_to_zero("statefulset/prometheus", "monitoring"),
        alert=None,
        subject="Watchdog",
        signs=(HeartbeatMissed(),),
        # Alertmanager repeats the Watchdog until it has not heard of it for four minutes; then the sink waits
        seconds=480,
        wave=ALONE,
    ),
)


def names() -> tuple[str, ...]:
    return tuple(drill.name for drill in DRILLS)


def get(name: str) -> Drill:
    """The drill of that name. Raises SandboxError listing all."""
    for drill in DRILLS:
        if drill.name == name:
            return drill
    raise SandboxError(f"there is no drill '{name}'; choose of: {', '.join(names())}")
