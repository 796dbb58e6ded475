"""How long something takes from being written to being found, at a rate that nobody has to hurry for."""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from bench.figures import percentile
from sandbox.errors import SandboxError

_LOOK_EVERY_SECONDS = 0.1
_GIVE_UP_SECONDS = 30


def seconds_to_be_found(
    write: Callable[[int], Mapping[str, float]],
    found: Callable[[float], Collection[str]],
    per_second: int,
    seconds: float,
) -> dict[str, float]:
    """Writes `per_second` things for `seconds`; name -> seconds until it was found, to a tenth of a second.

    write: writes that many and says their names and when each was written. found: names of what can be found of
    everything since a moment. Raises SandboxError when something is not found half a minute after the last was written.
    """
    began, written, arrived = time.time(), dict[str, float](), dict[str, float]()
    wanted = int(seconds * per_second)
    while len(arrived) < wanted:
        looked = time.time()
        if looked > began + seconds + _GIVE_UP_SECONDS:
            raise SandboxError(f"{wanted - len(arrived)} of {wanted} were never found")
        due = min(int((looked - began) * per_second), wanted) - len(written)
        if due > 0:
            written |= write(due)
        missing = written.keys() - arrived.keys()
        if missing:
            seen = found(min(written[name] for name in missing))
            now = time.time()
            arrived |= {name: now - written[name] for name in missing.intersection(seen)}
        time.sleep(max(_LOOK_EVERY_SECONDS - (time.time() - looked), 0))
    return arrived


def summary(arrived: Mapping[str, float]) -> dict[str, Any]:
    """How many, the median and the 95th percentile of the seconds."""
    seconds = list(arrived.values())
    return {
        "count": len(seconds),
        "p50_seconds": round(percentile(seconds, 0.5), 2),
        "p95_seconds": round(percentile(seconds, 0.95), 2),
    }
