"""Do the rule tests notice when a rule is wrong? Each rule is changed in one place at a time, and promtool must object.

Changed are comparators, thresholds, factors, `for`, aggregations and their labels, and matchers. A change that no case
notices survives, and is printed: either a case is missing, or the change means the same (rounded figures, say).

    python -m tests.rules.mutation            everything, results cached by rule
    python -m tests.rules.mutation HighLatency PodRestarting
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sandbox.paths import cache_dir
from sandbox.toolchain import binary
from tests.rules import rendered
from tests.rules.cases import CaseFile, load_cases, promtool_file

Rule = dict[str, Any]

LEAST_NOTICED = 0.95
COMPARATORS = {">": ("<", ">="), "<": (">", "<="), ">=": ("<", ">"), "<=": (">", "<"), "==": ("!=",), "!=": ("==",)}
AGGREGATIONS = {"sum": ("max", "count"), "max": ("min",), "min": ("max",), "avg": ("max",), "count": ("sum",)}

NUMBER = r"(\d+(?:\.\d+)?)\b"
BEFORE_FACTOR = r"(?:^|[(,+*-]|\bor\b)"  # a number that is compared is a threshold already, whatever it multiplies

# Changes that change nothing: alerts, changes, the reason. They are listed, and no case could notice them.
EQUIVALENT = (
    (
        r"\w+(Errors|Failing|Full|Used)|DatabaseSlowQueries|Jaeger\w+Slow",
        r"comparator, line [25]: > -> >=",
        "a denominator is kept from being 0: without that the share is NaN, which is over no threshold",
    ),
    (
        r"WarningEscalated|KubernetesPodNotReady|namespace_pod:service:info",
        r"aggregation, line \d: max -> min",
        "what is aggregated is 1 wherever it is",
    ),
    (
        r"UnauthorizedAccessAttempts|SuspiciousActivity|service_slo:(bad_)?requests:rate5m",
        r"aggregation, line \d: sum -> max",
        "what it reads is summed already, so there is one of each",
    ),
    (
        r"UnauthorizedAccessAttempts|SuspiciousActivity",
        r"aggregation without team.*",
        "the alert sets this label itself",
    ),
    (
        r"DatabaseDeadlocks|PodRestarting|service_signal:baseline:week",
        r"threshold, line \d: \d -> [\d.]+",
        "whole numbers are compared: no one lies between",
    ),
    (
        r"service_slo:error:ratio_rate5m",
        r"(threshold|matcher job), line 3: .*",
        "the present scrape is among those of the last 30 s, which are asked too",
    ),
    (
        r"ContainerOOMKilled",
        r"aggregation, line 1: max -> min",
        "whether a container of the pod is found counts, and not with which value",
    ),
    (
        r"service_signal:deviation:week",
        r"comparator, line 4: > -> >=",
        "of two equal figures it takes the other",
    ),
    (
        r"\w+:loki_\w+:p\d+_rate5m",
        r"comparator, line \d: > -> >=",
        "nothing is answered in no time at all: what is left out is NaN, which is over nothing",
    ),
    (
        r"SpansMissing|OpenSearchWritesRejected",
        r"aggregation, line \d: sum -> max",
        "more than 0 in all is more than 0 in one",
    ),
)


@dataclass(frozen=True)
class Mutant:
    """One rule, changed in one place."""

    file: str
    group: str
    index: int
    """Of the rule in its group."""
    name: str
    change: str
    rule: Rule


def mutants(file: str, document: dict[str, Any]) -> Iterator[Mutant]:
    """Every single change of every rule of a file."""
    for group in document["groups"]:
        for index, rule in enumerate(group["rules"]):
            name = rule.get("alert") or rule["record"]
            for change, changed in _changes(rule):
                yield Mutant(file, group["name"], index, name, change, changed)


def _changes(rule: Rule) -> Iterator[tuple[str, Rule]]:
    expression = rule["expr"]
    code = _code(expression)
    for start, end, text, why in _replacements(code, expression):
        line = code.count("\n", 0, start) + 1
        before = expression[start:end].strip()
        yield (
            f"{why}, line {line}: {before} -> {text.strip() or 'nothing'}",
            {
                **rule,
                "expr": expression[:start] + text + expression[end:],
            },
        )
    if "for" in rule:
        number, unit = re.fullmatch(r"(\d+)(\w+)", rule["for"]).groups()  # type: ignore[union-attr]
        yield "for: doubled", {**rule, "for": f"{int(number) * 2}{unit}"}
        yield "for: none", {key: value for key, value in rule.items() if key != "for"}


def _code(expression: str) -> str:
    """The expression with strings and comments blanked out, so that nothing in them looks like code."""
    return re.sub(r'"(?:[^"\\]|\\.)*"|#[^\n]*', lambda match: " " * len(match[0]), expression)


def _replacements(code: str, expression: str) -> Iterator[tuple[int, int, str, str]]:
    """(start, end, new text, kind) of each change."""
    bare = re.sub(r"\{[^}]*\}", lambda match: " " * len(match[0]), code)
    for match in re.finditer(r"[<>]=?|[=!]=", bare):
        for other in COMPARATORS[match[0]]:
            yield match.start(), match.end(), other, "comparator"
    thresholds = list(re.finditer(rf"(?<=[<>=]) *{NUMBER}", bare))
    known = {match.start(1) for match in thresholds}
    factors = [
        match for match in re.finditer(rf"{BEFORE_FACTOR}\s*{NUMBER}(?= *\*)", bare) if match.start(1) not in known
    ]
    for kind, matches in (("threshold", thresholds), ("factor", factors)):
        for match in matches:
            value = float(match[1])
            for change in (1.3, 0.7):
                if value:
                    yield match.start(1), match.end(1), f"{value * change:g}", kind
    for match in re.finditer(r"\b(sum|max|min|avg|count)(?= *(?:by|\())", bare):
        for other in AGGREGATIONS[match[1]]:
            yield match.start(), match.end(), other, "aggregation"
    for match in re.finditer(r"\bby \(([^)]*)\)", bare):
        labels = [label.strip() for label in match[1].split(",")]
        for label in labels:
            kept = ", ".join(other for other in labels if other != label)
            yield match.start(1), match.end(1), kept, f"aggregation without {label}"
    for match in re.finditer(r"(\w+)\s*(=~|!~|!=|=)\s*(\"(?:[^\"\\]|\\.)*\")", expression):
        if code[match.start() : match.start() + 1].strip():
            other = {"=": "!=", "!=": "=", "=~": "!~", "!~": "=~"}[match[2]]
            yield match.start(2), match.end(2), other, f"matcher {match[1]}"


class Judge:
    """Runs the cases of a rule over a mutant."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rules = folder / "rendered"
        self.rules.mkdir()
        rendered.write(self.rules)
        self.documents = {path.name: yaml.safe_load(path.read_text()) for path in sorted(self.rules.glob("*.yaml"))}
        self.files = load_cases()
        self.promtool = binary("promtool")

    def noticed(self, mutant: Mutant) -> bool:
        """True when a case fails on it, or promtool cannot even load it.

        The verdict is remembered as long as neither the rules around it nor the cases that concern it change.
        """
        concerned = list(self._concerned(mutant))
        rules = {name: self.documents[name] for file in concerned for name in file.rules}
        cases = [[file.evaluation_interval, case.title, case.body] for file in concerned for case in file.cases]
        text = json.dumps([rules, mutant.group, mutant.index, mutant.rule, cases], sort_keys=True)
        path = cache_dir() / "mutation" / hashlib.sha256(text.encode()).hexdigest()
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(any(self._fails(mutant, file) for file in concerned)))
        return bool(json.loads(path.read_text()))

    def _concerned(self, mutant: Mutant) -> Iterator[CaseFile]:
        """The files of cases that load the mutant's rule file, with the cases that are about the mutant."""
        is_alert = "alert" in mutant.rule
        for file in self.files:
            cases = [
                case for case in file.cases if (case.subject == mutant.name if is_alert else case.kind == "record")
            ]
            if cases and mutant.file in file.rules:
                yield CaseFile(file.name, file.rules, file.evaluation_interval, cases)

    def _fails(self, mutant: Mutant, file: CaseFile) -> bool:
        with tempfile.TemporaryDirectory(dir=self.folder) as temporary:
            here = Path(temporary)
            for name in {"declared.yaml", *file.rules}:
                (here / name).write_text(json.dumps(_concise(name, self.documents[name], mutant)))
            (here / "test.yaml").write_text(json.dumps(promtool_file(file, here)))
            argv = [str(self.promtool), "test", "rules", str(here / "test.yaml")]
            return subprocess.run(argv, capture_output=True, check=False).returncode != 0


def _concise(file: str, document: dict[str, Any], mutant: Mutant) -> dict[str, Any]:
    """A rule file with the mutant in its place, and of all other rules those that record: alerts read nothing else."""
    groups = []
    for group in document["groups"]:
        here = (file, group["name"]) == (mutant.file, mutant.group)
        rules = [mutant.rule if here and index == mutant.index else rule for index, rule in enumerate(group["rules"])]
        kept = [rule for rule in rules if "record" in rule or rule.get("alert") == mutant.name]
        if kept:
            groups.append({**group, "rules": kept})
    return {"groups": groups}


def run(names: set[str]) -> tuple[int, list[Mutant]]:
    """How many mutants there were, and which survived."""
    with tempfile.TemporaryDirectory() as temporary:
        judge = Judge(Path(temporary))
        every = [
            mutant
            for file, document in judge.documents.items()
            if file != "declared.yaml"  # made from services.yaml, by code with tests of its own
            for mutant in mutants(file, document)
            if not names or mutant.name in names
        ]
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            verdicts = list(pool.map(judge.noticed, every))
    return len(every), [mutant for mutant, noticed in zip(every, verdicts, strict=True) if not noticed]


def reason(mutant: Mutant) -> str | None:
    """Why no case could notice this change, where that is so."""
    found = (
        why
        for name, change, why in EQUIVALENT
        if re.fullmatch(name, mutant.name) and re.fullmatch(change, mutant.change)
    )
    return next(found, None)


def report(names: set[str]) -> tuple[float, str]:
    """The share of changes noticed, of those that change something; and the survivors, line by line, with the sum."""
    total, survivors = run(names)
    excused = [mutant for mutant in survivors if reason(mutant)]
    lines = [
        f"{mutant.name}: {mutant.change}" + (f" ({reason(mutant)})" if reason(mutant) else "") for mutant in survivors
    ]
    noticed, able = total - len(survivors), total - len(excused)
    share = noticed / able
    lines.append(f"{noticed} of {total} changes noticed; {len(excused)} change nothing: {share:.1%} of the others")
    return share, "\n".join(lines)


def main() -> int:
    share, text = report(set(sys.argv[1:]))
    print(text)
    return 0 if share >= LEAST_NOTICED else 1


if __name__ == "__main__":
    sys.exit(main())
