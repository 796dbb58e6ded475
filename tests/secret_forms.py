"""The ways in which a secret can be written down and still be read by whoever finds it."""

import base64
import json
from collections.abc import Mapping


def revealed(text: str, secrets: Mapping[str, str]) -> list[str]:
    """Names of those secrets (name -> value) that `text` holds: as they are, indented, escaped, or in base64."""
    return [name for name, value in secrets.items() if _is_in(text, value)]


def _is_in(text: str, value: str) -> bool:
    escaped = json.dumps(value)[1:-1]
    forms = {escaped, json.dumps(escaped)[1:-1], *_in_base64(value.encode())}
    # A block of YAML indents each line. Some lines of a certificate are any other's too; all of them are its own.
    return all(line in text for line in value.splitlines()) or any(form in text for form in forms)


def _in_base64(value: bytes) -> set[str]:
    """What base64 makes of it wherever it begins: also as the end of `user:password`, or in the middle of a file."""
    found = set()
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + value).decode()
        # The characters that hold bits of the value alone.
        found.add(encoded[-(-before * 8 // 6) : (before + len(value)) * 8 // 6])
    return found
