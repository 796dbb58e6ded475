"""Every query of every page, on the healthy stack: it is answered, and finds something where it should.

What the tour asks is asked in test_4_pages.py, after the fault it shows. A query marked `empty` finds nothing while all
is well.
"""

import re
from collections.abc import Callable

import pytest

from tests.page_queries import found_in_time, result_of
from tests.pages import MAY_BE_EMPTY, PAGES, RUNBOOKS, TOUR, Block, blocks
from tests.waiting import eventually

pytestmark = pytest.mark.real_node

# Windows of five minutes are recorded every half; a trace is searchable seconds after it ends.
DATA_SECONDS = 240

ASKED = tuple(page for page in PAGES if page != TOUR)
QUERIES = [*blocks("promql", *ASKED), *blocks("logql", *ASKED)]


@pytest.mark.parametrize("block", [each for each in QUERIES if each.page in RUNBOOKS], ids=str)
def test_a_runbooks_query_is_answered(block: Block, urls: dict[str, str], filled: Callable[[str], str]) -> None:
    """What an alert asks for is mostly not there when all is well; the query is right all the same."""
    result_of(block, urls, filled(block.text))


# CoreDNS and PostgreSQL write when they start and when something is wrong: a stack that is younger than they are may
# have no line of them; nor of a backup before the first night.
SAYS_LITTLE = re.compile(r"kube-dns|postgresql|grafana-backup")


@pytest.mark.parametrize("block", blocks("logql", *RUNBOOKS), ids=str)
def test_a_runbooks_query_selects_streams_that_loki_has(
    block: Block, urls: dict[str, str], filled: Callable[[str], str]
) -> None:
    """Whatever lines it then looks for are rightly none when all is well; without streams it would never find any."""
    selected = re.findall(r"{[^}]*}", filled(block.text))
    assert selected
    for selector in selected:
        if SAYS_LITTLE.search(selector):
            continue
        query = f"sum(count_over_time({selector}[1h]))"
        assert eventually(lambda asked=query: result_of(block, urls, asked), 30), selector  # type: ignore[misc]


@pytest.mark.parametrize("block", [each for each in QUERIES if each.page not in RUNBOOKS], ids=str)
def test_a_pages_query_finds_something(block: Block, urls: dict[str, str], filled: Callable[[str], str]) -> None:
    if MAY_BE_EMPTY in block.marks:
        result_of(block, urls, filled(block.text))
    else:
        assert found_in_time(block, urls, filled(block.text), DATA_SECONDS)
