"""What sandbox/platform/calls.yaml says of traces, and what Jaeger and its store say."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import httpx
import yaml

from sandbox.paths import repo_root

Query = Callable[..., list[dict[str, Any]]]
Kubectl = Callable[..., Any]
CALLS = yaml.safe_load((repo_root() / "sandbox" / "platform" / "calls.yaml").read_text())["services"]
SPANS = "/sandbox-jaeger-span-*/_search"

Tree = tuple[str, tuple["Tree", ...]]  # "<service> <METHOD> <route>" and what it called, in the order of the alphabet


def declared_calls() -> set[tuple[str, str]]:
    """Which service calls which."""
    return {
        (service, called.split(" ")[0])
        for service, routes in CALLS.items()
        for route in routes.values()
        for called in [*route.get("calls", []), *route.get("tries", [])]
    }


def declared_tree(service: str, route: str) -> Tree:
    """All that follows from one request."""
    steps = CALLS[service][route]
    called = (step.split(" ", 1) for step in [*steps.get("calls", []), *steps.get("tries", [])])
    return f"{service} {route}", tuple(sorted(declared_tree(*one) for one in called))


def served_tree(found: dict[str, Any]) -> Tree | None:
    """The same of a trace: spans of servers, each under the one whose client called it. None without one root."""
    spans = {span["spanID"]: span for span in found["spans"]}
    below: defaultdict[str, list[str]] = defaultdict(list)
    roots = []
    for number, span in spans.items():
        parents = [reference["spanID"] for reference in span["references"]]
        if not parents:
            roots.append(number)
        for parent in parents:
            below[parent].append(number)

    def kind(span: dict[str, Any]) -> Any:
        return next((tag["value"] for tag in span["tags"] if tag["key"] == "span.kind"), None)

    def servers(number: str) -> list[Tree]:
        under = [tree for child in below[number] for tree in servers(child)]
        span = spans[number]
        if kind(span) != "server":
            return under
        name = found["processes"][span["processID"]]["serviceName"]
        return [(f"{name} {span['operationName']}", tuple(sorted(under)))]

    trees = [tree for root in roots for tree in servers(root)]
    return trees[0] if len(trees) == 1 else None


def trace(http: httpx.Client, jaeger: str, trace_id: str) -> dict[str, Any] | None:
    answer = http.get(f"{jaeger}/api/traces/{trace_id}")
    if answer.status_code == 404:
        return None
    data: list[dict[str, Any]] = answer.raise_for_status().json()["data"]
    return data[0] if data else None


def stored(span_store: httpx.Client, trace_ids: Iterable[str]) -> dict[str, set[str]]:
    """Those of the traces that are in the store, and the services in each."""
    wanted = sorted(trace_ids)
    found = {}
    by_service = {"terms": {"field": "process.serviceName", "size": 20}}
    for lot in (wanted[start : start + 500] for start in range(0, len(wanted), 500)):
        by_trace = {"terms": {"field": "traceID", "size": len(lot)}, "aggs": {"services": by_service}}
        query = {"size": 0, "query": {"terms": {"traceID": lot}}, "aggs": {"traces": by_trace}}
        answer = span_store.post(SPANS, json=query).raise_for_status().json()
        for bucket in answer["aggregations"]["traces"]["buckets"]:
            found[bucket["key"]] = {one["key"] for one in bucket["services"]["buckets"]}
    return found


def begun_here(span_store: httpx.Client, service: str, operation: str, user_agent: str, since_ms: int) -> int:
    """How many traces start with that operation of the service, asked by that client, since then."""
    terms = {"process.serviceName": service, "operationName": operation}
    asked_by = {
        "nested": {
            "path": "tags",
            "query": {
                "bool": {
                    "filter": [
                        {"term": {"tags.key": "user_agent.original"}},
                        {"prefix": {"tags.value": user_agent}},
                    ]
                }
            },
        }
    }
    filters = [{"term": {field: value}} for field, value in terms.items()]
    query = {
        "size": 0,
        "query": {"bool": {"filter": [*filters, asked_by, {"range": {"startTimeMillis": {"gte": since_ms}}}]}},
        "aggs": {"traces": {"cardinality": {"field": "traceID", "precision_threshold": 40_000}}},
    }
    answer = span_store.post(SPANS, json=query).raise_for_status().json()
    return int(answer["aggregations"]["traces"]["value"])
