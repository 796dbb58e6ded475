"""A page per alert and an alert per page, each saying what to do. (Whether its queries parse: test_pages.py.)"""

import re
from pathlib import Path

import pytest
import yaml

from tests.pages import RUNBOOKS as PAGES
from tests.pages import blocks

REPOSITORY = Path(__file__).resolve().parents[2]
RULES = [REPOSITORY / "configs" / "prometheus" / "rules", REPOSITORY / "configs" / "loki" / "rules"]
HEADINGS = ["What users feel", "First three checks", "How to mend", "When to escalate"]


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
    assert sum(len(blocks(language, page)) for language in ("promql", "logql", "sh")) >= 3
