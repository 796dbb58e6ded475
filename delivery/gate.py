"""One delivery from its rollout to its verdict: wait, watch, roll back if need be, tell."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import httpx
from opentelemetry.trace import Span, StatusCode, Tracer

from delivery import telling, tracing
from delivery.decision import Poll, Seen, Verdict, faults, verdict
from delivery.errors import GateError, worded
from delivery.options import Options
from delivery.rollout import Deployment, KubectlError, Rollout
from delivery.signals import Signals, Unanswered, namespace_of

log = logging.getLogger("delivery")
_BEFORE = timedelta(seconds=15)
"""One evaluation of the rules: what was so by then is not the rollout's doing."""


class Outcome(StrEnum):
    PASSED = "passed"
    ROLLED_BACK = "rolled back"
    NO_VERDICT = "no verdict"
    FAILED = "failed, not rolled back"


EXIT_CODES = {Outcome.PASSED: 0, Outcome.NO_VERDICT: 3, Outcome.ROLLED_BACK: 4, Outcome.FAILED: 5}
"""1 is what Python itself ends with when it fails."""


@dataclass(frozen=True)
class Subject:
    """What is watched, known before anything is changed."""

    signals: Signals
    deployment: Deployment
    rollout: Rollout
    objectives: tuple[str, ...]
    before: Mapping[str, float]
    environment: str
    no_way_back: str | None
    """Why it will not be rolled back whatever happens; None where it may be."""


def run(options: Options, http: httpx.Client) -> dict[str, Any]:
    """Everything. Raises GateError when it cannot start; nothing has been changed then."""
    subject = _subject(options, http)
    rollout, signals = subject.rollout, subject.signals
    grafana = telling.Grafana(options.grafana, options.grafana_token, http)
    mark = grafana.mark(
        signals.service, rollout.began, f"{signals.service} revision {rollout.revision} rolled out; being watched"
    )
    attributes = {
        "deployment.environment.name": subject.environment,
        "k8s.namespace.name": signals.namespace,
        "k8s.deployment.name": subject.deployment.name,
        "k8s.replicaset.name": rollout.replica_set,
        "container.image.name": ", ".join(rollout.images),
    }
    with tracing.deployment(options.otlp, attributes) as (tracer, span):
        trace_id = tracing.trace_id(span)
        log.info("trace_id=%s service=%s revision=%d", trace_id, signals.service, rollout.revision)
        outcome, reasons = _decide(options, subject, tracer)
        span.set_attribute("deployment.status", "succeeded" if outcome is Outcome.PASSED else "failed")
        span.set_attribute("deployment.outcome", outcome.value)
        if outcome in (Outcome.ROLLED_BACK, Outcome.FAILED):
            span.set_status(StatusCode.ERROR, "; ".join(reasons))
    ended = datetime.now(UTC)
    story = telling.Story(
        service=signals.service,
        namespace=signals.namespace,
        environment=subject.environment,
        revision=rollout.revision,
        images=rollout.images,
        outcome=outcome.value,
        reasons=reasons,
        began=rollout.began,
        ended=ended,
        dashboard=telling.dashboard_link(
            options.grafana_link, signals.service, signals.namespace, rollout.began, ended
        ),
        trace=f"{options.jaeger_link}/trace/{trace_id}" if options.jaeger_link else trace_id,
        run=options.run_url,
    )
    _tell(grafana, mark, story, http, options.webhook)
    return {
        "outcome": outcome.value,
        "exit_code": EXIT_CODES[outcome],
        "reasons": list(reasons),
        "service": story.service,
        "namespace": story.namespace,
        "environment": story.environment,
        "revision": story.revision,
        "trace_id": trace_id,
        "annotation": mark,
        "dashboard": story.dashboard,
    }


def _subject(options: Options, http: httpx.Client) -> Subject:
    namespace = namespace_of(http, options.prometheus, options.service, options.namespace)
    signals = Signals(http, options.prometheus, options.alertmanager, options.service, namespace)
    deployment = Deployment(namespace, options.deployment)
    rollout = deployment.current()
    now = datetime.now(UTC)
    no_way_back = None
    if not options.may_roll_back:
        no_way_back = "--no-rollback"
    elif rollout.previous is None:
        no_way_back = f"revision {rollout.revision} is the only one there is"
    elif (now - rollout.began).total_seconds() > options.oldest_rollout_seconds:
        no_way_back = f"revision {rollout.revision} was rolled out at {rollout.began:%Y-%m-%d %H:%M} UTC, long ago"
        rollout = replace(rollout, began=now)  # only what happens from here on counts
    if no_way_back:
        log.warning("it will not be rolled back, whatever happens: %s", no_way_back)
    try:
        objectives, before = signals.objectives(), signals.burn(rollout.began - _BEFORE)
        signals.alerts(rollout.began)
        environment = signals.environment()
    except Unanswered as error:
        raise GateError(f"{error}; nothing could be judged by it") from None
    if not objectives:
        raise GateError(f"Prometheus has no objectives of {options.service}; are the stack's rules loaded?")
    return Subject(signals, deployment, rollout, objectives, before, environment, no_way_back)


def _decide(options: Options, subject: Subject, tracer: Tracer) -> tuple[Outcome, tuple[str, ...]]:
    try:
        found = _rolled_out(options, subject, tracer) or _watched(options, subject, tracer)
    except KeyboardInterrupt:
        found = Verdict(None, ("the watch was interrupted before its time was over",))
    for reason in found.reasons:
        log.info("%s", reason)
    if found.healthy:
        return Outcome.PASSED, found.reasons
    if found.healthy is None:
        return Outcome.NO_VERDICT, found.reasons
    return _undone(options, subject, found.reasons, tracer)


def _rolled_out(options: Options, subject: Subject, tracer: Tracer) -> Verdict | None:
    """None once it is rolled out."""
    with tracer.start_as_current_span("rollout") as span:
        try:
            subject.deployment.wait(options.rollout_seconds)
        except KubectlError as error:
            span.set_status(StatusCode.ERROR, str(error))
            if verdict_of_another := _superseded(subject):
                return verdict_of_another
            return Verdict(False, (f"it was not rolled out in time: {error}",))
    return None


def _watched(options: Options, subject: Subject, tracer: Tracer) -> Verdict:
    rollout, polls = subject.rollout, list[Poll]()
    with tracer.start_as_current_span("watch") as span:
        until = time.monotonic() + options.watch_seconds
        while True:
            polls.append(subject.signals.poll(datetime.now(UTC), rollout.replica_set, rollout.began))
            _note(polls[-1], span)
            if other := _superseded(subject):
                return other
            if found := faults(polls, subject.before, options.limits):
                span.set_status(StatusCode.ERROR, "; ".join(found))
                return Verdict(False, found)
            if time.monotonic() >= until:
                return verdict(polls, subject.objectives, subject.before, options.limits)
            time.sleep(min(options.poll_seconds, max(0, until - time.monotonic())))


def _superseded(subject: Subject) -> Verdict | None:
    """A newer revision is somebody else's delivery: it is neither judged nor undone here."""
    try:
        revision = subject.deployment.revision()
    except KubectlError as error:
        log.warning("the deployment could not be read: %s", error)
        return None
    if revision == subject.rollout.revision:
        return None
    return Verdict(None, (f"revision {revision} took the place of {subject.rollout.revision} meanwhile",))


def _undone(
    options: Options, subject: Subject, reasons: tuple[str, ...], tracer: Tracer
) -> tuple[Outcome, tuple[str, ...]]:
    rollout = subject.rollout
    if subject.no_way_back or rollout.previous is None:
        return Outcome.FAILED, (*reasons, f"not rolled back: {subject.no_way_back}")
    with tracer.start_as_current_span("rollback") as span:
        try:
            subject.deployment.undo(rollout.previous)
            log.info("rolling back to revision %d", rollout.previous)
            subject.deployment.wait(options.rollout_seconds)
        except KubectlError as error:
            span.set_status(StatusCode.ERROR, str(error))
            return Outcome.FAILED, (*reasons, f"the rollback to revision {rollout.previous} failed: {error}")
    return Outcome.ROLLED_BACK, (*reasons, f"what was revision {rollout.previous} serves again")


def _note(poll: Poll, span: Span) -> None:
    if isinstance(poll, Seen):
        burn = ", ".join(f"{slo} {rate:.3g}" for slo, rate in sorted(poll.burn.items())) or "nothing to measure"
        firing = ", ".join(f"{alert.name}{' (before)' * alert.stood_before}" for alert in poll.alerts) or "none"
        text = f"{poll.requests:g} requests answered; burn: {burn}; alerts: {firing}"
    else:
        text = poll.reason
    log.info("%s", text)
    span.add_event(text)


def _tell(grafana: telling.Grafana, mark: int, story: telling.Story, http: httpx.Client, webhook: str) -> None:
    """A tool that is away now changes nothing of what was decided; it is logged."""
    try:
        grafana.update(mark, story.service, story.outcome, story.ended, telling.mark_text(story))
    except (httpx.HTTPError, ValueError) as error:
        log.error("the mark in Grafana still says it is being watched: %s", worded(error))
    try:
        telling.post(http, webhook, telling.message(story))
    except httpx.HTTPError as error:
        # The address of a webhook is its password: neither it nor the error, which holds it, is logged.
        log.error("nobody was told: the webhook does not take the message (%s)", type(error).__name__)
