"""The real index cleaner, told what the stack tells it, against a store that says how old its indices are."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler

import pytest

from rendering.jaeger import cleaner_days
from sandbox.toolchain import binary
from tests.http_server import serving

HOUR = timedelta(hours=1)


@contextmanager
def store(indices: dict[str, datetime]) -> Iterator[tuple[str, set[str]]]:
    """An HTTP server that lists `indices` (name -> creation); its URL, and the names it was told to delete."""
    deleted: set[str] = set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            listed = {
                name: {"aliases": {}, "settings": {"index.creation_date": str(int(created.timestamp() * 1000))}}
                for name, created in indices.items()
            }
            self._answer(listed)

        def do_DELETE(self) -> None:
            deleted.update(name for name in self.path.split("?")[0].strip("/").split(",") if name)
            self._answer({"acknowledged": True})

        def _answer(self, body: object) -> None:
            text = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None: ...

    with serving(Handler) as url:
        yield url, deleted


def daily_indices(prefix: str, kind: str) -> dict[str, datetime]:
    """An index for each of the last ten days, made at the day's first span, just after midnight."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=1, microsecond=0)
    days = (today - timedelta(days=age) for age in range(10))
    return {f"{prefix}-jaeger-{kind}-{day:%Y-%m-%d}": day for day in days}


def clean(url: str, prefix: str, retention_hours: int) -> None:
    arguments = [f"--index-prefix={prefix}", str(cleaner_days(retention_hours)), url]
    done = subprocess.run([binary("jaeger-es-index-cleaner"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("retention_hours", [24, 72, 168])
def test_nothing_younger_than_the_retention_goes_and_all_that_is_a_day_older_does(retention_hours: int) -> None:
    indices = daily_indices("prod", "span") | daily_indices("prod", "service")
    with store(indices) as (url, deleted):
        clean(url, "prod", retention_hours)
    now = datetime.now(UTC)
    for name, created in indices.items():
        first_span, last_span = created, created + timedelta(days=1)
        if name in deleted:
            assert now - last_span >= retention_hours * HOUR - timedelta(seconds=1), name
        else:
            assert now - first_span < (retention_hours + 24) * HOUR, name
    assert deleted


def test_another_environments_indices_and_other_peoples_are_left_alone() -> None:
    old = datetime.now(UTC) - timedelta(days=30)
    indices = {
        "prod-jaeger-span-2020-01-01": old,
        "staging-jaeger-span-2020-01-01": old,
        "prod-orders-2020-01-01": old,
        ".opensearch-settings": old,
    }
    with store(indices) as (url, deleted):
        clean(url, "prod", 72)
    assert deleted == {"prod-jaeger-span-2020-01-01"}
