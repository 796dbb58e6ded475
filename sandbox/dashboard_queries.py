"""Runs what dashboards ask, as Grafana's pages do: variables filled in, queries sent to Grafana's own query API."""

import json
import re
import time
from dataclasses import dataclass
from typing import Any

import httpx

from rendering.dashboards.board import VALUE_OF_A_RESULT
from rendering.dashboards.gates import all_panels
from rendering.datasources import JAEGER, LOKI, PROMETHEUS
from sandbox.errors import SandboxError

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


def annotation_queries(dashboard: Document, variables: dict[str, str]) -> list[Asked]:
    """What the dashboard draws into its graphs by queries, rightly nothing where nothing happened."""
    return [
        Asked(
            dashboard["uid"],
            annotation["name"],
            {
                "refId": "annotation",
                "datasource": annotation["datasource"],
                "expr": fill(annotation["expr"], variables),
                "range": True,
            },
            may_be_empty=True,
        )
        for annotation in dashboard.get("annotations", {}).get("list", [])
        if annotation.get("expr")
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
            offered = _offered(grafana, fill(variable["query"]["query"], values), variable.get("regex", ""))
            if not offered:
                empty.append(name)
            one = PREFERRED[name] if PREFERRED.get(name) in offered else (offered or [""])[0]
            values[name] = variable["allValue"] if variable["includeAll"] else one
        else:
            values[name] = variable.get("allValue") or ""
    return values, empty


def _offered(grafana: httpx.Client, query: str, regex: str) -> list[str]:
    """The values that Grafana's pages would offer for what a variable asks."""
    api, now = f"/api/datasources/uid/{PROMETHEUS.uid}/resources/api/v1", int(time.time())
    if match := re.fullmatch(r"label_values\((?P<selector>.*), (?P<label>\w+)\)", query):
        window = {"match[]": match["selector"], "start": now - RANGE_SECONDS, "end": now}
        answer = grafana.get(f"{api}/label/{match['label']}/values", params=window)
        found: list[str] = answer.raise_for_status().json()["data"]
        return found
    if (match := re.fullmatch(r"query_result\((?P<expr>.*)\)", query)) and regex == VALUE_OF_A_RESULT:
        answer = grafana.get(f"{api}/query", params={"query": match["expr"], "time": now})
        texts = [f"{{}} {each['value'][1]} {now}000" for each in answer.raise_for_status().json()["data"]["result"]]
        return [value[1] for text in texts if (value := re.search(regex.strip("/"), text))]
    raise SandboxError(f"a variable asks {query!r} by {regex!r}; this is not known here")


@dataclass(frozen=True)
class Answer:
    """What came back for one query: frames as Grafana's API gives them, or an error."""

    frames: tuple[Document, ...] = ()
    error: str = ""


def run(grafana: httpx.Client, asked: list[Asked]) -> dict[str, str]:
    """The queries that gave no data, with what came in place of it: an error, or nothing."""
    failed: dict[str, str] = {}
    backend = [each for each in asked if each.target["datasource"]["uid"] != JAEGER.uid]
    for each, answer in zip(backend, answers(grafana, backend), strict=True):
        if answer.error:
            failed[each.name] = f"{answer.error}: {each.target['expr']}"
        elif not any(_has_value(frame) for frame in answer.frames):
            failed[each.name] = f"no data: {each.target['expr']}"
    for each in asked:
        if each.target["datasource"]["uid"] == JAEGER.uid and not traces(grafana, each.target):
            failed[each.name] = "no traces"
    return failed


def answers(
    grafana: httpx.Client, asked: list[Asked], range_seconds: int = RANGE_SECONDS, interval_ms: int = INTERVAL_MS
) -> list[Answer]:
    """What Prometheus and Loki answer, in the order asked; the queries of one datasource go in one request."""
    found: dict[int, Answer] = {}
    for uid in (PROMETHEUS.uid, LOKI.uid):
        numbers = [number for number, each in enumerate(asked) if each.target["datasource"]["uid"] == uid]
        if numbers:
            found |= _backend(grafana, {number: asked[number] for number in numbers}, range_seconds, interval_ms)
    return [found[number] for number in range(len(asked))]


def _backend(grafana: httpx.Client, asked: dict[int, Asked], range_seconds: int, interval_ms: int) -> dict[int, Answer]:
    now = int(time.time() * 1000)
    queries = [
        {**each.target, "refId": f"Q{number}", "intervalMs": interval_ms, "maxDataPoints": 500}
        for number, each in asked.items()
    ]
    body = {"queries": queries, "from": str(now - range_seconds * 1000), "to": str(now)}
    answer = grafana.post("/api/ds/query", json=body)
    if answer.status_code not in (200, 207, 400):
        raise SandboxError(f"Grafana's query API: {answer.status_code} {answer.text[:300]}")
    results = answer.json().get("results", {})
    found = {}
    for number in asked:
        result = results.get(f"Q{number}", {"error": answer.text[:300]})
        found[number] = Answer(tuple(result.get("frames", [])), result.get("error") or "")
    return found


def _has_value(frame: Document) -> bool:
    fields, columns = frame["schema"].get("fields", []), frame["data"].get("values", [])
    return any(
        value is not None
        for described, column in zip(fields, columns, strict=True)
        if described["type"] != "time"
        for value in column
    )


def traces(grafana: httpx.Client, target: Document) -> list[Any]:
    """The plugin of the sandbox's Grafana runs in the browser: the same request, through the same proxy."""
    now = int(time.time() * 1_000_000)
    window = {"start": now - RANGE_SECONDS * 1_000_000, "end": now}
    wanted = {"service": target["service"], "limit": target["limit"], "minDuration": target["minDuration"]}
    tags = dict(part.split("=", 1) for part in (target["tags"] or "").split())
    given: dict[str, Any] = {key: value for key, value in wanted.items() if value}
    if tags:
        given["tags"] = json.dumps(tags)
    answer = grafana.get(f"/api/datasources/proxy/uid/{JAEGER.uid}/api/traces", params={**given, **window})
    found: list[Any] = answer.raise_for_status().json()["data"]
    return found
