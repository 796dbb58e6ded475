"""The pages people read: links lead somewhere, generated ones are current, commands and figures they name exist."""

import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from markdown_it.token import Token

import sandbox.__main__
from components import cost_page
from components.settings import reference
from rendering import reference as rules_reference
from rendering.dashboards import boards
from rendering.declarations import Service, load_services
from tests.pages import PAGES, ROOT, tokens
from tests.stack_files import costs_of, settings_of

MAKE = re.compile(r"\bmake ([a-z][a-z-]*)\b")
SANDBOX = re.compile(r"python -m sandbox ([a-z]+)\b")
MODULE = re.compile(r"python -m ((?:components|delivery|rendering|sandbox)(?:\.[a-z_]+)*)\b")


def inline(page: Path) -> Iterator[Token]:
    for token in tokens(page):
        yield from token.children or ()


def links(page: Path) -> Iterator[str]:
    return (str(token.attrs["href"]) for token in inline(page) if token.type == "link_open")


def code(page: Path) -> Iterator[str]:
    """What is set as code, in blocks and in running text."""
    yield from (token.content for token in tokens(page) if token.type in ("fence", "code_block"))
    yield from (token.content for token in inline(page) if token.type == "code_inline")


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub links to them."""
    found = tokens(page)
    titles = [after.content for token, after in pairwise(found) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def services() -> tuple[Service, ...]:
    return load_services(ROOT / "configs" / "services.yaml")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        parts = urlsplit(link)
        if parts.scheme:
            continue
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        if not target.exists() or (parts.fragment and parts.fragment not in anchors(target)):
            broken.append(link)
    assert not broken


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    named = {target for page in PAGES for text in code(page) for target in MAKE.findall(text)}

    assert {"up", "test"} <= named <= targets


def test_sandbox_commands_exist(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    named = {command for page in PAGES for text in code(page) for command in SANDBOX.findall(text)}
    monkeypatch.setattr(sys, "argv", ["python -m sandbox", "--help"])

    with pytest.raises(SystemExit):
        sandbox.__main__.main()
    known = set(re.findall(r"^ {4}([a-z]+)\b", capsys.readouterr().out, re.MULTILINE))

    assert {"up", "env"} <= named <= known


def test_modules_that_are_run_exist() -> None:
    named = {module for page in PAGES for text in code(page) for module in MODULE.findall(text)}

    missing = [
        module
        for module in named
        if not (ROOT / f"{module.replace('.', '/')}.py").exists()
        and not (ROOT / module.replace(".", "/") / "__main__.py").exists()
    ]

    assert named
    assert not missing


def test_rule_references_are_current() -> None:
    for path, text in rules_reference.pages(ROOT).items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, f"{path}: run {rules_reference.REWRITE}"


def test_configuration_reference_is_current() -> None:
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(reference.example()), (
        f"docs/configuration.md: run {reference.REWRITE}"
    )


def test_readme_names_the_versions_that_run() -> None:
    images = yaml.safe_load((ROOT / "configs" / "versions.yaml").read_text())["images"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    not_met_by_people = {"alloy", "aws_cli", "busybox", "jaeger_es_index_cleaner", "postgres", "python"}

    missing = {key: image["tag"] for key, image in images.items() if image["tag"] not in readme}

    assert missing.keys() <= not_met_by_people


def test_cost_page_is_current() -> None:
    assert cost_page.PAGE.read_text(encoding="utf-8") == cost_page.current(), f"docs/cost.md: run {cost_page.REWRITE}"


@pytest.mark.parametrize("page", ["README.md", "docs/deviations.md"])
def test_pages_say_what_production_costs(page: str) -> None:
    told = re.search(r"[Aa]bout \$(\d+)", (ROOT / page).read_text(encoding="utf-8"))

    assert told is not None
    assert int(told[1]) == pytest.approx(cost_page.figures_of("prod").estimate().total_usd, abs=5)


def test_dashboards_that_pages_name_exist() -> None:
    titles = {
        board.title: board.uid.value for board in boards(services(), runbook_base_url="x", costs=costs_of("prod"))
    }
    uids = {uid for page in PAGES for uid in re.findall(r"/d/([a-z-]+)", page.read_text())}
    named = {title for page in PAGES for title in re.findall(r"[Dd]ashboards? \*([^*]+)\*", page.read_text())}

    assert len(uids) >= 2
    assert uids <= set(titles.values())
    assert len(named) >= 8
    assert named <= titles.keys()


def test_deployment_page_says_how_the_environments_differ() -> None:
    page = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    chosen = [settings_of(stack) for stack in ("sandbox", "staging", "prod")]
    kept = [
        f"{one.prometheus.retention_days} days, {one.loki.retention_days} days, {one.jaeger.retention_hours} h"
        for one in chosen
    ]
    replicas = [f"{one.prometheus.replicas}, {one.alertmanager.replicas}" for one in chosen]
    month = [round(cost_page.figures_of(stack).estimate().total_usd) for stack in ("staging", "prod")]

    assert f"| metrics, logs, spans kept | {' | '.join(kept)} |" in page
    assert f"| replicas of Prometheus, Alertmanager | {' | '.join(replicas)} |" in page
    assert f"| about ${month[0]} | about ${month[1]} |" in page


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "adr"

    assert set(links(folder / "README.md")) == {path.name for path in folder.glob("*.md")} - {"README.md"}


def test_workflow_uses_the_engine_of_the_lock_file() -> None:
    engine = re.search(r'"pulumi==([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "pulumi.yml").read_text())
    steps = workflow["jobs"]["pulumi"]["steps"]

    assert engine is not None
    assert engine[1] in [step.get("with", {}).get("pulumi-version") for step in steps]


def test_actions_are_pinned_to_commits() -> None:
    used = [
        line.split("uses:")[1].strip()
        for path in (ROOT / ".github" / "workflows").glob("*.yml")
        for line in path.read_text().splitlines()
        if "uses:" in line
    ]

    assert used
    for action in used:
        assert re.fullmatch(r"\./\.github/workflows/[\w-]+\.yml|[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)


def test_pages_hold_no_path_of_the_machine_they_were_written_on() -> None:
    assert not [name(page) for page in PAGES if re.search(r"(?<!\w)/(work|root|home)/", page.read_text())]
