"""What people get to read: the messages for Slack, mail and PagerDuty, as amtool renders them, compared with goldens.

The goldens in `messages/` are reviewed by eye; `UPDATE_GOLDENS=1 pytest tests/native/test_alert_messages.py` writes
them anew.
"""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rendering.receivers import Channels, pagerduty, slack
from sandbox.toolchain import binary

HERE = Path(__file__).parent
TEMPLATES = HERE.parents[1] / "configs" / "alertmanager" / "templates" / "*.tmpl"
GOLDENS = HERE / "messages"

LABELS = {
    "alertname": "HighMemoryUsage",
    "severity": "warning",
    "category": "resources",
    "condition": "memory",
    "service": "api-gateway",
    "team": "platform",
    "tier": "critical",
    "namespace": "dharma",
    "cluster": "dharma-production",
    "environment": "prod",
}
LINKS = {
    "runbook_url": "https://runbooks.example/HighMemoryUsage.md",
    "dashboard_url": "https://grafana.example/d/service-details?var-service=api-gateway",
    "logs_url": "https://grafana.example/d/logs?var-service=api-gateway",
    "threshold": "0.85 (ratio)",
}


def alert(pod: str, status: str = "firing", **labels: str) -> dict[str, Any]:
    return {
        "status": status,
        "labels": {**LABELS, "pod": pod, **labels},
        "annotations": {
            "summary": f"{pod} uses 91% of its memory limit",
            "description": f"At the limit, a container of dharma/{pod} is killed.",
            **LINKS,
        },
        "startsAt": "2026-03-01T12:00:00Z",
        "endsAt": "2026-03-01T12:20:00Z" if status == "resolved" else "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus.monitoring:9090/graph",
        "fingerprint": pod,
    }


def group(*alerts: dict[str, Any], status: str = "firing", **labels: str) -> dict[str, Any]:
    return {
        "receiver": "team-platform",
        "status": status,
        "alerts": list(alerts),
        "groupLabels": {"alertname": LABELS["alertname"]},
        "commonLabels": {**LABELS, **labels},
        "commonAnnotations": alerts[0]["annotations"] if len(alerts) == 1 else LINKS,
        "externalURL": "https://alerts.example",
    }


GROUPS = {
    "warning": group(alert("api-gateway-1"), alert("api-gateway-2")),
    "critical": group(alert("api-gateway-1", severity="critical"), severity="critical"),
    "resolved": group(alert("api-gateway-1", "resolved"), status="resolved"),
}
TEXTS = {
    "title.txt": "observability.title",
    "slack.txt": "slack.text",
    "email.html": "email.html",
    "email.txt": "email.text",
    "pagerduty.txt": "pagerduty.alerts",
}


def render(template: str, data: dict[str, Any], tmp_path: Path, kind: str = "text") -> str:
    return rendered(f'{{{{ template "{template}" . }}}}', data, tmp_path, kind)


def rendered(text: str, data: dict[str, Any], tmp_path: Path, kind: str = "text") -> str:
    path = tmp_path / "data.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    argv = [str(binary("amtool")), "template", "render", f"--template.glob={TEMPLATES}", f"--template.data={path}"]
    done = subprocess.run(
        [*argv, f"--template.type={kind}", f"--template.text={text}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("case", GROUPS)
@pytest.mark.parametrize("file", TEXTS)
def test_a_message_reads_as_reviewed(case: str, file: str, tmp_path: Path) -> None:
    compare(f"{case}-{file}", render(TEXTS[file], GROUPS[case], tmp_path, "html" if file.endswith("html") else "text"))


@pytest.mark.parametrize("case", GROUPS)
def test_buttons_links_and_fields_around_a_message_are_as_reviewed(case: str, tmp_path: Path) -> None:
    """What no template of a whole message shows: Slack's buttons, PagerDuty's severity, fields and links."""
    everything = Channels(slack=True, pagerduty=True, webhook=True, heartbeat=True, smtp=None)
    [message] = slack(everything, "#channel")["slack_configs"]
    [incident] = pagerduty(everything)["pagerduty_configs"]
    fields = {f"slack button {action['text']}": action["url"] for action in message["actions"]}
    fields |= {f"slack {name}": message[name] for name in ("color", "title", "title_link", "fallback", "footer")}
    fields |= {f"pagerduty link {link['text']}": link["href"] for link in incident["links"]}
    fields |= {f"pagerduty {name}": incident[name] for name in ("severity", "class", "component", "group")}
    fields |= {f"pagerduty detail {name}": text for name, text in incident["details"].items() if name != "what"}
    lines = "".join(f"{name}: {text}\n" for name, text in fields.items())
    compare(f"{case}-around.txt", rendered(lines, GROUPS[case], tmp_path))


def compare(name: str, text: str) -> None:
    """With the golden of that name, which is written anew where UPDATE_GOLDENS is set."""
    golden = GOLDENS / name
    if os.environ.get("UPDATE_GOLDENS"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize(("case", "colour"), [("critical", "#c62828"), ("warning", "#ef6c00"), ("resolved", "#2e7d32")])
def test_the_colour_says_how_bad_it_is(case: str, colour: str, tmp_path: Path) -> None:
    assert render("observability.color", GROUPS[case], tmp_path).strip() == colour


def test_every_link_of_a_message_is_whole(tmp_path: Path) -> None:
    links = re.findall(r'href="([^"]+)"', render("email.html", GROUPS["warning"], tmp_path, "html"))
    assert links == [
        LINKS["runbook_url"],
        LINKS["dashboard_url"],
        LINKS["logs_url"],
        "https://alerts.example/#/silences/new?filter=%7Balertname%3D%22HighMemoryUsage%22%2C"
        "service%3D%22api-gateway%22%7D",
    ]


def test_an_alert_without_links_still_makes_a_message(tmp_path: Path) -> None:
    bare = alert("x") | {"annotations": {}, "labels": {"alertname": "Hand-made"}}
    data = group(bare) | {"commonLabels": {"alertname": "Hand-made"}, "commonAnnotations": {}}
    assert render("observability.title", data, tmp_path).strip() == "[ALERT] Hand-made"
    assert render("observability.dashboard", data, tmp_path).strip() == "https://alerts.example/#/alerts"
    assert "Hand-made" in render("email.html", data, tmp_path, "html")
