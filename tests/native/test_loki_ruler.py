"""Loki's own ruler tells an Alertmanager of every alert from lines, with its labels, and of none while all is well."""

import json
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
import yaml

from tests.http_server import serving
from tests.native.loki_process import LokiClient, rendered_rules, running_loki
from tests.native.test_loki import FIRING, HEALTHY, SERVICE, lines, rules
from tests.waiting import eventually

EVERY_SECONDS = 2
SILENT_SECONDS = 700  # a service is silent when its last line is over ten minutes old


def quick_rules() -> dict[str, str]:
    """The stack's, evaluated every other second; a condition that has to stand does so for four."""
    quick = {}
    for name, text in rendered_rules().items():
        document = yaml.safe_load(text)
        for group in document["groups"]:
            group["interval"] = f"{EVERY_SECONDS}s"
            for rule in group["rules"]:
                if "for" in rule:
                    rule["for"] = f"{2 * EVERY_SECONDS}s"
        quick[name] = yaml.safe_dump(document)
    return quick


@dataclass
class Told:
    """What reached the Alertmanager: before anything was wrong, and after."""

    while_healthy: list[dict[str, Any]] = field(default_factory=list)
    by_name: dict[str, dict[str, Any]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    received: list[dict[str, Any]] = []

    class Alertmanager(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Nothing: what is received is what counts."""

    with (
        serving(Alertmanager) as url,
        running_loki(tmp_path_factory.mktemp("loki"), rules=quick_rules(), alertmanager_url=url) as loki,
    ):
        loki.push({**SERVICE, "pod": "healthy"}, lines(time.time(), 120, 2, HEALTHY), {"level": "info"})
        evaluated(loki)
        time.sleep(5 * EVERY_SECONDS)
        result = Told(while_healthy=list(received))
        now = time.time()
        for alert, (labels, text, count, every_seconds, metadata) in FIRING.items():
            end = now - SILENT_SECONDS if alert == "ServiceLogsSilent" else now
            loki.push({**labels, "pod": alert}, lines(end, count, every_seconds, text), metadata)

        def all_told() -> bool:
            result.by_name = {one["labels"]["alertname"]: one for one in received}
            return set(result.by_name) >= set(FIRING)

        eventually(all_told, 90, 1)
    return result


def evaluated(loki: LokiClient) -> None:
    """Returns when the ruler has loaded its rules and gone through them without an error."""

    def groups() -> bool:
        found = loki.rule_groups()
        assert {rule["name"] for group in found for rule in group["rules"]} >= set(rules())
        states = [rule["health"] for group in found for rule in group["rules"]]
        return set(states) == {"ok"}

    eventually(groups, 120, 1)


def test_nobody_is_told_of_anything_while_all_is_well(told: Told) -> None:
    assert told.while_healthy == []


@pytest.mark.parametrize("alert", FIRING)
def test_alertmanager_is_told_of_the_alert_with_all_that_a_message_needs(told: Told, alert: str) -> None:
    labels, annotations = told.by_name[alert]["labels"], told.by_name[alert]["annotations"]
    assert labels["severity"] in {"warning", "critical"}
    assert labels["team"]
    assert (labels["cluster"], labels["environment"]) == ("c", "test")
    assert "{{" not in annotations["summary"] + annotations["description"]
    assert annotations["runbook_url"].endswith(f"/{alert}.md")
