"""What the local AWS was started as, remembered until `down`."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from sandbox import paths


class Record(BaseModel):
    """Where it listens, and what serves its domains."""

    model_config = ConfigDict(frozen=True, extra="ignore")  # an older clone may have written more

    host: str
    secure: bool  # the span store has TLS and users
    span_store: bool = True


def load() -> Record | None:
    """The record, None while the local AWS is down."""
    return Record.model_validate_json(_path().read_text()) if _path().exists() else None


def save(record: Record) -> None:
    _path().write_text(record.model_dump_json())


def remove() -> None:
    _path().unlink(missing_ok=True)


def _path() -> Path:
    return paths.state_dir() / "aws.json"
