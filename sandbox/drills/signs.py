"""What must be seen because of a fault: messages in the sinks, and what Alertmanager holds back."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import httpx

from sandbox import platform, sinks, stack
from sandbox.errors import SandboxError

_REQUESTS = 100


class Sign(Protocol):
    """One thing that a fault must lead to. `since` is a Unix time: what was there before is another fault's."""

    def told(self, since: float) -> bool:
        """It has been seen since then."""

    def over(self, since: float) -> bool:
        """It has been seen since then that it is over."""


@dataclass(frozen=True)
class Slack:
    """A message in a channel."""

    channel: str
    alert: str
    subject: str
    """Part of the message that says whom it is about."""

    def told(self, since: float) -> bool:
        return any(not _resolved(attachment["title"]) for attachment in self._attachments(since))

    def over(self, since: float) -> bool:
        return any(_resolved(attachment["title"]) for attachment in self._attachments(since))

    def _attachments(self, since: float) -> Iterable[dict[str, Any]]:
        for body in sinks.received("slack", since):
            if body.get("channel") == self.channel:
                yield from (each for each in body["attachments"] if _about(self.alert, self.subject, each))


@dataclass(frozen=True)
class Page:
    """An incident at PagerDuty, opened and closed by its key, and the same at the incident webhook."""

    alert: str
    subject: str

    def told(self, since: float) -> bool:
        return self._both("trigger", "firing", since)

    def over(self, since: float) -> bool:
        return self._both("resolve", "resolved", since)

    def _both(self, action: str, status: str, since: float) -> bool:
        pages = (body for body in sinks.received("pagerduty", since) if body["event_action"] == action)
        posts = (body for body in sinks.received("webhook", since) if body["status"] == status)
        return all(any(_about(self.alert, self.subject, body) for body in bodies) for bodies in (pages, posts))


@dataclass(frozen=True)
class Mail:
    """A mail to a team, in private."""

    to: str
    alert: str
    subject: str

    def told(self, since: float) -> bool:
        return any(not _resolved(mail["subject"]) for mail in self._mails(since))

    def over(self, since: float) -> bool:
        return any(_resolved(mail["subject"]) for mail in self._mails(since))

    def _mails(self, since: float) -> Iterable[dict[str, Any]]:
        for mail in sinks.received("smtp", since):
            if mail["tls"] and self.to in mail["to"] and _about(self.alert, self.subject, mail):
                yield mail


@dataclass(frozen=True)
class HeldBack:
    """An alert that follows from another: Alertmanager knows of it, and nobody is told."""

    alert: str
    service: str
    by: str

    def told(self, since: float) -> bool:
        alerts = standing(service=self.service)
        causes = {alert["fingerprint"] for alert in alerts if alert["labels"]["alertname"] == self.by}
        held = [alert for alert in alerts if alert["labels"]["alertname"] == self.alert]
        silent = not any(
            _about(self.alert, self.service, body)
            for sink in ("slack", "smtp", "pagerduty")
            for body in sinks.received(sink, since)
        )
        return silent and bool(held) and all(causes & {*alert["status"]["inhibitedBy"]} for alert in held)

    def over(self, since: float) -> bool:  # noqa: ARG002 - nobody was told, so nobody is told that it is over
        return not any(alert["labels"]["alertname"] == self.alert for alert in standing(service=self.service))


@dataclass(frozen=True)
class StillAnswers:
    """Clients of a service notice nothing: of a hundred requests after the fault, and of as many later, none fails."""

    service: str
    path: str

    def told(self, since: float) -> bool:  # noqa: ARG002 - asked now, which is after the fault
        return self._none_fails()

    def over(self, since: float) -> bool:  # noqa: ARG002
        return self._none_fails()

    def statuses(self) -> dict[str, int]:
        return platform.burst(self.path, _REQUESTS, service=self.service).statuses

    def answers(self) -> bool:
        """For a drill to wait for before it begins."""
        return self.statuses() == {"200": _REQUESTS}

    def _none_fails(self) -> bool:
        """Raises SandboxError at the first failure: asking until none fails would prove nothing."""
        if (statuses := self.statuses()) != {"200": _REQUESTS}:
            raise SandboxError(f"{self.service} GET {self.path}: of {_REQUESTS} requests {statuses} by status")
        return True


@dataclass(frozen=True)
class HeartbeatMissed:
    """Whoever outside expects the Watchdog says that it has stopped; over when it beats again."""

    def told(self, since: float) -> bool:
        return bool(sinks.received("heartbeat-stopped", since))

    def over(self, since: float) -> bool:
        return bool(sinks.received("heartbeat", since))


def standing(**labels: str) -> list[dict[str, Any]]:
    """The alerts with these labels that Alertmanager holds for firing at present."""
    filters = [f'{name}="{value}"' for name, value in labels.items()]
    url = f"{_alertmanager()}/api/v2/alerts"
    try:
        answer = httpx.get(url, params={"filter": filters}, timeout=15, trust_env=False).raise_for_status()
    except httpx.HTTPError as error:
        raise SandboxError(f"Alertmanager does not answer at {url}: {error}") from error
    found: list[dict[str, Any]] = answer.json()
    return found


@cache
def _alertmanager() -> str:
    outputs = stack.outputs()
    if "urls" not in outputs:
        raise SandboxError("the stack is not deployed; run: make up")
    return str(outputs["urls"]["alertmanager"])


def _about(alert: str, subject: str, body: dict[str, Any]) -> bool:
    """Every message names its runbook, whatever its channel."""
    text = json.dumps(body)
    return f"/{alert}.md" in text and subject in text


def _resolved(title: str) -> bool:
    return title.startswith("[RESOLVED]")
