"""How many of Loki's microservices there are, and that the page says the same."""

import re
from pathlib import Path

import pytest

from components.loki_microservices import KEEP
from rendering.loki_size import GB_PER_DAY_OF_MICROSERVICES, MICROSERVICES, Microservice, required_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "logs.md"


@pytest.mark.parametrize(
    ("name", "gb_per_day", "replicas"),
    [
        ("ingester", 1, 3),  # each line is kept by three
        ("ingester", 2000, 4),
        ("querier", 70, 2),
        ("querier", 700, 3),
        ("compactor", 3000, 1),
    ],
)
def test_replicas_follow_the_load_and_one_may_always_be_away(
    name: Microservice, gb_per_day: float, replicas: int
) -> None:
    assert required_of(name, gb_per_day) == replicas


@pytest.mark.parametrize("name", MICROSERVICES)
def test_the_page_says_what_each_asks_for(name: Microservice) -> None:
    size = MICROSERVICES[name]
    [row] = re.findall(rf"^\| {name} \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    least, most, asked, kept = (cell.strip() for cell in row.split("|"))

    assert (int(least), int(most)) == (size.least, required_of(name, GB_PER_DAY_OF_MICROSERVICES))
    assert asked == f"{size.cpu_millicores / 1000:g} CPU, {size.memory_mib / 1024:g} GiB"
    assert bool(kept) == (name in KEEP)
