"""The pages people read, taken apart: their fenced blocks and the commands in running text."""

import operator
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[1]
RUNBOOKS = tuple(sorted((ROOT / "docs" / "runbooks").glob("*.md")))
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
TOUR = ROOT / "docs" / "tour.md"

TYPED_BY = {
    "account": "tests/simulated/test_account.py",
    "gate": "tests/e2e/test_8_delivery.py",
    "ci": ".ci/run",
}
"""What may be said after a block's language, and who types that block; tests/e2e/test_4_pages.py types all others."""
MAY_BE_EMPTY = "empty"
"""Said after a query's language: on a healthy platform it finds nothing."""

EXPECTED = re.compile(r"(?P<compare>==|>|<)(?P<bound>[\d.]+)|has=(?P<words>.+)", re.DOTALL)
COMPARES = {"==": operator.eq, ">": operator.gt, "<": operator.lt}

PYTHON = r"(\.venv/bin/)?(python3?(\.11)?|pip)"
COMMAND = re.compile(
    rf"(aws|curl|dd|eksctl|eval|helm|kubectl|make|openssl|pulumi|promtool|logcli|amtool|store|sudo|{PYTHON}) \S"
    r"|(client\.)?(fault|clear_faults|traffic)\("
)
MENTION = re.compile(r"(kubectl|pulumi) [a-z-]+( [a-z]+)?$|.* \.\.\.")
"""What is spoken of, as in "after the next `pulumi up`": nothing to be typed as it stands."""


@dataclass(frozen=True)
class Block:
    page: Path
    line: int  # of the page, from 1
    language: str
    marks: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def is_run(self) -> bool:
        """Whether it can be typed on the running sandbox."""
        return not TYPED_BY.keys() & set(self.marks)

    @property
    def expected(self) -> tuple[str, ...]:
        """What it must answer: a bound for all its figures (`>0.1`), words in one of its results (`has=x,firing`)."""
        return tuple(mark for mark in self.marks if EXPECTED.fullmatch(mark))

    def is_met_by(self, figures: Sequence[float], texts: Sequence[str]) -> bool:
        """Whether an answer, by its figures and by one text per result, is what the page expects."""
        return all(_is_met(mark, figures, texts) for mark in self.expected)


def _is_met(mark: str, figures: Sequence[float], texts: Sequence[str]) -> bool:
    found = EXPECTED.fullmatch(mark)
    assert found is not None
    if found["words"]:
        return any(all(word in text for word in found["words"].split(",")) for text in texts)
    compare, bound = COMPARES[found["compare"]], float(found["bound"])
    return bool(figures) and all(compare(figure, bound) for figure in figures)


@cache
def tokens(page: Path) -> tuple[Token, ...]:
    return tuple(MarkdownIt("gfm-like", {"linkify": False}).parse(page.read_text(encoding="utf-8")))


def blocks(language: str, *pages: Path) -> list[Block]:
    """The fenced blocks of one language, in order; of all pages where none is named."""
    found = []
    for page in pages or PAGES:
        for token in tokens(page):
            words = shlex.split(token.info)
            if token.type == "fence" and words[:1] == [language]:
                line = token.map[0] + 1 if token.map else 0
                found.append(Block(page, line, language, tuple(words[1:]), token.content.strip()))
    return found


def inline_code(page: Path) -> Iterator[str]:
    for token in tokens(page):
        for child in token.children or ():
            if child.type == "code_inline":
                yield child.content


def inline_commands(*pages: Path) -> list[tuple[Path, str]]:
    """Commands as they stand in running text and tables."""
    return [
        (page, text)
        for page in pages or PAGES
        for text in inline_code(page)
        if COMMAND.match(text) and not MENTION.match(text)
    ]
