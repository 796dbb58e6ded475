"""The commands in running text of the pages, by what a test does with them: each has its place, or a test fails."""

import re

from tests.pages import inline_commands

KUBECTL = r"kubectl (-n \S+ |--raw )*"
READS = re.compile(
    rf"{KUBECTL}(get|describe|logs|exec|rollout (history|restart)) \S|pulumi (stack output|config set) \S"
    r"|python -m (components|rendering|sandbox (drill|status)$)"
)
CHANGES = re.compile(rf"{KUBECTL}(scale deployment|set resources|create job) ")
UNDOES = re.compile(rf"{KUBECTL}rollout undo ")
LOOKS_BACK = re.compile(rf"{KUBECTL}logs <pod> --previous$")
FORWARDS = re.compile(rf"{KUBECTL}port-forward ")
ELSEWHERE = {
    r"make (check|test|up)$|python -m sandbox (up|deploy)$": "`make test` itself, and the first block of README.md",
    r"aws |make (format$|preview)|pulumi (destroy|login|preview|state delete|up) ": "tests/e2e/test_8_account.py",
    r"kubectl .*(storageclass gp3|aws-load-balancer)": "tests/e2e/test_8_account.py",
    r"make (down|up NODE=simulated)$|python -m sandbox (down|destroy)$": "tests/e2e/test_9_down.py",
    r"python -m operations.restore$": "the block below it",
}
NOT_TYPED = {
    r"make (clean|lock)$|python -m sandbox\.(toolchain --lock|pictures) ": "rewrites machine or repository",
}
"""What is only read (tests/native/test_pages.py), and what it would take."""

INLINE = sorted({text for page, text in inline_commands() if page.stem != "proof"})
NOT_HERE = tuple(re.compile(pattern) for pattern in (*ELSEWHERE, *NOT_TYPED))


def _place(text: str) -> re.Pattern[str] | None:
    """The first that fits: what is not typed here, or the narrowest of the ways in which it is."""
    places = (*NOT_HERE, LOOKS_BACK, READS, CHANGES, UNDOES, FORWARDS)
    return next((place for place in places if place.match(text)), None)


def inline(way: re.Pattern[str]) -> list[str]:
    """Those that tests/e2e/test_4_pages.py types in this way."""
    return [text for text in INLINE if _place(text) is way]


def without_a_place() -> list[str]:
    return [text for text in INLINE if _place(text) is None]
