"""Every alert fires when it should and stays quiet when it should, and every recording rule gives the value it should.

promtool evaluates the rendered rules over the cases in `cases/`, all in one run; each case is a test of its own here.
"""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from sandbox.toolchain import binary
from tests.rules import rendered
from tests.rules.cases import Case, load_cases, promtool_file

CASES = [case for file in load_cases() for case in file.cases]

# Always firing is what it is for.
NEVER_QUIET = {"Watchdog"}


@pytest.fixture(scope="session")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], str]:
    """What promtool found wrong, by file and title of the case; nothing, where it passes."""
    folder = tmp_path_factory.mktemp("rules")
    rules = folder / "rendered"
    rules.mkdir()
    rendered.write(rules)
    paths = []
    for file in load_cases():
        path = folder / f"{file.name}.yaml"
        path.write_text(yaml.safe_dump(promtool_file(file, rules), sort_keys=False, width=10**6), encoding="utf-8")
        paths.append(path)
    promtool = binary("promtool")
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        results = {key: text for found in pool.map(lambda path: _run(promtool, path), paths) for key, text in found}
    missing = {(case.file, case.title) for case in CASES} - set(results)
    assert not missing, f"promtool did not run {sorted(missing)[:3]}"
    return results


def _run(promtool: Path, path: Path) -> list[tuple[tuple[str, str], str]]:
    """What promtool says of each case of one file: nothing, where it passes."""
    report = path.with_suffix(".xml")
    run = subprocess.run(
        [promtool, "test", "rules", f"--junit={report}", path], capture_output=True, text=True, check=False
    )
    assert report.exists(), run.stderr
    cases = ElementTree.parse(report).getroot().iter("testcase")  # noqa: S314 - promtool's own output
    return [
        (
            (path.stem, case.attrib["name"]),
            "\n".join(part.text or part.attrib.get("message", "") for part in case.iter("failure")),
        )
        for case in cases
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_case(case: Case, failures: dict[tuple[str, str], str]) -> None:
    assert failures[(case.file, case.title)] == ""


def _rules() -> list[dict[str, Any]]:
    documents = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in rendered.NATIVE.glob("*.yaml")]
    return [rule for document in documents for group in document["groups"] for rule in group["rules"]]


def test_every_alert_has_a_case_where_it_fires_and_one_where_it_stays_quiet() -> None:
    alerts = {rule["alert"] for rule in _rules() if "alert" in rule}
    fires = {case.subject for case in CASES if case.kind == "fires"}
    quiet = {case.subject for case in CASES if case.kind == "quiet"}
    assert alerts - fires == set()
    assert alerts - quiet == NEVER_QUIET
    assert fires | quiet <= alerts, "a case for an alert that does not exist"


def test_every_rule_that_is_another_with_alloy_has_its_own_cases() -> None:
    rules = rendered.alloys_rules()
    alerts = {rule["alert"] for rule in rules if "alert" in rule}
    for kind in ("fires", "quiet"):
        assert {case.subject for case in CASES if case.file == "alloy" and case.kind == kind} == alerts
    values = {name for case in CASES if case.file == "alloy" and case.kind == "record" for name in case.body["values"]}
    assert {rule["record"] for rule in rules if "record" in rule} == values


def test_every_recording_rule_has_a_value_case() -> None:
    records = {rule["record"] for rule in _rules() if "record" in rule}
    records |= {"platform:service:info", "platform:job:expected", "service_slo:objective:ratio"}
    records |= {"service_slo:latency_objective:info", "service:slo_latency_objective:seconds"}
    expressions = " ".join(expression for case in CASES if case.kind == "record" for expression in case.body["values"])
    assert records - set(re.findall(r"[a-z0-9_]+:[a-z0-9_]+:[a-z0-9_]+", expressions)) == set()


def test_every_form_of_an_alert_has_a_case_where_it_fires() -> None:
    """Rules of one name differ in labels: the windows of a budget, say."""
    fires = [case for case in CASES if case.kind == "fires"]
    for name, forms in _by_name("alert").items():
        for form in forms:
            labels = _own(form, forms) - {("severity", form["labels"]["severity"])}
            assert labels or len(forms) == 1, f"nothing tells the rules of {name} apart"
            assert any(case.subject == name and labels <= set(case.body.get("labels", {}).items()) for case in fires), (
                f"{name} with {sorted(labels)} fires in no case"
            )


def test_every_form_of_a_record_has_a_value_case() -> None:
    """And one that is not empty."""
    values = [
        (expression, sample)
        for case in CASES
        if case.kind == "record"
        for expression, samples in case.body["values"].items()
        for sample in samples
    ]
    for name, forms in _by_name("record").items():
        for form in forms:
            own = [f'{label}="{value}"' for label, value in _own(form, forms)]
            assert any(
                re.search(rf"(?<![\w:]){name}(?![\w:])", expression) and all(text in sample for text in own)
                for expression, sample in values
            ), f"no value of {name} with {own}"


def _by_name(kind: str) -> dict[str, list[dict[str, Any]]]:
    """Rules by the name they share."""
    found: dict[str, list[dict[str, Any]]] = {}
    for rule in _rules():
        if kind in rule:
            found.setdefault(rule[kind], []).append(rule)
    return found


def _own(form: dict[str, Any], forms: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """The labels that not all rules of a name have."""
    each = [set(other.get("labels", {}).items()) for other in forms]
    return set(form.get("labels", {}).items()) - set.intersection(*each)


def test_titles_are_unique() -> None:
    titles = [(case.file, case.title) for case in CASES]
    assert len(titles) == len(set(titles))
