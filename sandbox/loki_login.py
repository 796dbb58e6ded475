"""Who may ask Loki's gateway in the sandbox: one user, whose password is made once and kept outside the clone."""

import base64
import hashlib
import os
import secrets

from sandbox.paths import state_dir

USER = "sandbox"


def environment() -> dict[str, str]:
    """The login as logcli reads it, and as a shell hands it to curl."""
    return {"LOKI_USERNAME": USER, "LOKI_PASSWORD": _password()}


def htpasswd() -> str:
    """The user as nginx reads one, with a salted hash of the password."""
    salt = os.urandom(8)
    # One of the forms nginx knows; what it hides is random and long, so it needs no slow hash.
    digest = hashlib.sha1(_password().encode() + salt).digest()  # noqa: S324
    return f"{USER}:{{SSHA}}{base64.b64encode(digest + salt).decode()}\n"


def _password() -> str:
    path = state_dir() / "loki-password"
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
            handle.write(secrets.token_urlsafe(18))
    return path.read_text()
