"""Passwords of the platform's PostgreSQL, made once per sandbox and kept outside the clone."""

from sandbox.paths import state_dir
from sandbox.secret_file import made_once

# What the exporter logs in as: the role, not the server's administrator.
MONITORING_USER = "observability"
_NAMES = ("postgres", MONITORING_USER)


def passwords() -> dict[str, str]:
    """Password by PostgreSQL role. Made on the first call and kept until `down`."""
    return {name: made_once(state_dir() / f"platform-password-{name}", 16) for name in _NAMES}


def postgres_password() -> str:
    """Of the role that the exporter uses."""
    return passwords()[MONITORING_USER]
