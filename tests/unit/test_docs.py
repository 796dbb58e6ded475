"""The pages people read: links lead somewhere, generated ones are current, commands and figures they name exist."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from markdown_it.token import Token

import sandbox.__main__
from components import cost_page
from components.settings import reference
from rendering import cost
from rendering import reference as rules_reference
from rendering.dashboards import boards, native_limits
from rendering.dashboards.gates import all_panels
from rendering.declarations import Service, load_services
from tests.pages import PAGES, ROOT, Block, blocks, tokens
from tests.stack_files import PROJECT, config_of, costs_of, settings_of

MAKE = re.compile(r"\bmake ([a-z][a-z-]*)\b")
SANDBOX = re.compile(r"python -m sandbox ([a-z]+)\b")
MODULE = re.compile(r"python -m ((?:components|delivery|rendering|sandbox)(?:\.[a-z_]+)*)\b")


PATH_OF_CLICKS = re.compile(r"\*([^*]+)\* > \*([^*]+)\*")
"""*dashboard* > *panel*"""


def inline(page: Path) -> Iterator[Token]:
    for token in tokens(page):
        yield from token.children or ()


TARGETS = {"link_open": "href", "image": "src"}


def links(page: Path) -> Iterator[str]:
    """Where its links lead and its pictures come from."""
    return (str(token.attrs[TARGETS[token.type]]) for token in inline(page) if token.type in TARGETS)


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


def test_pictures_are_among_what_is_checked() -> None:
    assert {"docs/pictures/overview.svg", "docs/tour.md"} <= set(links(ROOT / "README.md"))


def test_make_alone_lists_every_target() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    said = subprocess.run(
        ["make", "-s", "--no-print-directory"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout

    assert {"up", "test", "down"} <= targets
    assert set(re.findall(r"^ +make ([a-z-]+) +\S", said, re.MULTILINE)) == targets


def test_make_says_that_a_test_destroys_the_stack() -> None:
    said = subprocess.run(
        ["make", "-s", "--no-print-directory"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())

    assert "destroying the stack, ends with make down" in said
    assert "begins by destroying the stack" in readme


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
    not_met_by_people = {"alloy", "aws_cli", "busybox", "memcached", "nginx", "postgres", "python"}

    missing = {key: image["tag"] for key, image in images.items() if image["tag"] not in readme}

    assert missing.keys() <= not_met_by_people


def test_deviations_name_each_image_that_is_another_in_the_sandbox() -> None:
    images = yaml.safe_load((ROOT / "configs" / "versions.yaml").read_text())["images"]
    page = (ROOT / "docs" / "deviations.md").read_text(encoding="utf-8")
    both = [(image["tag"], image["sandbox_tag"]) for image in images.values() if "sandbox_tag" in image]
    short = [version.split("-")[0].removesuffix(".0") for pair in both for version in pair]

    assert len(both) >= 4
    assert [version for version in short if not re.search(rf"(?<![\d.]){re.escape(version)}\b", page)] == []


def test_cost_page_is_current() -> None:
    assert cost_page.PAGE.read_text(encoding="utf-8") == cost_page.current(), f"docs/cost.md: run {cost_page.REWRITE}"


def test_the_cost_of_a_stack_file_is_told_with_its_secrets_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = cost_page.figures_of("prod").estimate()
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    secret = f"  {PROJECT}:slack_api_url: {{ secure: djE6YWJj }}\n"
    text = (ROOT / "Pulumi.prod.yaml").read_text()
    # `pulumi config set --secret` writes the whole file anew, and flags as text.
    rewritten = text.replace("protect_data: true", 'protect_data: "true"')
    assert rewritten != text
    (tmp_path / "Pulumi.prod.yaml").write_text(rewritten + secret)
    monkeypatch.setattr(cost_page, "ROOT", tmp_path)

    assert cost_page.figures_of("prod").estimate() == without


def test_readme_says_what_hosted_services_would_cost() -> None:
    told = re.search(r"hosted services \(\$([\d,]+) to \$([\d,]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    prod = cost_page.figures_of("prod")
    month = [usd for usd, _ in cost.hosted(prod.demand, prod.prices).values()]

    assert told is not None
    cheapest, dearest = (int(figure.replace(",", "")) for figure in told.groups())
    assert min(month) - 50 < cheapest <= min(month)
    assert max(month) <= dearest < max(month) + 50


def test_readme_names_the_java_that_is_taken() -> None:
    taken = re.search(r"_OLDEST, _NEWEST = (\d+), (\d+)", (ROOT / "sandbox" / "aws" / "java.py").read_text())

    assert taken is not None
    assert f"a JDK of version {taken[1]} to {taken[2]}" in (ROOT / "README.md").read_text(encoding="utf-8")


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
    named |= {dashboard for page in PAGES for dashboard, _ in PATH_OF_CLICKS.findall(page.read_text())} - {"dashboard"}

    assert len(uids) >= 2
    assert uids <= set(titles.values())
    assert len(named) >= 8
    assert named <= titles.keys()


def test_panels_that_pages_lead_to_exist() -> None:
    all_boards = boards(services(), runbook_base_url="x", costs=costs_of("prod"))
    documents = [json.loads(board.render(native_limits())) for board in all_boards]
    panels = {(document["title"], panel["title"]) for document in documents for panel in all_panels(document)}
    led_to = {found for page in PAGES for found in PATH_OF_CLICKS.findall(page.read_text())}

    assert len(led_to) >= 10
    assert led_to - panels == {("dashboard", "panel")}


def test_each_step_of_the_tour_says_what_it_finds() -> None:
    steps = [*blocks("promql", ROOT / "docs" / "tour.md"), *blocks("logql", ROOT / "docs" / "tour.md")]

    assert len(steps) > 9
    assert [str(step) for step in steps if not step.expected] == []


@pytest.mark.parametrize(
    ("mark", "figures", "texts", "met"),
    [
        (">0.1", [0.2, 3], [], True),
        (">0.1", [0.2, 0.1], [], False),
        (">0.1", [], [], False),
        ("<43.2", [-5], [], True),
        ("==0", [0], [], True),
        ("==0", [1], [], False),
        ("has=ServiceDown,firing", [], ["ServiceDown pending", "HighLatency firing"], False),
        ("has=ServiceDown,firing", [], ["ServiceDown firing"], True),
    ],
)
def test_an_answer_is_held_against_what_its_page_says(
    mark: str, figures: list[float], texts: list[str], met: bool
) -> None:
    assert Block(ROOT / "README.md", 1, "promql", (mark,), "up").is_met_by(figures, texts) == met


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every single value in a document, by its dotted path; items of a list have their list's."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from leaves(each, f"{path}.{key}".removeprefix("."))
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each, path)
    else:
        yield path, str(value)


EXAMPLES = re.compile(r"example|111122223333|\b(vpc|subnet)-0|203\.0\.113|^dharma-production-observability")


def test_deployment_page_names_every_value_that_is_an_example() -> None:
    values = config_of("prod")
    examples = {path.removeprefix(f"{PROJECT}:") for path, value in leaves(values) if EXAMPLES.search(value)}
    page = ROOT / "docs" / "deployment.md"
    named = {text for token in inline(page) if token.type == "code_inline" for text in [token.content]}

    assert {"prometheus.runbook_base_url", "alertmanager.smtp_smarthost", "object_store.bucket"} <= examples
    assert examples - named == set()


def test_deployment_page_names_what_is_an_example_in_the_teams_file() -> None:
    teams = yaml.safe_load((ROOT / "configs" / "teams.yaml").read_text())
    examples = {path.split(".")[-1] for path, value in leaves(teams) if value.startswith("#") or "example" in value}
    page = " ".join((ROOT / "docs" / "deployment.md").read_text(encoding="utf-8").split())
    [told] = re.findall(r"In \[configs/teams\.yaml\].*?\. ", page)

    assert examples == {"catch_all", "email", "slack"}
    assert {name for name in examples if f"`{name}`" in told} == examples


def test_deployment_page_names_the_engine_that_is_tested() -> None:
    engine = re.search(r'"pulumi==([\d.]+)"', (ROOT / "pyproject.toml").read_text())

    assert engine is not None
    assert f"{engine[1]}, the version in `pyproject.toml`" in (ROOT / "docs" / "deployment.md").read_text("utf-8")


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
