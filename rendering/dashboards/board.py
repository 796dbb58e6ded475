"""A dashboard as plain data, and its JSON as Grafana reads it from a file."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from rendering.dashboards.links import Uid, leads_to
from rendering.dashboards.panels import Panel, with_bounds
from rendering.dashboards.queries import ref
from rendering.datasources import PROMETHEUS, Folder

TAG = "observability-stack"
LIVE = "30s"
"""Refresh of what people watch while something is going on."""
CALM = "1m"
VALUE_OF_A_RESULT = r"/ (\d+) /"
"""Grafana writes each series of `query_result` as `name{labels} value milliseconds`."""


@dataclass(frozen=True)
class Variable:
    """A choice at the top of a dashboard, filled from the labels of a metric."""

    name: str
    label: str
    values: str
    """Prometheus: `label_values(metric{...}, label)`."""
    several: bool = False
    """Several values at once, all of them by default; use with `=~`."""
    everything: str = ".+"
    """What "All" stands for; `.*` also finds what lacks the label."""

    def build(self) -> dashboard.QueryVariable:
        variable = dashboard.QueryVariable(self.name).label(self.label).datasource(ref(PROMETHEUS))
        # A dict as Grafana itself saves it: a bare string is asked through an older code path.
        variable = variable.query({"query": self.values, "refId": f"variable-{self.name}"})
        variable = variable.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        variable = variable.sort(model.VariableSort.ALPHABETICAL_ASC)
        if not self.several:
            return variable.multi(False).include_all(False)
        return variable.multi(True).include_all(True).all_value(self.everything).current(_everything())


@dataclass(frozen=True)
class Figure:
    """The value of an expression without labels, for what queries of other datasources need: whole numbers, hidden."""

    name: str
    expr: str

    def build(self) -> dashboard.QueryVariable:
        variable = dashboard.QueryVariable(self.name).datasource(ref(PROMETHEUS)).hide(model.VariableHide.HIDE_VARIABLE)
        variable = variable.query({"query": f"query_result({self.expr})", "refId": f"variable-{self.name}"})
        variable = variable.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).multi(False).include_all(False)
        return variable.regex(VALUE_OF_A_RESULT)


@dataclass(frozen=True)
class Choice:
    """A choice between values known beforehand; several at once, all of them by default."""

    name: str
    label: str
    options: Sequence[str]
    everything: str = ".*"

    def build(self) -> dashboard.CustomVariable:
        variable = dashboard.CustomVariable(self.name).label(self.label).values(",".join(self.options))
        return variable.multi(True).include_all(True).all_value(self.everything).current(_everything())


@dataclass(frozen=True)
class Text:
    """A box to type into, empty at first."""

    name: str
    label: str
    about: str

    def build(self) -> dashboard.TextBoxVariable:
        return dashboard.TextBoxVariable(self.name).label(self.label).description(self.about).default_value("")


@dataclass(frozen=True)
class Annotation:
    """Events drawn into every graph, from a query whose series are non-empty when something happened."""

    name: str
    expr: str
    color: str
    title: str
    """May use `{{label}}`."""


@dataclass(frozen=True)
class Marks:
    """Events that pipelines and people write into Grafana over its API, all of `tags` on them."""

    name: str
    tags: Sequence[str]
    color: str


@dataclass(frozen=True)
class Row:
    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, kw_only=True)
class Board:
    """One dashboard. Its uid is its file's name."""

    uid: Uid
    folder: Folder
    title: str
    about: str
    rows: Sequence[Row]
    variables: Sequence[Variable | Figure | Choice | Text] = ()
    annotations: Sequence[Annotation | Marks] = ()
    refresh: str = CALM
    since: str = "now-1h"
    tags: Sequence[str] = field(default=())
    job: str | None = None
    """The scrape job that it is about; where that is absent, there is no such dashboard."""

    def render(self, limits: Mapping[str, float], missing: Collection[str] = ()) -> str:
        """JSON, the same for the same input. Numbers of panels follow their order.

        limits: thresholds in force by alert, which panels draw.
        missing: uids of dashboards that do not exist here; what leads to them is left out.
        """
        builder = dashboard.Dashboard(self.title).uid(self.uid).description(self.about)
        builder = builder.tags(tags_of(self.folder, self.tags)).refresh(self.refresh).time(self.since, "now")
        builder = builder.timezone("browser").tooltip(model.DashboardCursorSync.CROSSHAIR).readonly()
        for variable in self.variables:
            builder = builder.with_variable(variable.build())
        for row in self.rows:
            builder = builder.with_row(dashboard.Row(row.title))
            for panel in row.panels:
                builder = builder.with_panel(panel)
        document: dict[str, Any] = json.loads(JSONEncoder().encode(builder.build()))
        document["links"] = navigation(self.uid)
        document["annotations"] = {"list": [_OWN_MARKS, *map(_annotation, self.annotations)]}
        for number, panel in enumerate(document["panels"], start=1):
            panel["id"] = number
            for place in (panel, panel.get("fieldConfig", {}).get("defaults", {})):
                if place.get("links"):
                    # of what the SDK writes, only these mean something on a panel
                    place["links"] = [
                        {"title": link["title"], "url": link["url"]}
                        for link in place["links"]
                        if leads_to(link["url"]) not in missing
                    ]
            for thresholds in _thresholds(panel.get("fieldConfig", {})):
                thresholds["steps"] = with_bounds(thresholds["steps"], limits)
        return json.dumps(document, separators=(",", ":"), sort_keys=True) + "\n"


def _thresholds(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Of the whole panel, and of single columns."""
    if "thresholds" in config.get("defaults", {}):
        yield config["defaults"]["thresholds"]
    for override in config.get("overrides", []):
        yield from (each["value"] for each in override["properties"] if each["id"] == "thresholds")


def _everything() -> model.VariableOption:
    return model.VariableOption(selected=True, text=["All"], value=["$__all"])


def tags_of(folder: Folder, own: Sequence[str]) -> list[str]:
    """By the first two the menus at the top find a dashboard."""
    return list(dict.fromkeys((TAG, folder.slug, *own)))


def navigation(uid: str) -> list[dict[str, Any]]:
    """From everywhere: home, and a menu of each folder that keeps the time range and the chosen service."""
    links = []
    if uid != Uid.OVERVIEW:
        home = dashboard.DashboardLink("Overview").type(model.DashboardLinkType.LINK).url(f"/d/{Uid.OVERVIEW}")
        links.append(home.icon("dashboard").keep_time(True))
    for folder in Folder:
        menu = dashboard.DashboardLink(folder.value).type(model.DashboardLinkType.DASHBOARDS)
        menu = menu.tags([TAG, folder.slug]).as_dropdown(True).icon("external link")
        links.append(menu.keep_time(True).include_vars(True))
    found: list[dict[str, Any]] = json.loads(JSONEncoder().encode([link.build() for link in links]))
    return found


_GRAFANA = {"type": "grafana", "uid": "-- Grafana --"}
_OWN_MARKS = {
    "builtIn": 1,
    "name": "Annotations & Alerts",
    "datasource": _GRAFANA,
    "enable": True,
    "hide": True,
    "iconColor": "rgba(0, 211, 255, 1)",
    "type": "dashboard",
}
"""What people mark on this very dashboard; without it their marks would not be drawn."""


def _annotation(annotation: Annotation | Marks) -> dict[str, Any]:
    """The SDK's annotation lacks the fields that Prometheus queries need."""
    if isinstance(annotation, Marks):
        target = {"type": "tags", "tags": list(annotation.tags), "matchAny": False, "limit": 100}
        common = {"name": annotation.name, "iconColor": annotation.color, "datasource": _GRAFANA}
        return {**common, "enable": True, "hide": False, "target": target}
    return {
        "name": annotation.name,
        "datasource": {"type": PROMETHEUS.type, "uid": PROMETHEUS.uid},
        "enable": True,
        "hide": False,
        "iconColor": annotation.color,
        "expr": annotation.expr,
        "titleFormat": annotation.title,
        "useValueForTime": False,
        "step": "30s",
    }
