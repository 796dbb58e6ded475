"""What every dashboard must satisfy, ours and those that teams drop into `configs/grafana/dashboards`."""

import re
from collections.abc import Iterator
from typing import Any

from rendering.datasources import DATASOURCES

PANEL_TYPES = frozenset(
    {
        "barchart",
        "bargauge",
        "dashlist",
        "gauge",
        "geomap",
        "heatmap",
        "histogram",
        "logs",
        "nodeGraph",
        "piechart",
        "row",
        "stat",
        "state-timeline",
        "status-history",
        "table",
        "text",
        "timeseries",
        "traces",
        "trend",
        "xychart",
    }
)
"""Types that current Grafana ships. `graph`, `singlestat`, `table-old` and plugins of Angular are gone from it."""

TEXT_ONLY = frozenset({"row", "text", "dashlist"})
FIXED_NAMESPACE = re.compile(r'namespace\s*=~?\s*"(?!\$)[^"]')
KNOWN = {datasource.uid: datasource.type for datasource in DATASOURCES}

GRAFANA_ITSELF = {"type": "grafana", "uid": "-- Grafana --"}
"""The one datasource that is always there: marks that people and pipelines leave."""

Document = dict[str, Any]


def problems(dashboard: Document) -> list[str]:
    """What is wrong with a parsed dashboard, one line each; empty when it may be deployed."""
    return [*_of_the_whole(dashboard), *(line for panel in all_panels(dashboard) for line in _of_panel(panel))]


def all_panels(dashboard: Document) -> Iterator[Document]:
    """Every panel, those inside collapsed rows included."""
    for panel in dashboard.get("panels", []):
        yield panel
        yield from panel.get("panels", [])


def expressions(dashboard: Document, datasource_uid: str) -> list[str]:
    """The queries of panels and annotations that go to one datasource."""
    targets = [target for panel in all_panels(dashboard) for target in panel.get("targets", [])]
    targets += dashboard.get("annotations", {}).get("list", [])
    return [
        target["expr"]
        for target in targets
        if target.get("expr") and (target.get("datasource") or {}).get("uid") == datasource_uid
    ]


def _of_the_whole(dashboard: Document) -> Iterator[str]:
    if not dashboard.get("uid"):
        yield "has no uid; write one that equals the file's name"
    if not dashboard.get("title"):
        yield "has no title; write one"
    for variable in dashboard.get("templating", {}).get("list", []):
        if variable["type"] == "query":
            yield from _of_datasource(f"variable {variable['name']}", variable.get("datasource"))
    for annotation in dashboard.get("annotations", {}).get("list", []):
        if annotation.get("datasource") != GRAFANA_ITSELF:
            yield from _of_datasource(f"annotation {annotation['name']}", annotation.get("datasource"))


def _of_panel(panel: Document) -> Iterator[str]:
    name = f"panel '{panel.get('title', '')}'"
    kind = panel.get("type")
    if kind not in PANEL_TYPES:
        yield f"{name} is of type '{kind}'; use a current one: {', '.join(sorted(PANEL_TYPES))}"
    if "alert" in panel:
        yield f"{name} holds an alert; write it as a rule in configs/prometheus/rules"
    if kind in TEXT_ONLY:
        return
    if not panel.get("title"):
        yield "a panel has no title; write one"
    if not panel.get("description"):
        yield f"{name} has no description; say what it shows and what is normal"
    if not panel.get("fieldConfig", {}).get("defaults", {}).get("unit"):
        yield f"{name} has no unit; set one (`none` for plain states)"
    if not panel.get("links"):
        yield f"{name} leads nowhere; give it a link to where one looks next"
    if not panel.get("targets"):
        yield f"{name} asks nothing; give it a query"
    yield from _of_datasource(name, panel.get("datasource"))
    for target in panel.get("targets", []):
        yield from _of_datasource(f"{name}, query {target.get('refId')}", target.get("datasource"))
        if FIXED_NAMESPACE.search(target.get("expr", "")):
            yield f"{name} names a namespace; use a variable, or a label that holds everywhere"


def _of_datasource(what: str, reference: Any) -> Iterator[str]:
    if not isinstance(reference, dict) or reference.get("uid") not in KNOWN:
        yield f"{what} refers to datasource {reference!r}; write {{type, uid}} with one of the uids {sorted(KNOWN)}"
    elif reference.get("type") != (known := KNOWN[reference["uid"]]):
        yield f"{what} says type {reference.get('type')!r}; datasource {reference['uid']} is {known!r}"
