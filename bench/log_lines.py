"""Log lines as the platform's services write them, in files as containerd keeps them."""

import json
import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rendering.declarations import Service

ROUTES = ("items", "items/:id", "search", "orders", "orders/:id", "export", "me")
FAILED_EVERY = 200
SLOW_EVERY = 37


def line(service: str, number: int, stamp_ns: int) -> str:
    """One answered request as JSON: level, ids and a duration differ from line to line."""
    failed, slow = number % FAILED_EVERY == 0, number % SLOW_EVERY == 0
    fields = {
        "timestamp": _stamp(stamp_ns),
        "level": "error" if failed else "warn" if slow else "info",
        "message": "request failed" if failed else "request answered",
        "service": service,
        "method": "POST" if number % 5 == 0 else "GET",
        "route": f"/api/v1/{ROUTES[number % len(ROUTES)]}",
        "status": 500 if failed else 200,
        "duration_ms": round((secrets.randbelow(80_000) + (400_000 if slow else 2_000)) / 1000, 3),
        "trace_id": secrets.token_hex(16),
        "span_id": secrets.token_hex(8),
        "number": f"{service}-{number}",
    }
    return json.dumps(fields, separators=(",", ":"))


def plain(service: str, number: int) -> str:
    """A line that is no JSON: a collector has to wait whether the next one belongs to it."""
    return f"INFO request answered number={service}-{number} trace_id={secrets.token_hex(16)}"


def as_containerd(text: str, stamp_ns: int) -> str:
    """A line of a container's log file."""
    return f"{_stamp(stamp_ns)} stdout F {text}\n"


def write_files(folder: Path, services: Sequence[Service], each: int, newest_seconds: float, minutes: float) -> int:
    """So many lines in a file of each service, spread evenly over so many minutes, the last `newest_seconds` ago.

    Returns how many bytes of lines there are, without what containerd puts before each.
    """
    written = 0
    step_ns = int(minutes * 60e9 / each)
    oldest_ns = time.time_ns() - int(newest_seconds * 1e9) - each * step_ns
    for service in services:
        with (folder / f"{service.name}.log").open("w") as file:
            for number in range(each):
                stamp_ns = oldest_ns + number * step_ns
                text = line(service.name, number, stamp_ns)
                written += len(text)
                file.write(as_containerd(text, stamp_ns))
    return written


def _stamp(stamp_ns: int) -> str:
    whole = datetime.fromtimestamp(stamp_ns // 1_000_000_000, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{stamp_ns % 1_000_000_000:09d}Z"
