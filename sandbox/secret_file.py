"""A secret of the sandbox's own, kept outside the clone."""

import os
import secrets
from pathlib import Path


def made_once(path: Path, random_bytes: int) -> str:
    """What is in the file, readable to this user only; made by the first call, of so many random bytes."""
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
            handle.write(secrets.token_urlsafe(random_bytes))
    return path.read_text()
