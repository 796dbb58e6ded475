"""Frames of Grafana's query API as series and tables."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.dashboard_queries import Answer

Document = dict[str, Any]


@dataclass(frozen=True)
class Series:
    """One line: milliseconds and values; NaN where there is none."""

    name: str
    times: Sequence[float]
    values: Sequence[float]
    unit: str = ""
    """Where it differs from the panel's."""

    @property
    def last(self) -> float:
        return next((value for value in reversed(self.values) if not math.isnan(value)), math.nan)


def series(answers: Sequence[Answer]) -> list[Series]:
    """Every column of numbers, named as Prometheus' plugin names it."""
    found = []
    for answer in answers:
        for frame in answer.frames:
            fields, columns = frame["schema"].get("fields", []), frame["data"].get("values", [])
            times: Sequence[float] = next((c for f, c in zip(fields, columns, strict=False) if f["type"] == "time"), ())
            for field, column in zip(fields, columns, strict=False):
                if field["type"] == "number" and column:
                    values = [math.nan if value is None else float(value) for value in column]
                    found.append(Series(_name(field, frame), times or list(range(len(values))), values))
    return found


def _name(field: Document, frame: Document) -> str:
    given = field.get("config", {}).get("displayNameFromDS") or frame["schema"].get("name")
    labels = field.get("labels") or {}
    return str(given or ", ".join(labels.values()) or field["name"])


def table(panel: Document, answers: Sequence[Answer]) -> tuple[list[str], list[list[Any]]]:
    """Headings and rows, after the panel's own transformations: joined by labels, chosen, renamed, sorted."""
    several = len(answers) > 1
    rows: dict[tuple[Any, ...], Document] = {}
    for letter, answer in zip("ABCDEFGH", answers, strict=False):
        for row in _rows(answer):
            value = row.pop("Value", None)
            key = tuple(sorted((name, str(each)) for name, each in row.items() if name != "Time"))
            rows.setdefault(key, dict(row))[f"Value #{letter}" if several else "Value"] = value
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    renamed: dict[str, str] = {}
    for step in panel.get("transformations", []):
        if step["id"] == "filterFieldsByName":
            names = [name for name in step["options"]["include"]["names"] if name in names]
        elif step["id"] == "organize":
            names = [name for name in names if not step["options"]["excludeByName"].get(name)]
            order = step["options"]["indexByName"]
            names.sort(key=lambda name: order.get(name, 99))
            renamed = step["options"]["renameByName"]
    headings = [renamed.get(name, name) for name in names]
    body = [[row.get(name) for name in names] for row in rows.values()]
    for sort in panel.get("options", {}).get("sortBy", []):
        if sort["displayName"] in headings:
            at = headings.index(sort["displayName"])
            body.sort(key=lambda row, at=at: _number(row[at]), reverse=sort["desc"])  # type: ignore[misc]
    return headings, body


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) else -math.inf


def _rows(answer: Answer) -> list[Document]:
    """One per row of each frame; a frame of a single labelled value has its labels as columns."""
    found = []
    for frame in answer.frames:
        fields, columns = frame["schema"].get("fields", []), frame["data"].get("values", [])
        for values in zip(*columns, strict=False):
            row: Document = {}
            for field, value in zip(fields, values, strict=False):
                row |= field.get("labels") or {}
                row["Value" if field["type"] == "number" and field["name"].startswith("Value") else field["name"]] = (
                    value
                )
            found.append(row)
    return found


def log_lines(answers: Sequence[Answer]) -> list[str]:
    """Newest first."""
    lines: list[tuple[float, str]] = []
    for answer in answers:
        for frame in answer.frames:
            names = [field["name"].lower() for field in frame["schema"].get("fields", [])]
            columns = dict(zip(names, frame["data"].get("values", []), strict=False))
            bodies = columns.get("line") or columns.get("body") or []
            times = columns.get("time") or columns.get("timestamp") or []
            lines += zip(times, bodies, strict=False)
    return [re.sub(r"\s+", " ", line) for _, line in sorted(lines, key=lambda each: each[0], reverse=True)]
