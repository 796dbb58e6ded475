"""How the tests are shared out where they run in two processes, as `make test` has them."""

from pathlib import Path

import pytest

END_TO_END = Path(__file__).parent / "e2e"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """There is one sandbox: what runs on it stays in order, in one process. Each other file goes whole to either."""
    for item in items:
        group = "sandbox" if item.path.is_relative_to(END_TO_END) else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
