"""The panels that dashboards are made of: one function per kind, each asking for what no panel may lack.

A panel says in `about` what it shows and what is normal, has a unit, and leads on by `links` (the panel's menu) and
`series_link` (a click on a series or cell). Only panel types that current Grafana has are here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Required, TypedDict, TypeVar, Unpack, cast

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    heatmap,
    logs,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as commonmodel
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode, HeatmapColorScale

from rendering.dashboards.links import Link
from rendering.dashboards.queries import Promql, Query, ref

FULL_WIDTH = 24
HALF = 12
THIRD = 8
QUARTER = 6

GREEN, ORANGE, RED = "green", "orange", "red"

FROM_BOTTOM = float("-inf")


@dataclass(frozen=True)
class Alert:
    """A bound that follows from the threshold of an alert, as the stack has it: known when the board is rendered."""

    name: str
    times: float = 1
    """To warn ahead of the alert, or where the panel has another unit."""
    plus: float = 0
    """With `times=-1` and 1: the share that is left where the alert is about the share that is used."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def bound(self, limits: Mapping[str, float]) -> float:
        """limits: thresholds in force by alert."""
        return round(self.times * limits[self.name] + self.plus, 9)


Thresholds = Sequence[tuple[float | Alert, str]]
"""From this value upwards, this colour. Below the first: green, unless the first bound is minus infinity."""


def above(alert: str, critical: str = "", *, times: float = 1) -> Thresholds:
    """Orange from the alert's threshold on, red from that of the critical one."""
    bounds = [(Alert(alert, times), ORANGE)]
    return [*bounds, (Alert(critical, times), RED)] if critical else bounds


def near(alert: str, share: float) -> Thresholds:
    """Red from the alert's threshold on, orange from this share of it."""
    return [(Alert(alert, share), ORANGE), (Alert(alert), RED)]


class Common(TypedDict, total=False):
    """What every panel takes."""

    title: Required[str]
    about: Required[str]
    queries: Required[Sequence[Query]]
    unit: Required[str]
    links: Required[Sequence[Link]]
    series_link: Link
    thresholds: Thresholds
    width: int
    """In columns; a row has 24."""
    height: int
    minimum: float
    maximum: float
    decimals: int
    when_empty: str
    """Shown in place of "No data" where nothing is good news."""


AnyPanel = TypeVar(
    "AnyPanel",
    timeseries.Panel,
    stat.Panel,
    bargauge.Panel,
    table.Panel,
    heatmap.Panel,
    logs.Panel,
    statetimeline.Panel,
)
Panel = timeseries.Panel | stat.Panel | bargauge.Panel | table.Panel | heatmap.Panel | logs.Panel | statetimeline.Panel


def graph(*, stacked: bool = False, **common_args: Unpack[Common]) -> timeseries.Panel:
    """Lines over time; `stacked` where the sum means something."""
    panel = _filled(timeseries.Panel(), common_args, width=HALF, height=8)
    panel = panel.legend(
        common.VizLegendOptions()
        .display_mode(commonmodel.LegendDisplayMode.TABLE)
        .placement(commonmodel.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(["lastNotNull", "max"])
    )
    mode = commonmodel.TooltipDisplayMode.MULTI
    panel = panel.tooltip(common.VizTooltipOptions().mode(mode).sort(commonmodel.SortOrder.DESCENDING))
    panel = panel.line_width(1).fill_opacity(30 if stacked else 8).show_points(commonmodel.VisibilityMode.NEVER)
    if "minimum" not in common_args:
        panel = panel.axis_soft_min(0)
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(commonmodel.StackingMode.NORMAL))
    if common_args.get("thresholds"):
        style = common.GraphThresholdsStyleConfig().mode(commonmodel.GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds_style(style)
    return panel


def number(*, sparkline: bool = True, **common_args: Unpack[Common]) -> stat.Panel:
    """One big value per series, coloured by its thresholds."""
    panel = _filled(stat.Panel(), common_args, width=4, height=4)
    panel = panel.graph_mode(commonmodel.BigValueGraphMode.AREA if sparkline else commonmodel.BigValueGraphMode.NONE)
    panel = panel.color_mode(commonmodel.BigValueColorMode.VALUE)
    return panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))


def tiles(*, mappings: Sequence[tuple[float, str, str]] = (), **common_args: Unpack[Common]) -> stat.Panel:
    """A coloured tile per series, named after it; `mappings` turn values into (text, colour)."""
    panel = _filled(stat.Panel(), common_args, width=FULL_WIDTH, height=4)
    panel = panel.graph_mode(commonmodel.BigValueGraphMode.NONE).color_mode(commonmodel.BigValueColorMode.BACKGROUND)
    panel = panel.text_mode(commonmodel.BigValueTextMode.VALUE_AND_NAME)
    panel = panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    return panel.mappings([_mapping(mappings)]) if mappings else panel


def bars(**common_args: Unpack[Common]) -> bargauge.Panel:
    """A horizontal bar per series: for ranking, and for shares of a limit."""
    panel = _filled(bargauge.Panel(), common_args, width=HALF, height=8)
    panel = panel.display_mode(commonmodel.BarGaugeDisplayMode.GRADIENT)
    panel = panel.orientation(commonmodel.VizOrientation.HORIZONTAL)
    return panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))


def listing(
    *,
    columns: Sequence[str] = (),
    renamed: dict[str, str] | None = None,
    sort_by: str = "",
    units: dict[str, str] | None = None,
    limits: dict[str, Thresholds] | None = None,
    **common_args: Unpack[Common],
) -> table.Panel:
    """A table of instant values, one row per set of labels, several queries joined into columns.

    columns: the fields to keep, in this order; none keeps all.
    renamed: headings by field. A query's value is the field `Value #A` when there are several, else `Value`.
    sort_by: heading of the column that is sorted by, largest first.
    units: unit by heading, where a column's differs from the panel's.
    limits: thresholds by heading, that colour the column's text.
    """
    queries = [replace(each, table=True) if isinstance(each, Promql) else each for each in common_args["queries"]]
    panel = _filled(table.Panel(), {**common_args, "queries": queries}, width=FULL_WIDTH, height=8)
    if len(queries) > 1:
        panel = panel.with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
    headings = renamed or {}
    organize: dict[str, object] = {
        "excludeByName": {"Time": True, "__name__": True},
        "renameByName": headings,
        "indexByName": {name: position for position, name in enumerate(columns)},
    }
    if columns:
        keep = {"include": {"names": list(columns)}}
        panel = panel.with_transformation(model.DataTransformerConfig(id_val="filterFieldsByName", options=keep))
    panel = panel.with_transformation(model.DataTransformerConfig(id_val="organize", options=organize))
    for heading, unit in (units or {}).items():
        panel = panel.override_by_name(heading, [model.DynamicConfigValue(id_val="unit", value=unit)])
    for heading, thresholds in (limits or {}).items():
        colored = {"thresholds": _absolute(thresholds).build(), "custom.cellOptions": {"type": "color-text"}}
        values = [model.DynamicConfigValue(id_val=name, value=value) for name, value in colored.items()]
        panel = panel.override_by_name(heading, values)
    if sort_by:
        panel = panel.sort_by([common.TableSortByFieldState().display_name(sort_by).desc(True)])
    return panel


def found(**common_args: Unpack[Common]) -> table.Panel:
    """A table as the datasource returns it: for searches of traces."""
    return _filled(table.Panel(), common_args, width=FULL_WIDTH, height=10)


def latency_heatmap(**common_args: Unpack[Common]) -> heatmap.Panel:
    """Buckets of a histogram over time; single traces as dots where the query asks for exemplars."""
    panel = _filled(heatmap.Panel(), common_args, width=FULL_WIDTH, height=9)
    colors = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges")
    colors = colors.scale(HeatmapColorScale.EXPONENTIAL).exponent(0.5).steps(64).reverse(False).fill("dark-orange")
    axis = heatmap.YAxisConfig().unit(common_args["unit"]).axis_placement(commonmodel.AxisPlacement.LEFT)
    panel = panel.calculate(False).color(colors).y_axis(axis).show_legend().cell_gap(1)
    return panel.exemplars_color("rgba(0,160,255,0.8)")


def lines(**common_args: Unpack[Common]) -> logs.Panel:
    """Log lines, newest first; a line unfolds into its fields and its link to the trace."""
    panel = _filled(logs.Panel(), common_args, width=FULL_WIDTH, height=10)
    panel = panel.show_time(True).wrap_log_message(True).enable_log_details(True)
    return panel.sort_order(commonmodel.LogsSortOrder.DESCENDING)


def timeline(*, mappings: Sequence[tuple[float, str, str]], **common_args: Unpack[Common]) -> statetimeline.Panel:
    """States over time, a band per series; `mappings` turn values into (text, colour)."""
    panel = _filled(statetimeline.Panel(), common_args, width=FULL_WIDTH, height=8)
    return panel.merge_values(True).show_value(commonmodel.VisibilityMode.NEVER).mappings([_mapping(mappings)])


def _filled(panel: AnyPanel, args: Common, *, width: int, height: int) -> AnyPanel:
    """What all kinds have in common, written once."""
    panel = panel.title(args["title"]).description(args["about"]).unit(args["unit"])
    panel = panel.datasource(ref(args["queries"][0].datasource))
    panel = panel.span(args.get("width", width)).height(args.get("height", height))
    for position, query in enumerate(args["queries"]):
        panel = panel.with_target(query.build(chr(ord("A") + position)))
    panel = panel.links([_link(link) for link in args["links"]])
    if "series_link" in args:
        panel = panel.data_links([_link(args["series_link"])])
    panel = panel.thresholds(_absolute(args.get("thresholds", ())))
    if "minimum" in args:
        panel = panel.min(args["minimum"])
    if "maximum" in args:
        panel = panel.max(args["maximum"])
    if "decimals" in args:
        panel = panel.decimals(args["decimals"])
    if "when_empty" in args:
        panel = panel.no_value(args["when_empty"])
    return panel


def _link(link: Link) -> dashboard.DashboardLink:
    return dashboard.DashboardLink(link.title).url(link.url).type(model.DashboardLinkType.LINK)


def _absolute(thresholds: Thresholds) -> dashboard.ThresholdsConfig:
    # An alert stands in for its number until `with_bounds`.
    steps = [
        model.Threshold(value=None if bound == FROM_BOTTOM else cast("float", bound), color=color)
        for bound, color in thresholds
    ]
    if not steps or steps[0].value is not None:
        steps.insert(0, model.Threshold(value=None, color=GREEN))
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)


def with_bounds(steps: Sequence[dict[str, Any]], limits: Mapping[str, float]) -> list[dict[str, Any]]:
    """A panel's thresholds as Grafana reads them, numbers in place of alerts. limits: thresholds in force by alert."""
    filled = [
        step | {"value": Alert(**step["value"]).bound(limits)} if isinstance(step["value"], dict) else step
        for step in steps
    ]
    return sorted(filled, key=lambda step: FROM_BOTTOM if step["value"] is None else step["value"])


def _mapping(mappings: Sequence[tuple[float, str, str]]) -> model.ValueMap:
    results = {
        f"{value:g}": model.ValueMappingResult(text=text, color=color, index=index)
        for index, (value, text, color) in enumerate(mappings)
    }
    return model.ValueMap(options=results)
