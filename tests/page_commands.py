"""The commands in running text of the pages, by what a test does with them: each has its place, or a test fails."""

import re
from collections.abc import Iterable
from pathlib import Path

from tests.pages import PYTHON, blocks, inline_commands

KUBECTL = r"kubectl (-n \S+ |--raw )*"
MODULE = rf"{PYTHON} -m "
READS = re.compile(
    rf"{KUBECTL}(get|describe|logs|exec|rollout (history|restart)) \S|eval \S"
    r"|pulumi (stack output|config set) \S|pulumi stack --show"
    rf"|{MODULE}(components|rendering|sandbox (drill|status)$)"
)
CHANGES = re.compile(rf"{KUBECTL}(scale deployment|set resources|create job) ")
UNDOES = re.compile(rf"{KUBECTL}rollout undo ")
LOOKS_BACK = re.compile(rf"{KUBECTL}logs <pod> --previous$")
FORWARDS = re.compile(rf"{KUBECTL}port-forward ")
DUMPS = re.compile(rf"{KUBECTL}exec deployment/\S+ -- kill -QUIT 1$")
IN_CLUSTER = re.compile(r"curl http://(?P<service>[a-z-]+):(?P<port>\d+)/\S+$")
FAULTS = re.compile(r"(client\.)?(fault|traffic)\(")

ACCOUNT = "tests/simulated/test_account.py"
ELSEWHERE = {
    r"make up$": "README.md",
    r"make check$": ".github/workflows/test.yml",
    r"make test$": ".ci/run",
    rf"{MODULE}sandbox (up|deploy|down|destroy)$": "Makefile",
    rf"{MODULE}operations.restore$": "docs/operations.md",
    r"aws |make (docs|format|preview)|pulumi (destroy|import|login|preview|state delete|up) ": ACCOUNT,
    r"kubectl (config |.*(storageclass gp3|aws-load-balancer))": ACCOUNT,
    r"make (down|up NODE=simulated)$": "tests/e2e/test_9_down.py",
    r"dd ": "sandbox/drills/catalogue.py",
    rf"{PYTHON} install -r delivery/": ".github/workflows/deploy-gate.yml",
}
"""The file that holds the command: typed by it, or a block of it that is typed."""
NOT_TYPED = {
    r"make test-full$": "takes hours; docs/proof.md says what was seen of it, and when",
    rf"make (clean|lock)$|{MODULE}sandbox\.(toolchain --lock|pictures)": "rewrites machine or repository",
    r"eksctl ": "makes machines in AWS, and there is no account here",
    r"store .*(<repository>|<index>)": "typed by tests/native/test_opensearch_cluster.py: this store has no snapshots",
    r"sudo ": "whoever runs the tests is root",
}
"""What is only read (tests/native/test_pages.py), and what it would take."""

INLINE = sorted({text for page, text in inline_commands() if page.stem != "proof"})
NOT_HERE = tuple(re.compile(pattern) for pattern in (*ELSEWHERE, *NOT_TYPED))


def _place(text: str) -> re.Pattern[str] | None:
    """The first that fits: what is not typed here, or the narrowest of the ways in which it is."""
    places = (*NOT_HERE, LOOKS_BACK, DUMPS, READS, CHANGES, UNDOES, FORWARDS, IN_CLUSTER, FAULTS)
    return next((place for place in places if place.match(text)), None)


def inline(way: re.Pattern[str]) -> list[str]:
    """Those that tests/e2e/test_4_pages.py types in this way."""
    return [text for text in INLINE if _place(text) == way]


def without_a_place() -> list[str]:
    return [text for text in INLINE if _place(text) is None]


def further_faults() -> list[str]:
    """What the tour's last table says to type, row by row."""
    return [text for text in inline(FAULTS) if text.startswith("fault(")]


def as_python(text: str) -> str:
    """A line of the tour that calls the client, as it is typed."""
    return f".venv/bin/python -c 'from sandbox.platform import client; {text}'"


def searches(page: Path) -> list[tuple[str, str]]:
    """Each line of a page's blocks that asks for traces, and the definitions to be typed before it."""
    found = []
    for block in blocks("sh", page):
        lines = re.sub(r"([|\\])\n", r"\1 ", block.text).replace("\\ ", " ").splitlines()
        definitions = [line for line in lines if re.match(r"\w+(=|\(\) )", line)]
        found += [(line, "\n".join(definitions)) for line in lines if re.match(r"(curl|search) ", line)]
    return found


def fitting(pattern: str) -> list[str]:
    """The commands whose place is this one of ELSEWHERE or NOT_TYPED."""
    return inline(re.compile(pattern))


def said_to_be_in(path: str) -> list[str]:
    """The commands whose place is this file."""
    return [text for pattern, place in ELSEWHERE.items() if place == path for text in fitting(pattern)]


def stands_in(command: str, lines: Iterable[str]) -> bool:
    """Whether one of these lines types the command: its words in their order, with something for `<...>`.

    What stands between them (a further option, a quotation mark, `$(BIN)/` before a program) may differ.
    """
    words = [re.sub(r"<[^<>]+>", ".+", re.escape(word)) for word in _bare(command).split()]
    typed = re.compile(r"(?!\S).*(?<!\S)".join(words).replace(r"\.venv/bin/", "") + r"(?!\S)")
    return any(typed.search(_bare(line)) for line in lines)


def _bare(text: str) -> str:
    return re.sub(r"[()]", " ", re.sub(r"['\"]", "", text))
