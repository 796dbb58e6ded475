"""Who may ask Loki's gateway in the sandbox: one user, whose password is made once and kept outside the clone."""

import base64
import hashlib

from sandbox import secret_file
from sandbox.paths import state_dir

USER = "sandbox"


def environment() -> dict[str, str]:
    """The login as logcli reads it, and as a shell hands it to curl."""
    return {"LOKI_USERNAME": USER, "LOKI_PASSWORD": _password()}


def htpasswd() -> str:
    """The user as nginx reads one, with a salted hash of the password: the same text each time."""
    password = _password().encode()
    # One of the forms nginx knows; what it hides is random and long, so it needs no slow hash and no salt of chance.
    salt = hashlib.sha256(password).digest()[:8]
    digest = hashlib.sha1(password + salt).digest()  # noqa: S324
    return f"{USER}:{{SSHA}}{base64.b64encode(digest + salt).decode()}\n"


def _password() -> str:
    return secret_file.made_once(state_dir() / "loki-password", 18)
