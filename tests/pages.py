"""The pages people read, taken apart: their fenced blocks and the commands in running text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[1]
RUNBOOKS = tuple(sorted((ROOT / "docs" / "runbooks").glob("*.md")))
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))

TYPED_BY = {
    "account": "tests/e2e/test_8_account.py",
    "gate": "tests/e2e/test_8_delivery.py",
    "ci": ".ci/run",
}
"""What may be said after a block's language, and who types that block; tests/e2e/test_4_pages.py types all others."""
MAY_BE_EMPTY = "empty"
"""Said after a query's language: on a healthy platform it finds nothing."""

COMMAND = re.compile(r"(aws|kubectl|make|pulumi|promtool|logcli|amtool|python -m) \S")
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


@cache
def tokens(page: Path) -> tuple[Token, ...]:
    return tuple(MarkdownIt("gfm-like", {"linkify": False}).parse(page.read_text(encoding="utf-8")))


def blocks(language: str, *pages: Path) -> list[Block]:
    """The fenced blocks of one language, in order; of all pages where none is named."""
    found = []
    for page in pages or PAGES:
        for token in tokens(page):
            words = token.info.split()
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
