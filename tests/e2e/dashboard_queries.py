"""Runs what dashboards ask, as Grafana's pages do: variables filled in, queries sent to Grafana's own query API."""

import json
import re
import time
from dataclasses import dataclass
from typing import Any

import httpx

from rendering.dashboards.gates import all_panels

RANGE_SECONDS = 900
INTERVAL_MS = 15_000
PREFERRED = {"service": "api-gateway"}  # under traffic whatever the traffic generator does
Document = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """One query of one panel."""

    dashboard: str
    panel: str
    target: Document
    may_be_empty: bool
    """The panel says what its being empty means."""

    @property
    def name(self) -> str:
        return f"{self.panel} [{self.target['refId']}]"


def panel_queries(dashboard: Document, variables: dict[str, str]) -> list[Asked]:
    """Every query of every panel, variables filled in."""
    return [
        Asked(
            dashboard["uid"],
            panel["title"],
            {key: fill(value, variables) if isinstance(value, str) else value for key, value in target.items()},
            "noValue" in panel["fieldConfig"]["defaults"],
        )
        for panel in all_panels(dashboard)
        for target in panel.get("targets", [])
    ]


def fill(text: str, variables: dict[str, str]) -> str:
    """`$name` and `${name}` by their values. Grafana's own ($__rate_interval) are left: its server knows them."""
    # This one the sandbox's older server does not know yet.
    text = text.replace("$__auto", f"{INTERVAL_MS // 1000 * 4}s")
    return re.sub(
        r"\$(\{)?([a-z]\w*)(:\w+)?(?(1)\})", lambda match: variables.get(match.group(2), match.group(0)), text
    )


def resolved_variables(grafana: httpx.Client, dashboard: Document) -> tuple[dict[str, str], list[str]]:
    """The value of each variable as it is when the dashboard opens, and the names of those that offer none."""
    values: dict[str, str] = {}
    empty: list[str] = []
    for variable in dashboard.get("templating", {}).get("list", []):
        name = variable["name"]
        if variable["type"] == "query":
            offered = _label_values(grafana, fill(variable["query"]["query"], values))
            if not offered:
                empty.append(name)
            one = PREFERRED[name] if PREFERRED.get(name) in offered else (offered or [""])[0]
            values[name] = variable["allValue"] if variable["includeAll"] else one
        else:
            values[name] = variable.get("allValue") or ""
    return values, empty


def _label_values(grafana: httpx.Client, query: str) -> list[str]:
    match = re.fullmatch(r"label_values\((?P<selector>.*), (?P<label>\w+)\)", query)
    assert match is not None, f"variable asks {query!r}; this test knows label_values(selector, label)"
    now = int(time.time())
    answer = grafana.get(
        f"/api/datasources/uid/prometheus/resources/api/v1/label/{match['label']}/values",
        params={"match[]": match["selector"], "start": now - RANGE_SECONDS, "end": now},
    )
    found: list[str] = answer.raise_for_status().json()["data"]
    return found


def run(grafana: httpx.Client, asked: list[Asked]) -> dict[str, str]:
    """The queries that gave no data, with what came in place of it: an error, or nothing."""
    failed: dict[str, str] = {}
    for uid in ("prometheus", "loki"):
        failed |= _run_backend(grafana, [each for each in asked if each.target["datasource"]["uid"] == uid])
    for each in asked:
        if each.target["datasource"]["uid"] == "jaeger" and not _traces(grafana, each.target):
            failed[each.name] = "no traces"
    return failed


def _run_backend(grafana: httpx.Client, asked: list[Asked]) -> dict[str, str]:
    if not asked:
        return {}
    by_id = {f"Q{number}": each for number, each in enumerate(asked)}
    now = int(time.time() * 1000)
    queries = [
        {**each.target, "refId": number, "intervalMs": INTERVAL_MS, "maxDataPoints": 500}
        for number, each in by_id.items()
    ]
    body = {"queries": queries, "from": str(now - RANGE_SECONDS * 1000), "to": str(now)}
    answer = grafana.post("/api/ds/query", json=body)
    assert answer.status_code in (200, 207, 400), answer.text
    results = answer.json().get("results", {})
    failed = {}
    for number, each in by_id.items():
        result = results.get(number, {"error": answer.text[:300]})
        if result.get("error"):
            failed[each.name] = f"{result['error']}: {each.target['expr']}"
        elif not any(_has_value(frame) for frame in result.get("frames", [])):
            failed[each.name] = f"no data: {each.target['expr']}"
    return failed


def _has_value(frame: Document) -> bool:
    fields, columns = frame["schema"].get("fields", []), frame["data"].get("values", [])
    return any(
        value is not None
        for described, column in zip(fields, columns, strict=True)
        if described["type"] != "time"
        for value in column
    )


def _traces(grafana: httpx.Client, target: Document) -> list[Any]:
    """The plugin of the sandbox's Grafana runs in the browser: the same request, through the same proxy."""
    now = int(time.time() * 1_000_000)
    window = {"start": now - RANGE_SECONDS * 1_000_000, "end": now}
    wanted = {"service": target["service"], "limit": target["limit"], "minDuration": target["minDuration"]}
    tags = dict(part.split("=", 1) for part in (target["tags"] or "").split())
    given: dict[str, Any] = {key: value for key, value in wanted.items() if value}
    if tags:
        given["tags"] = json.dumps(tags)
    answer = grafana.get("/api/datasources/proxy/uid/jaeger/api/traces", params={**given, **window})
    found: list[Any] = answer.raise_for_status().json()["data"]
    return found
