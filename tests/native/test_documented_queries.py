"""Every LogQL query that the docs show is one that Loki accepts."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sandbox.paths import repo_root
from tests.native.loki_process import LokiClient, running_loki

BLOCK = re.compile(r"^(?P<indent> *)```logql\n(?P<query>.*?)^ *```", re.DOTALL | re.MULTILINE)
PAGES = (repo_root() / "README.md", *sorted((repo_root() / "docs").rglob("*.md")))


def documented() -> list[tuple[str, str]]:
    """(page, query) of each block marked `logql`; `<service>` and the like stand for any name."""
    found = []
    for page in PAGES:
        if page.is_file():
            for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
                query = re.sub(r"<[a-z-]+>", "some-name", block["query"]).strip()
                found.append((str(page.relative_to(repo_root())), query))
    return found


@pytest.fixture(scope="module")
def loki(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LokiClient]:
    with running_loki(tmp_path_factory.mktemp("loki")) as client:
        yield client


def test_the_docs_show_queries() -> None:
    assert len(documented()) >= 5


@pytest.mark.parametrize(("page", "query"), documented(), ids=lambda value: Path(value).stem[:30])
def test_loki_accepts_it(loki: LokiClient, page: str, query: str) -> None:
    end = time.time_ns()
    window: dict[str, str | int] = {"query": query, "start": end - 3600 * 10**9, "end": end}
    answer = httpx.get(f"{loki.url}/loki/api/v1/query_range", params=window, timeout=30)
    assert answer.status_code == 200, f"{page}: {answer.text}\n{query}"
