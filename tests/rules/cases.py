"""The cases in `cases/*.yaml`, turned into promtool's own test files.

A file names the rule files it needs and holds, by alert, when it `fires` and when it stays `quiet`, and `records` with
the values that recording rules must have. Short forms, so that a case shows what it is about:

    WHO       labels of the one declared service as scraped      WHOSE    the same without the job
    OF_POD    namespace and pod of one of its pods               MONTH    four weeks of a daily wave with noise
    WEEKS     the same with quiet weekends; WEEKS/1000 is a thousandth of it

A firing case says `at` which step the alert fires for the first time (one step before, it must not), the `labels` that
come from the data, and the `value` as the annotations show it. What the rule itself adds is taken from the rule.

A quiet case says `at` which times the alert must not fire, and may say `throughout` how long before it must never have
been pending either.

What is scraped is seldom one series. `halves: <label>` gives each counter of a case as two, half of it each, which
differ in that label; `idle: <label>` puts beside each series another that is always 0. A rule that sums, or takes the
largest, must come to the same.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import pi, sin
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "cases"

_WHOSE = {"service": "api-gateway", "team": "platform", "tier": "critical", "namespace": "dharma"}
_TEXT = ",".join(f'{label}="{value}"' for label, value in _WHOSE.items())
_SHORT = {
    "WHOSE": _TEXT,
    "OF_POD": 'namespace="dharma",pod="api-gateway-1"',
    "WHO": f'job="services",{_TEXT}',
}


@dataclass(frozen=True)
class Case:
    """One promtool test group."""

    file: str
    subject: str
    """The alert or the records it is about."""
    kind: str
    """fires, quiet or record"""
    name: str
    body: dict[str, Any]

    @property
    def title(self) -> str:
        verb = {"fires": "fires", "quiet": "stays quiet", "record": ""}[self.kind]
        return " ".join(part for part in (self.subject, verb, self.name) if part)


@dataclass(frozen=True)
class CaseFile:
    name: str
    rules: list[str]
    evaluation_interval: str
    cases: list[Case]


def load_cases() -> list[CaseFile]:
    """Every file of cases, each case with its title as a sentence."""
    return [_load(path) for path in sorted(FOLDER.glob("*.yaml"))]


def promtool_file(file: CaseFile, rendered: Path) -> dict[str, Any]:
    """The test file for promtool, over the rules as they are rendered in the folder `rendered`."""
    names = ["declared.yaml", *file.rules]
    groups = [group for name in names for group in yaml.safe_load((rendered / name).read_text())["groups"]]
    alerts = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    return {
        "rule_files": [str(rendered / name) for name in names],
        "evaluation_interval": file.evaluation_interval,
        # as Prometheus settles after a round: what is recorded before what reads it
        "group_eval_order": [group["name"] for group in groups],
        "fuzzy_compare": True,
        "tests": [_test(case, file, alerts) for case in file.cases],
    }


def _load(path: Path) -> CaseFile:
    # every scalar as its text: YAML too takes 0x10 for a hexadecimal number
    document = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 - makes plain text only
    return CaseFile(
        name=path.stem,
        rules=document["rules"],
        evaluation_interval=document.get("evaluation_interval", "1m"),
        cases=list(_cases(path.stem, document)),
    )


def _cases(file: str, document: dict[str, Any]) -> Iterator[Case]:
    for alert, entry in document.get("alerts", {}).items():
        for kind in ("fires", "quiet"):
            for body in entry[kind]:
                yield Case(file, alert, kind, body["name"], body)
    for body in document.get("records", []):
        yield Case(file, "", "record", body["name"], body)


def _test(case: Case, file: CaseFile, alerts: list[dict[str, Any]]) -> dict[str, Any]:
    body = case.body
    test: dict[str, Any] = {
        "name": case.title,
        "interval": file.evaluation_interval,
        "input_series": [
            {"series": each, "values": numbers}
            for series, values in body["series"].items()
            for each, numbers in _copies(_expand(series), values, body)
        ],
    }
    if case.kind == "record":
        test["promql_expr_test"] = [
            {
                "expr": _expand(expression),
                "eval_time": body["at"],
                "exp_samples": [
                    {"labels": _sample(expression, labels), "value": float(v)} for labels, v in samples.items()
                ],
            }
            for expression, samples in body["values"].items()
        ]
    elif case.kind == "quiet":
        times = body["at"] if isinstance(body["at"], list) else [body["at"]]
        test["alert_rule_test"] = [{"eval_time": at, "alertname": case.subject, "exp_alerts": []} for at in times]
        if "throughout" in body:
            never = f'count_over_time(ALERTS{{alertname="{case.subject}"}}[{body["throughout"]}])'
            test["promql_expr_test"] = [{"expr": never, "eval_time": times[-1], "exp_samples": []}]
    else:
        test["alert_rule_test"] = list(_firing(case, file, alerts))
    return test


def _firing(case: Case, file: CaseFile, alerts: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    at, step = _seconds(case.body["at"]), _seconds(file.evaluation_interval)
    if at >= step and case.body.get("pending") != "false":
        yield {"eval_time": f"{at - step}s", "alertname": case.subject, "exp_alerts": []}
    labels = _labels(case.body.get("labels", {"WHO": ""}))
    rule = next(
        rule
        for rule in alerts
        if rule["alert"] == case.subject and labels.get("window") == rule["labels"].get("window")
    )
    labels |= {label: str(value) for label, value in rule["labels"].items()}
    yield {
        "eval_time": f"{at}s",
        "alertname": case.subject,
        "exp_alerts": [{"exp_labels": labels, "exp_annotations": _annotations(rule, labels, case.body.get("value"))}],
    }


def _labels(given: dict[str, Any]) -> dict[str, str]:
    base = _WHOSE if "WHO" in given else {}
    return base | {label: str(value) for label, value in given.items() if label != "WHO"}


def _annotations(rule: dict[str, Any], labels: dict[str, str], value: str | None) -> dict[str, str]:
    """The texts with the labels put in, and the value as the case says it must look."""

    def fill(match: re.Match[str]) -> str:
        if match["label"]:
            return labels.get(match["label"], "")
        assert value is not None, f"{rule['alert']} shows its value; the case must say `value`"
        return value

    pattern = re.compile(r"\{\{\s*(?:\$labels\.(?P<label>\w+)|\$value(?:\s*\|\s*\w+)?)\s*\}\}")
    chosen = {name: _chosen(text, labels) for name, text in rule["annotations"].items()}
    return {name: pattern.sub(fill, text) for name, text in chosen.items()}


def _chosen(text: str, labels: dict[str, str]) -> str:
    """The text without what stands in it for a label that is not there; the innermost condition first."""
    innermost = re.compile(r"\{\{ if \$labels\.(?P<label>\w+) \}\}(?P<then>(?:(?!\{\{ if ).)*?)\{\{ end \}\}")
    while innermost.search(text):
        text = innermost.sub(lambda match: match["then"] if labels.get(match["label"]) else "", text)
    return text


def _expand(text: str) -> str:
    for short, full in _SHORT.items():
        text = re.sub(rf"\b{short}\b", full, text)
    return text


def _copies(series: str, values: str, body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The series, or what stands for it by `halves` or `idle`."""
    counter = re.fullmatch(r"(0|0\.0)\+([\d.]+)x(\d+)", values)
    if "halves" in body and counter:
        half = f"0+{float(counter[2]) / 2:.12g}x{counter[3]}"
        yield from ((_labelled(series, body["halves"], copy), half) for copy in ("left", "right"))
        return
    yield series, _values(values)
    if "idle" in body:
        steps = sum(int(word.rsplit("x", 1)[1]) + 1 for word in values.split() if re.search(r"\dx\d", word))
        yield _labelled(series, body["idle"], "idle"), f"0+0x{steps - 1}"


def _labelled(series: str, label: str, value: str) -> str:
    """The series with one more label, in the place of one of that name."""
    name, _, rest = series.partition("{")
    kept = [part for part in re.findall(r'\w+="[^"]*"', rest) if not part.startswith(f"{label}=")]
    return f"{name}{{{','.join([*kept, f'{label}={chr(34)}{value}{chr(34)}'])}}}"


def _sample(expression: str, labels: str) -> str:
    """Samples carry the record's name, unless a function has taken it away."""
    name = expression if re.fullmatch(r"[\w:]+", expression) else ""
    return f"{name}{_expand(labels)}"


def _values(text: str) -> str:
    # promtool takes 0x10 for a hexadecimal number; 0+0x10 is what a reader of 1x10 expects
    words = (re.sub(r"^0x(?=\d)", "0+0x", word) for word in text.split())
    return " ".join(
        _month(match) if (match := re.fullmatch(r"(MONTH|WEEKS)(?:/(\d+))?", word)) else word for word in words
    )


def _month(asked: re.Match[str]) -> str:
    noise = random.Random(28)  # noqa: S311 - a synthetic month, the same every time
    divisor = int(asked[2] or 1)
    weekend = 0.4 if asked[1] == "WEEKS" else 1
    steps = range(28 * 24 * 4)  # one each quarter of an hour
    wave = ((100 + 50 * sin(2 * pi * step / 96)) * (weekend if step // 96 % 7 >= 5 else 1) for step in steps)
    return " ".join(f"{value * noise.uniform(0.96, 1.04) / divisor:.6g}" for value in wave)


def _seconds(duration: str) -> int:
    units = {"s": 1, "m": 60, "h": 3600}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([smh])", str(duration)))
