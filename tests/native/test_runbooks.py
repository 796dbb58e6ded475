"""A page per alert and an alert per page, and every query in a page parses."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from sandbox.toolchain import binary

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted((REPOSITORY / "docs" / "runbooks").glob("*.md"))
RULES = [REPOSITORY / "configs" / "prometheus" / "rules", REPOSITORY / "configs" / "loki" / "rules"]
HEADINGS = ["What users feel", "First three checks", "How to mend", "When to escalate"]


def queries(page: Path, language: str) -> list[str]:
    """The fenced queries of a page, indentation taken off."""
    fence = re.compile(rf"^ *```{language}\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
    return [re.sub(r"^ +", "", found, flags=re.MULTILINE).strip() for found in fence.findall(page.read_text("utf-8"))]


def alerts() -> set[str]:
    documents = [yaml.safe_load(path.read_text("utf-8")) for folder in RULES for path in folder.glob("*.yaml")]
    groups = [group for document in documents for group in document["groups"]]
    return {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}


def test_alerts_and_pages_match_one_to_one() -> None:
    assert {page.stem for page in PAGES} == alerts()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_what_to_do_and_has_three_checks(page: Path) -> None:
    text = page.read_text("utf-8")
    assert text.startswith(f"# {page.stem}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    assert len(re.findall(r"^\d\. ", text, re.MULTILINE)) >= 3
    assert sum(len(queries(page, language)) for language in ("promql", "logql", "sh")) >= 3


def test_every_promql_query_parses(tmp_path: Path) -> None:
    found = [(page.stem, query) for page in PAGES for query in queries(page, "promql")]
    assert len(found) > len(PAGES)
    rules = [{"record": f"page:query_{number}:value", "expr": query} for number, (_, query) in enumerate(found)]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "runbooks", "rules": rules}]}), encoding="utf-8")
    done = subprocess.run([binary("promtool"), "check", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_logql_query_parses() -> None:
    logcli = binary("logcli")
    for page in PAGES:
        for query in queries(page, "logql"):
            argv: list[str | Path] = [logcli, "--stdin", "--quiet", "query", query]
            done = subprocess.run(argv, input="{}\n", capture_output=True, text=True, check=False)
            # read from a file, logcli evaluates log queries only; it has parsed a metric query before it says so
            understood = done.returncode == 0 or "metrics Query: not supported" in done.stderr
            assert understood, f"{page.stem}: {query}: {done.stderr}"
