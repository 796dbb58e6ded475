"""Passwords of the platform's PostgreSQL, made once per sandbox and kept outside the clone."""

import json
import os
import secrets

from sandbox.paths import state_dir

# What the exporter logs in as: the role, not the server's administrator.
MONITORING_USER = "observability"
_NAMES = ("postgres", MONITORING_USER)


def passwords() -> dict[str, str]:
    """Password by PostgreSQL role. Made on the first call and kept, readable to this user only, until `down`."""
    path = state_dir() / "platform-passwords.json"
    if not path.exists():
        made = {name: secrets.token_hex(16) for name in _NAMES}
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
            json.dump(made, handle)
    known: dict[str, str] = json.loads(path.read_text())
    return known


def forget() -> None:
    """Removes what `passwords` keeps; the next call makes new ones."""
    (state_dir() / "platform-passwords.json").unlink(missing_ok=True)


def postgres_password() -> str:
    """Of the role that the exporter uses."""
    return passwords()[MONITORING_USER]


def postgres_dsn() -> str:
    """Where and as whom the exporter connects, from inside the cluster."""
    return f"postgresql://{MONITORING_USER}:{postgres_password()}@postgresql.dharma:5432/postgres?sslmode=disable"
