"""Alertmanager's receivers: one per place a message can go. Secrets are mounted files, never text in it."""

from dataclasses import dataclass

from rendering.declarations import Team
from rendering.documents import Document


@dataclass(frozen=True, kw_only=True)
class Smtp:
    """The mail server. Passwords are only sent after STARTTLS."""

    smarthost: str
    """host:port"""
    sender: str
    username: str | None = None
    """None: no login. Its password is the secret `smtp_password`."""
    ca_file: str | None = None
    """Authority of the server's certificate, where it is not a public one."""


@dataclass(frozen=True, kw_only=True)
class Channels:
    """Which ways out there are, and where their secrets are mounted."""

    slack: bool
    pagerduty: bool
    webhook: bool
    heartbeat: bool
    smtp: Smtp | None
    pagerduty_url: str | None = None
    """PagerDuty's endpoint where it is not the usual one (EU: https://events.eu.pagerduty.com/v2/enqueue)."""
    secrets_folder: str = "/etc/alertmanager/secrets"

    def secret(self, name: str) -> str:
        return f"{self.secrets_folder}/{name}"


def global_section(channels: Channels) -> Document:
    """What all receivers share. A resolved alert is one not heard of for five minutes."""
    section: Document = {"resolve_timeout": "5m"}
    if channels.slack:
        section["slack_api_url_file"] = channels.secret("slack_api_url")
    if channels.pagerduty_url is not None:
        section["pagerduty_url"] = channels.pagerduty_url
    if channels.smtp is not None:
        section |= {
            "smtp_smarthost": channels.smtp.smarthost,
            "smtp_from": channels.smtp.sender,
            "smtp_require_tls": True,
        }
        if channels.smtp.username is not None:
            section["smtp_auth_username"] = channels.smtp.username
            section["smtp_auth_password_file"] = channels.secret("smtp_password")
        if channels.smtp.ca_file is not None:
            section["smtp_tls_config"] = {"ca_file": channels.smtp.ca_file}
    return section


def receiver(name: str, *parts: Document) -> Document:
    """A receiver made of the sections that are there; with none, it is a place where messages end."""
    merged: Document = {"name": name}
    for part in parts:
        for section, configs in part.items():
            merged[section] = merged.get(section, []) + configs
    return merged


def slack(channels: Channels, channel: str | None) -> Document:
    """A message in a Slack channel, edited into green when resolved."""
    if not channels.slack or channel is None:
        return {}
    button = {"type": "button"}
    return {
        "slack_configs": [
            {
                "channel": channel,
                "send_resolved": True,
                "color": '{{ template "observability.color" . }}',
                "title": '{{ template "observability.title" . }}',
                "title_link": '{{ template "observability.dashboard" . }}',
                "text": '{{ template "slack.text" . }}',
                "fallback": '{{ template "observability.title" . }}',
                "footer": '{{ template "observability.origin" . }}',
                "actions": [
                    button | {"text": "Runbook", "url": '{{ template "observability.runbook" . }}'},
                    button | {"text": "Dashboard", "url": '{{ template "observability.dashboard" . }}'},
                    button | {"text": "Logs", "url": '{{ template "observability.logs" . }}'},
                    button | {"text": "Silence", "url": '{{ template "observability.silence" . }}', "style": "danger"},
                ],
            }
        ]
    }


def pagerduty(channels: Channels) -> Document:
    """An incident for whoever is on call; PagerDuty's own policy escalates it when nobody answers."""
    if not channels.pagerduty:
        return {}
    return {
        "pagerduty_configs": [
            {
                "routing_key_file": channels.secret("pagerduty_routing_key"),
                "send_resolved": True,
                "severity": '{{ template "pagerduty.severity" . }}',
                "description": '{{ template "observability.title" . }}',
                "class": "{{ .CommonLabels.category }}",
                "component": "{{ .CommonLabels.service }}",
                "group": "{{ .CommonLabels.team }}",
                "client": "observability-stack",
                "client_url": '{{ template "observability.dashboard" . }}',
                "details": {
                    "what": '{{ template "pagerduty.alerts" . }}',
                    "first": '{{ template "observability.runbook" . }}',
                    "origin": '{{ template "observability.origin" . }}',
                },
                "links": [
                    {"text": "Runbook", "href": '{{ template "observability.runbook" . }}'},
                    {"text": "Dashboard", "href": '{{ template "observability.dashboard" . }}'},
                    {"text": "Logs", "href": '{{ template "observability.logs" . }}'},
                    {"text": "Silence", "href": '{{ template "observability.silence" . }}'},
                ],
            }
        ]
    }


def email(channels: Channels, team: Team) -> Document:
    """A mail to a team, in HTML and in plain text."""
    if channels.smtp is None:
        return {}
    return {
        "email_configs": [
            {
                "to": team.email,
                "send_resolved": True,
                "headers": {"Subject": '{{ template "observability.title" . }}'},
                "html": '{{ template "email.html" . }}',
                "text": '{{ template "email.text" . }}',
            }
        ]
    }


def webhook(channels: Channels) -> Document:
    """Alertmanager's own JSON to an incident system: opened when firing, resolved when over."""
    if not channels.webhook:
        return {}
    return {"webhook_configs": [{"url_file": channels.secret("webhook_url"), "send_resolved": True}]}


def heartbeat(channels: Channels) -> Document:
    """The Watchdog, to someone outside who notices when it stops. Its end is no message: silence is."""
    if not channels.heartbeat:
        return {}
    return {"webhook_configs": [{"url_file": channels.secret("heartbeat_url"), "send_resolved": False}]}
