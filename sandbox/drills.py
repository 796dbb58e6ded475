"""Faults on the running sandbox, each with the alert that must reach someone because of it.

A drill breaks something real (a deployment scaled away, a service that answers errors), says which alert that must
raise, in which Slack channel and within how long, and mends what it broke. What arrived is read from the sinks.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox import platform, sinks
from sandbox.errors import SandboxError
from sandbox.platform.cluster import kubectl

GROUP_INTERVAL_SECONDS = 5 * 60
"""Alertmanager's pause between two messages of one group: a resolution can wait this long."""


@dataclass(frozen=True, kw_only=True)
class Drill:
    """One fault and what must come of it."""

    name: str
    what: str
    begin: Callable[[], None]
    end: Callable[[], None]
    alert: str
    subject: str
    """Part of the message that says whom it is about."""
    channel: str
    pages: bool
    seconds: int
    """The message must be there this long after the fault."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """When what arrived, in seconds after the fault began."""

    drill: str
    slack_seconds: float
    page_seconds: float | None


def names() -> tuple[str, ...]:
    return tuple(drill.name for drill in _DRILLS)


def get(name: str) -> Drill:
    """The drill of that name. Raises SandboxError listing all."""
    for drill in _DRILLS:
        if drill.name == name:
            return drill
    raise SandboxError(f"there is no drill '{name}'; choose one of: {', '.join(names())}")


def run(name: str) -> Outcome:
    """Plays one drill from fault to message, and mends the fault whatever happens. Raises SandboxError if none came."""
    drill = get(name)
    began = time.time()
    drill.begin()
    try:
        return await_message(drill, began)
    finally:
        drill.end()


def await_message(drill: Drill, began: float, *, resolved: bool = False, seconds: int | None = None) -> Outcome:
    """Waits until Slack, and PagerDuty if it pages, have been told (that it is over, if `resolved`).

    Raises SandboxError when `seconds` after `began` (the drill's own, where not given) are over.
    """
    allowed = drill.seconds if seconds is None else seconds
    slack: float | None = None
    page: float | None = None
    while time.time() < began + allowed:
        if slack is None and told(drill, began, resolved=resolved):
            slack = time.time() - began
        if page is None and drill.pages and paged(drill, began, resolved=resolved):
            page = time.time() - began
        if slack is not None and (page is not None or not drill.pages):
            return Outcome(drill=drill.name, slack_seconds=slack, page_seconds=page)
        time.sleep(1)
    raise SandboxError(
        f"drill {drill.name}: no {'resolution' if resolved else 'message'} of {drill.alert} in {drill.channel} within "
        f"{allowed} s; look at Prometheus' alerts and Alertmanager's log"
    )


def told(drill: Drill, since: float, *, resolved: bool = False) -> bool:
    """The drill's Slack channel has heard of its alert (of its end, if `resolved`) after the Unix time `since`."""
    return any(
        body.get("channel") == drill.channel and _about(drill, attachment, resolved)
        for body in sinks.received("slack", since)
        for attachment in body.get("attachments", [])
    )


def paged(drill: Drill, since: float, *, resolved: bool = False) -> bool:
    """The same for PagerDuty, whose incident is opened and closed by its key."""
    wanted = "resolve" if resolved else "trigger"
    return any(
        body["event_action"] == wanted and _names(drill, json.dumps(body))
        for body in sinks.received("pagerduty", since)
    )


def _names(drill: Drill, text: str) -> bool:
    return f"/{drill.alert}.md" in text and drill.subject in text


def _about(drill: Drill, attachment: dict[str, Any], resolved: bool) -> bool:
    over = str(attachment.get("title", "")).startswith("[RESOLVED]")
    return over == resolved and _names(drill, json.dumps(attachment))


def _scaled_to_zero(name: str, workload: str, namespace: str = "dharma", **rest: Any) -> Drill:
    """Nothing is left of a workload; afterwards it has one replica again."""

    def scale(replicas: int) -> None:
        kubectl("-n", namespace, "scale", workload, f"--replicas={replicas}")

    return Drill(
        name=name,
        what=f"{workload} in {namespace} scaled to zero",
        begin=lambda: scale(0),
        end=lambda: scale(1),
        pages=True,
        **rest,
    )


def _misbehaving(name: str, service: str, alert: str, seconds: int, **fault: Any) -> Drill:
    """A service that does as told."""
    return Drill(
        name=name,
        what=f"{service} with {', '.join(f'{field} {value}' for field, value in fault.items())}",
        begin=lambda: platform.fault(service, **fault),
        end=lambda: platform.clear_faults(service),
        alert=alert,
        subject=service,
        channel="#dharma-critical",
        pages=True,
        seconds=seconds,
    )


# The time each may take: the alert's own duration, the five minutes a rate needs at most to show it, and delivery.
_DRILLS = (
    _scaled_to_zero(
        "scale-to-zero",
        "deployment/api-gateway",
        alert="ServiceDown",
        subject="api-gateway",
        channel="#dharma-critical",
        seconds=120,
    ),
    _scaled_to_zero(
        "postgresql-stopped",
        "deployment/postgresql",
        alert="DatabaseDown",
        subject="PostgreSQL",
        channel="#database-alerts",
        seconds=180,
    ),
    _scaled_to_zero(
        "redis-stopped",
        "deployment/redis",
        alert="RedisDown",
        subject="Redis",
        channel="#database-alerts",
        seconds=180,
    ),
    _scaled_to_zero(
        "loki-gone",
        "statefulset/loki",
        "monitoring",
        alert="MonitoringTargetMissing",
        subject="loki",
        channel="#infrastructure-alerts",
        seconds=480,
    ),
    _misbehaving("errors", "costing-service", "CriticalErrorRate", 420, error_rate=1.0),
    _misbehaving("latency", "ai-engine", "CriticalLatency", 600, latency_ms=4000),
    _misbehaving("crash-loop", "automation-engine", "KubernetesPodCrashLooping", 720, crash_loop=True),
)
