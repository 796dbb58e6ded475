"""Do the rule tests notice when a rule is wrong? Each rule is changed in one place at a time, and promtool must object.

Changed are comparators, thresholds, `for`, aggregations and their labels, and matchers. A change that no case notices
survives, and is printed: either a case is missing, or the change means the same (rounded figures, say).

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

COMPARATORS = {">": ("<", ">="), "<": (">", "<="), ">=": ("<", ">"), "<=": (">", "<"), "==": ("!=",), "!=": ("==",)}
AGGREGATIONS = {"sum": ("max", "count"), "max": ("min",), "min": ("max",), "avg": ("max",), "count": ("sum",)}


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
    for match in re.finditer(r"(?<=[<>=]) *(\d+(?:\.\d+)?)\b(?! *\* *[a-z(])", bare):
        value = float(match[1])
        for factor in (1.3, 0.7):
            if value:
                yield match.start(1), match.end(1), f"{value * factor:g}", "threshold"
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
        self.files = load_cases()
        self.promtool = binary("promtool")

    def documents(self) -> dict[str, dict[str, Any]]:
        """The rendered rule files, without what is generated from the declarations."""
        paths = sorted(self.rules.glob("*.yaml"))
        return {path.name: yaml.safe_load(path.read_text()) for path in paths if path.name != "declared.yaml"}

    def noticed(self, mutant: Mutant) -> bool:
        """True when a case fails on it, or promtool cannot even load it."""
        return any(self._fails(mutant, file) for file in self.files if mutant.file in file.rules)

    def _fails(self, mutant: Mutant, file: CaseFile) -> bool:
        is_alert = "alert" in mutant.rule
        concerned = [
            case for case in file.cases if (case.subject == mutant.name if is_alert else case.kind == "record")
        ]
        if not concerned:
            return False
        with tempfile.TemporaryDirectory(dir=self.folder) as temporary:
            here = Path(temporary)
            changed = yaml.safe_load((self.rules / mutant.file).read_text())
            group = next(one for one in changed["groups"] if one["name"] == mutant.group)
            group["rules"][mutant.index] = mutant.rule
            (here / mutant.file).write_text(yaml.safe_dump(changed))
            only = CaseFile(file.name, file.rules, file.evaluation_interval, concerned)
            test = promtool_file(only, self.rules)
            original = str(self.rules / mutant.file)
            test["rule_files"] = [str(here / mutant.file) if one == original else one for one in test["rule_files"]]
            (here / "test.yaml").write_text(yaml.safe_dump(test, width=10**6))
            argv = [str(self.promtool), "test", "rules", str(here / "test.yaml")]
            return subprocess.run(argv, capture_output=True, check=False).returncode != 0


def run(names: set[str]) -> tuple[int, list[Mutant]]:
    """How many mutants there were, and which survived."""
    with tempfile.TemporaryDirectory() as temporary:
        judge = Judge(Path(temporary))
        every = [
            mutant
            for file, document in judge.documents().items()
            for mutant in mutants(file, document)
            if not names or mutant.name in names
        ]
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            verdicts = list(pool.map(lambda mutant: _cached(judge, mutant), every))
    return len(every), [mutant for mutant, noticed in zip(every, verdicts, strict=True) if not noticed]


def _cached(judge: Judge, mutant: Mutant) -> bool:
    """The verdict, remembered as long as neither the file of the rule nor the cases change."""
    cases = sorted(path.read_text() for path in (Path(__file__).parent / "cases").glob("*.yaml"))
    native = (judge.rules / mutant.file).read_text()
    text = json.dumps([native, mutant.group, mutant.index, mutant.change, mutant.rule, cases], sort_keys=True)
    path = cache_dir() / "mutation" / hashlib.sha256(text.encode()).hexdigest()
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(judge.noticed(mutant)))
    return bool(json.loads(path.read_text()))


def main() -> int:
    total, survivors = run(set(sys.argv[1:]))
    for mutant in survivors:
        print(f"{mutant.name}: {mutant.change}")
    print(f"{total - len(survivors)} of {total} changes noticed ({1 - len(survivors) / total:.1%})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
