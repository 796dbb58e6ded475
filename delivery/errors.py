"""The one error the gate shows to people, and how it words what a tool answered."""

import httpx


class GateError(Exception):
    """What is wrong and what to write or mend, in one clear line; raised before anything has been changed."""


def worded(error: Exception) -> str:
    """A failed request in one line."""
    if isinstance(error, httpx.HTTPStatusError):
        answer = error.response
        return f"{answer.status_code} {answer.reason_phrase} {' '.join(answer.text.split())[:200]}".strip()
    return " ".join(str(error).split()) or type(error).__name__
