"""Files that are there whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from os import getpid
from pathlib import Path


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A path to write to; it takes the target's place when the block ends well and is gone when not."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{getpid()}")
    try:
        yield draft
        draft.rename(target)
    finally:
        draft.unlink(missing_ok=True)
