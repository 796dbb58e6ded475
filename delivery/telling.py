"""Who is told: Grafana, by a mark on the service's dashboard, and people, by a message to an incoming webhook."""

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import httpx

from delivery.errors import GateError, worded

DASHBOARD = "service-details"
_COLOURS = {"passed": "good", "no verdict": "warning"}


@dataclass(frozen=True, kw_only=True)
class Story:
    """What there is to tell about one deployment."""

    service: str
    namespace: str
    environment: str
    revision: int
    images: tuple[str, ...]
    outcome: str
    reasons: Sequence[str]
    began: datetime
    ended: datetime
    dashboard: str
    trace: str
    """Its address in Jaeger, or its id where Jaeger has no address for people."""
    run: str | None


@dataclass(frozen=True)
class Grafana:
    """Grafana's API with the rights of a token."""

    url: str
    token: str
    http: httpx.Client

    def mark(self, service: str, began: datetime, text: str) -> int:
        """Draws a deployment into the service's dashboard; gives the mark's number. Raises GateError when refused."""
        body = {"time": _milliseconds(began), "tags": ["deployment", service], "text": text}
        try:
            answer = self._send("POST", "/api/annotations", body)
            return int(answer["id"])
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise GateError(
                f"Grafana at {self.url} does not take an annotation: {worded(error)}; "
                "the token is to be of a service account with role Editor"
            ) from None

    def update(self, mark: int, service: str, outcome: str, ended: datetime, text: str) -> None:
        """Says how it ended. Raises httpx.HTTPError."""
        tags = ["deployment", service, outcome.replace(" ", "-")]
        self._send("PATCH", f"/api/annotations/{mark}", {"timeEnd": _milliseconds(ended), "tags": tags, "text": text})

    def _send(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        login = {"Authorization": f"Bearer {self.token}"}
        answer = self.http.request(method, f"{self.url}{path}", json=body, headers=login).raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


def dashboard_link(grafana: str, service: str, namespace: str, began: datetime, ended: datetime) -> str:
    """The service's dashboard around the deployment: from half an hour before it to ten minutes after."""
    around = {"from": _milliseconds(began) - 30 * 60_000, "to": _milliseconds(ended) + 10 * 60_000}
    return f"{grafana}/d/{DASHBOARD}?{urlencode({'var-namespace': namespace, 'var-service': service, **around})}"


def mark_text(story: Story) -> str:
    """An annotation's text; Grafana shows it as HTML."""
    why = "<br>".join(html.escape(reason) for reason in story.reasons)
    return f"{html.escape(_headline(story))}<br>{why}<br>{_anchor(story.trace, 'trace')}"


def message(story: Story) -> dict[str, Any]:
    """The body of an incoming webhook as Slack, Mattermost and Rocket.Chat take it."""
    links = [("Service dashboard", story.dashboard), ("Trace", story.trace), ("Pipeline run", story.run)]
    lines = [
        *(f"• {_escaped(reason)}" for reason in story.reasons),
        f"_Images:_ {', '.join(f'`{image}`' for image in story.images)}",
        " · ".join(f"<{url}|{name}>" if "://" in url else f"{name} `{url}`" for name, url in links if url),
    ]
    headline = _escaped(_headline(story))
    attachment = {"color": _COLOURS.get(story.outcome, "danger"), "fallback": headline, "mrkdwn_in": ["text"]}
    return {"text": f"*{headline}*", "attachments": [{**attachment, "text": "\n".join(lines)}]}


def post(http: httpx.Client, webhook: str, body: dict[str, Any]) -> None:
    """Raises httpx.HTTPError."""
    content, kind = json.dumps(body), {"Content-Type": "application/json"}
    http.post(webhook, content=content, headers=kind).raise_for_status()


def _headline(story: Story) -> str:
    where = f"{story.namespace}, {story.environment}" if story.environment else story.namespace
    return f"{story.service} ({where}) revision {story.revision}: {story.outcome}"


def _escaped(text: str) -> str:
    """Slack's own three."""
    return html.escape(text, quote=False)


def _anchor(target: str, name: str) -> str:
    return f'<a href="{html.escape(target)}">{name}</a>' if "://" in target else f"{name} {target}"


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
