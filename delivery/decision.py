"""What the gate decides by: observations of one rollout in, a fault or a verdict out. Nothing here asks anybody.

Only what the rollout may have caused counts against it. What stood before it (an alert, a burn) is no reason to roll
back, for the rollout may be its cure; but it is no health either. What could not be seen is never taken for healthy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

CRITICAL = "critical"
LEAST_SEEN = 0.8
"""Share of the polls that must have been answered before anything may pass."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is too much, and what is too little to judge by."""

    burn_rate: float = 14.4
    """How many times faster than allowed an error budget may be spent; 14.4 is where the stack's own alert pages."""
    burn_seconds: float = 30
    """How long a burn must stand: the rules are evaluated every 15 s, so one odd sample is not enough."""
    requests: int = 10
    """Requests that the new revision must have answered before it may pass."""


@dataclass(frozen=True)
class Alert:
    """An alert of the service that fires and that nobody has silenced."""

    name: str
    severity: str
    summary: str
    stood_before: bool
    """Its condition was true before the rollout began."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What one poll found."""

    at: datetime
    alerts: tuple[Alert, ...] = ()
    burn: Mapping[str, float] = field(default_factory=dict)
    """Burn rate over five minutes by objective; one without requests to measure is missing."""
    requests: float = 0
    """Requests that the pods of the new revision have answered so far."""


@dataclass(frozen=True, kw_only=True)
class Unseen:
    """A poll that could not be answered."""

    at: datetime
    reason: str


@dataclass(frozen=True)
class Verdict:
    """`healthy` is None where there is too little to tell."""

    healthy: bool | None
    reasons: tuple[str, ...]


Poll = Seen | Unseen


def faults(polls: Sequence[Poll], before: Mapping[str, float], limits: Limits) -> tuple[str, ...]:
    """Why the rollout is to be undone now; empty while there is no reason to.

    before: burn rates by objective just before the rollout.
    """
    seen = [poll for poll in polls if isinstance(poll, Seen)]
    if not seen:
        return ()
    alerts = [
        f"{alert.name} fires: {alert.summary}"
        for alert in seen[-1].alerts
        if alert.severity == CRITICAL and not alert.stood_before
    ]
    burns = [
        f"the {slo} budget burns {rate:.3g} times too fast (limit {_limit(slo, before, limits):.3g})"
        for slo, rate in seen[-1].burn.items()
        if _stood_seconds(seen, slo, _limit(slo, before, limits)) >= limits.burn_seconds
    ]
    return tuple(alerts + burns)


def verdict(polls: Sequence[Poll], objectives: Sequence[str], before: Mapping[str, float], limits: Limits) -> Verdict:
    """What the whole watch comes to, once its time is over."""
    if found := faults(polls, before, limits):
        return Verdict(False, found)
    seen = [poll for poll in polls if isinstance(poll, Seen)]
    if not seen or isinstance(polls[-1], Unseen) or len(seen) < LEAST_SEEN * len(polls):
        blind = [poll.reason for poll in polls if isinstance(poll, Unseen)]
        return Verdict(
            None, (f"{len(blind)} of {len(polls)} polls went unanswered: {blind[-1] if blind else 'none made'}",)
        )
    last = seen[-1]
    doubts = [f"no {slo} to measure: no requests within five minutes" for slo in objectives if slo not in last.burn]
    if last.requests < limits.requests:
        doubts.append(f"the new revision answered {last.requests:g} requests; at least {limits.requests} are needed")
    doubts += [f"{alert.name} fires since before the rollout" for alert in last.alerts if alert.severity == CRITICAL]
    doubts += [
        f"the {slo} budget burns {rate:.3g} times too fast, as it did before the rollout or only just now"
        for slo, rate in last.burn.items()
        if rate > limits.burn_rate
    ]
    if doubts:
        return Verdict(None, tuple(doubts))
    return Verdict(True, (f"no critical alert, and no budget burns faster than {limits.burn_rate:g} times",))


def _limit(slo: str, before: Mapping[str, float], limits: Limits) -> float:
    """What burnt already must burn twice as fast to be the rollout's doing."""
    return max(limits.burn_rate, 2 * before.get(slo, 0))


def _stood_seconds(seen: Sequence[Seen], slo: str, limit: float) -> float:
    """For how long, up to the last poll, the burn has been over the limit without a break; -1 when it is not now."""
    since = None
    for poll in reversed(seen):
        if not poll.burn.get(slo, 0) > limit:
            break
        since = poll.at
    return -1 if since is None else (seen[-1].at - since).total_seconds()
