"""Each kind of panel as shapes inside its box."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sandbox.dashboard_queries import Answer
from sandbox.pictures import data, svg
from sandbox.pictures.data import Series
from sandbox.pictures.units import written

Document = dict[str, Any]
TITLE = 26
LEGEND_ROW = 15
AXIS = 58


@dataclass(frozen=True)
class Box:
    """Where a panel, or a part of it, is: pixels from the picture's top left."""

    x: float
    y: float
    w: float
    h: float

    @property
    def bottom(self) -> float:
        return self.y + self.h


@dataclass(frozen=True)
class Panel:
    """A panel of a dashboard, what its queries answered, and its place."""

    document: Document
    answers: Sequence[Answer]
    box: Box
    traces: Sequence[Document] = ()

    @property
    def defaults(self) -> Document:
        return dict(self.document["fieldConfig"]["defaults"])

    @property
    def unit(self) -> str:
        return str(self.defaults.get("unit", "short"))

    @property
    def inside(self) -> Box:
        return Box(self.box.x + 8, self.box.y + TITLE, self.box.w - 16, self.box.h - TITLE - 6)

    def color(self, value: float) -> str:
        """By mapping, else by threshold."""
        if (mapped := self.mapped(value)) and mapped.get("color"):
            return svg.color(mapped["color"])
        name = None
        for step in self.defaults.get("thresholds", {}).get("steps", []):
            if step["value"] is None or value >= step["value"]:
                name = step["color"]
        return svg.color(name)

    def words(self, value: float) -> str:
        mapped = self.mapped(value)
        return str(mapped["text"]) if mapped and mapped.get("text") else written(value, self.unit)

    def mapped(self, value: float) -> Document | None:
        for mapping in self.defaults.get("mappings", []):
            if not math.isnan(value) and f"{value:g}" in mapping.get("options", {}):
                return dict(mapping["options"][f"{value:g}"])
        return None


def draw(panel: Panel) -> list[str]:
    """Frame, title and content; what is empty says what it says in Grafana."""
    box = panel.box
    shapes = [
        svg.rect(box.x, box.y, box.w, box.h, svg.PANEL, stroke=svg.BORDER, rx=2),
        svg.text(box.x + 8, box.y + 17, panel.document.get("title", ""), width=box.w - 16, font_weight=600),
    ]
    content = _KINDS[panel.document["type"]](panel)
    if not content:
        nothing = str(panel.defaults.get("noValue", "No data"))
        content = [svg.text(box.x + box.w / 2, box.y + box.h / 2 + 8, nothing, fill=svg.FAINT, text_anchor="middle")]
    errors = [answer.error for answer in panel.answers if answer.error]
    return shapes + content + [svg.text(box.x + 8, box.bottom - 8, each, fill=svg.NAMED["red"]) for each in errors]


def _lines(panel: Panel) -> list[str]:
    found = [each for each in data.series(panel.answers) if not all(map(math.isnan, each.values))]
    if not found:
        return []
    rows = min(len(found), max(1, int((panel.inside.h - 90) / LEGEND_ROW)))
    plot = Box(
        panel.inside.x + AXIS, panel.inside.y + 4, panel.inside.w - AXIS, panel.inside.h - 22 - rows * LEGEND_ROW
    )
    stacked = panel.defaults.get("custom", {}).get("stacking", {}).get("mode") == "normal"
    layers = _stacked(found) if stacked else found
    values = [value for each in layers for value in each.values if not math.isnan(value)]
    low, high = min(0.0, *values), max(values) or 1.0
    high += (high - low) * 0.05
    moments = [moment for each in layers for moment in each.times]
    span = min(moments), max(*moments, min(moments) + 1)
    first, last = span

    def at(moment: float, value: float) -> tuple[float, float]:
        x = plot.x + (moment - first) / (last - first) * plot.w
        return x, plot.bottom - (value - low) / (high - low) * plot.h

    shapes = _axes(plot, (low, high), span, panel.unit)
    order = list(enumerate(layers))
    for number, each in reversed(order) if stacked else order:
        stroke = svg.PALETTE[number % len(svg.PALETTE)]
        for part in _unbroken(each):
            points = _bends([at(moment, value) for moment, value in part])
            if stacked:
                area = [(points[0][0], plot.bottom), *points, (points[-1][0], plot.bottom)]
                shapes.append(svg.line(area, "none").replace("fill='none'", f"fill='{stroke}' fill-opacity='0.3'"))
            shapes.append(svg.line(points, stroke, stroke_width=1.2))
    return shapes + _legend(found[:rows], panel, plot.bottom + 18)


def _bends(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Without those in the middle of a level stretch, which would only make the file larger."""
    inner = zip(points, points[1:], points[2:], strict=False)
    kept = [here for before, here, after in inner if not abs(before[1] - here[1]) + abs(here[1] - after[1]) < 0.2]
    return [points[0], *kept, *points[1:][-1:]]


def _stacked(found: Sequence[Series]) -> list[Series]:
    totals: dict[float, float] = {}
    layers = []
    for each in found:
        values = []
        for moment, value in zip(each.times, each.values, strict=False):
            totals[moment] = totals.get(moment, 0.0) + (0.0 if math.isnan(value) else value)
            values.append(totals[moment])
        layers.append(Series(each.name, each.times, values))
    return layers


def _unbroken(each: Series) -> list[list[tuple[float, float]]]:
    parts: list[list[tuple[float, float]]] = [[]]
    for moment, value in zip(each.times, each.values, strict=False):
        if math.isnan(value):
            parts.append([])
        else:
            parts[-1].append((moment, value))
    return [part for part in parts if part]


def _axes(plot: Box, values: tuple[float, float], span: tuple[float, float], unit: str) -> list[str]:
    (low, high), (first, last) = values, span
    shapes = []
    for step in range(4):
        value = low + (high - low) * step / 3
        y = plot.bottom - plot.h * step / 3
        shapes.append(svg.line([(plot.x, y), (plot.x + plot.w, y)], svg.BORDER))
        shapes.append(svg.text(plot.x - 6, y + 4, written(value, unit), size=10, fill=svg.FAINT, text_anchor="end"))
    for step in range(1, 4):
        moment = time.strftime("%H:%M", time.gmtime((first + (last - first) * step / 4) / 1000))
        shapes.append(
            svg.text(
                plot.x + plot.w * step / 4, plot.bottom + 12, moment, size=10, fill=svg.FAINT, text_anchor="middle"
            )
        )
    return shapes


def _legend(found: Sequence[Series], panel: Panel, y: float) -> list[str]:
    shapes = []
    right = panel.inside.x + panel.inside.w
    for number, each in enumerate(found):
        row = y + number * LEGEND_ROW
        highest = max((value for value in each.values if not math.isnan(value)), default=math.nan)
        shapes.append(svg.rect(panel.inside.x, row - 1, 12, 3, svg.PALETTE[number % len(svg.PALETTE)]))
        shapes.append(svg.text(panel.inside.x + 18, row + 4, each.name, size=10.5, width=panel.inside.w - 215))
        shapes.append(svg.text(right - 105, row + 4, written(each.last, panel.unit), size=10.5, text_anchor="end"))
        shapes.append(svg.text(right, row + 4, f"max {written(highest, panel.unit)}", size=10.5, text_anchor="end"))
    return shapes


def _numbers(panel: Panel) -> list[str]:
    found = data.series(panel.answers)
    if not found:
        return []
    inside = panel.inside
    tiles = panel.document["options"].get("colorMode") == "background"
    width = inside.w / len(found)
    shapes = []
    for number, each in enumerate(found):
        x, color = inside.x + number * width, panel.color(each.last)
        if tiles:
            shapes.append(svg.rect(x + 2, inside.y, width - 4, inside.h, color, rx=2))
        size = min(inside.h * 0.34, width / max(len(panel.words(each.last)), 4) * 1.25, 34)
        named = len(found) > 1 or tiles
        ink = "#111217" if tiles else color
        middle = inside.y + inside.h * (0.75 if named else 0.55) + size * 0.2
        shapes.append(
            svg.text(
                x + width / 2,
                middle,
                panel.words(each.last),
                size=size,
                fill=ink,
                text_anchor="middle",
                font_weight=600,
            )
        )
        if named:
            ink = "#111217" if tiles else svg.TEXT
            shapes.append(
                svg.text(
                    x + width / 2,
                    inside.y + inside.h * 0.3,
                    each.name,
                    size=12,
                    width=width - 8,
                    fill=ink,
                    text_anchor="middle",
                )
            )
    return shapes


def _bars(panel: Panel) -> list[str]:
    found = data.series(panel.answers)
    if not found:
        return []
    inside = panel.inside
    highest = float(
        panel.defaults.get("max") or max([each.last for each in found if not math.isnan(each.last)] or [1]) or 1
    )
    height = min(inside.h / len(found), 34)
    shown = found[: max(1, int(inside.h / max(height, 16)))]
    height = max(height, 16)
    shapes = []
    for number, each in enumerate(shown):
        y = inside.y + number * height
        share = 0.0 if math.isnan(each.last) else min(each.last / highest, 1.0)
        left, room = inside.x + inside.w * 0.34, inside.w * 0.5
        shapes.append(
            svg.text(left - 8, y + height / 2 + 4, each.name, size=11, width=inside.w * 0.32, text_anchor="end")
        )
        shapes.append(svg.rect(left, y + 3, room, height - 6, "#22252b"))
        shapes.append(svg.rect(left, y + 3, room * share, height - 6, panel.color(each.last), fill_opacity=0.75))
        shapes.append(
            svg.text(left + room + 6, y + height / 2 + 4, panel.words(each.last), size=11, fill=panel.color(each.last))
        )
    return shapes


def _table(panel: Panel) -> list[str]:
    if panel.traces:
        headings, rows = _trace_rows(panel.traces)
    else:
        headings, rows = data.table(panel.document, panel.answers)
    if not rows:
        return []
    inside, height = panel.inside, 18.0
    width = inside.w / len(headings)
    shapes = [
        svg.text(inside.x + column * width, inside.y + 12, heading, size=11, width=width - 6, fill=svg.NAMED["blue"])
        for column, heading in enumerate(headings)
    ]
    for number, row in enumerate(rows[: int(inside.h / height) - 1], start=1):
        y = inside.y + 12 + number * height
        for column, (heading, value) in enumerate(zip(headings, row, strict=True)):
            words = written(value, _column_unit(panel, heading)) if isinstance(value, int | float) else str(value or "")
            shapes.append(svg.text(inside.x + column * width, y, words, size=11, width=width - 6))
    return shapes


def _column_unit(panel: Panel, heading: str) -> str:
    for override in panel.document["fieldConfig"].get("overrides", []):
        if override["matcher"].get("options") == heading:
            for each in override["properties"]:
                if each["id"] == "unit":
                    return str(each["value"])
    return panel.unit


def _trace_rows(traces: Sequence[Document]) -> tuple[list[str], list[list[Any]]]:
    rows = []
    for each in traces:
        root = min(each["spans"], key=lambda span: span["startTime"])
        service = each["processes"][root["processID"]]["serviceName"]
        rows.append([each["traceID"], f"{service}: {root['operationName']}", written(root["duration"] / 1e6, "s")])
    return ["Trace ID", "Trace name", "Duration"], rows


def _heatmap(panel: Panel) -> list[str]:
    # exemplars come along as a series of their own
    buckets = [each for each in data.series(panel.answers) if _is_number(each.name) and each.name != "+Inf"]
    buckets.sort(key=lambda each: float(each.name))
    if not buckets:
        return []
    inside = panel.inside
    plot = Box(inside.x + AXIS, inside.y + 4, inside.w - AXIS, inside.h - 22)
    moments = sorted({moment for each in buckets for moment in each.times})
    # A histogram's buckets hold what the smaller ones hold: the difference is what is in a band.
    below = dict.fromkeys(moments, 0.0)
    bands: list[dict[float, float]] = []
    for each in buckets:
        held = {m: 0.0 if math.isnan(v) else v for m, v in zip(each.times, each.values, strict=False)}
        bands.append({moment: max(value - below[moment], 0.0) for moment, value in held.items()})
        below |= held
    highest = max((value for band in bands for value in band.values()), default=0) or 1.0
    width, height = plot.w / len(moments), plot.h / len(bands)
    shapes = []
    for number, (each, band) in enumerate(zip(buckets, bands, strict=True)):
        y = plot.bottom - (number + 1) * height
        label = written(float(each.name), panel.unit) if _is_number(each.name) else each.name
        shapes.append(svg.text(plot.x - 6, y + height / 2 + 4, label, size=10, fill=svg.FAINT, text_anchor="end"))
        for column, moment in enumerate(moments):
            if share := band.get(moment, 0.0) / highest:
                cell = svg.rect(
                    plot.x + column * width,
                    y,
                    width - 0.5,
                    height - 0.5,
                    "#ff9830",
                    fill_opacity=round(math.sqrt(share), 2),
                )
                shapes.append(cell)
    return shapes


def _is_number(words: str) -> bool:
    try:
        float(words)
    except ValueError:
        return False
    return True


def _log(panel: Panel) -> list[str]:
    inside = panel.inside
    lines = data.log_lines(panel.answers)[: int(inside.h / 16)]
    return [
        svg.text(inside.x, inside.y + 12 + number * 16, each, size=10.5, width=inside.w, font_family="monospace")
        for number, each in enumerate(lines)
    ]


def _timeline(panel: Panel) -> list[str]:
    found = data.series(panel.answers)
    if not found:
        return []
    inside = panel.inside
    left, room = inside.x + inside.w * 0.2, inside.w * 0.8
    height = max(min(inside.h / len(found), 30), 14)
    found = found[: int(inside.h / height)]
    first = min(moment for each in found for moment in each.times)
    last = max(first + 1, *(moment for each in found for moment in each.times))
    shapes = []
    for number, each in enumerate(found):
        y = inside.y + number * height
        shapes.append(
            svg.text(left - 8, y + height / 2 + 4, each.name, size=11, width=inside.w * 0.19, text_anchor="end")
        )
        step = room / max(len(each.times), 1)
        for value, moments in groupby(zip(each.times, each.values, strict=False), key=lambda pair: pair[1]):
            if not math.isnan(value):
                times = [moment for moment, _ in moments]
                x = left + (times[0] - first) / (last - first) * (room - step)
                width = (times[-1] - times[0]) / (last - first) * (room - step) + step
                shapes.append(svg.rect(x, y + 2, width, height - 4, panel.color(value)))
    return shapes


_KINDS: dict[str, Callable[[Panel], list[str]]] = {
    "timeseries": _lines,
    "stat": _numbers,
    "bargauge": _bars,
    "table": _table,
    "heatmap": _heatmap,
    "logs": _log,
    "state-timeline": _timeline,
}
