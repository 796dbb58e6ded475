"""Faults on the running sandbox, each with what must reach someone because of it.

A drill breaks something real (a deployment scaled away, a service that answers errors), waits until everyone who must
be told was told, mends what it broke, and waits until they have heard that it is over. What arrived is read from the
sinks.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from threading import Event

from sandbox.drills.catalogue import ALONE, DRILLS, Drill, get, names
from sandbox.drills.signs import Sign, standing
from sandbox.errors import SandboxError

__all__ = ["DRILLS", "OVER_SECONDS", "Drill", "Outcome", "get", "names", "play"]

OVER_SECONDS = 900
"""After the mending: five minutes until a rate has forgotten, Alertmanager's time between two messages of a group, and
slack for a machine that is busy starting what was stopped."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """When what was seen, in seconds: after the fault, and after its mending."""

    told: dict[Sign, float]
    over: dict[Sign, float]


def play(chosen: Sequence[Drill], say: Say) -> dict[str, Outcome | SandboxError]:
    """Plays drills, those of one wave at the same time; `say` is told what happens. Each fault is mended in any case.

    The next wave begins when the faults of the one before are mended; those that must be alone wait until all is over.
    The error of a drill says what was not seen.
    """
    pending: dict[str, Future[Outcome]] = {}
    with ThreadPoolExecutor(max_workers=len(chosen)) as pool:
        for wave, drills in groupby(sorted(chosen, key=lambda drill: drill.wave), lambda drill: drill.wave):
            if wave == ALONE:
                _settled(pending)
            mended = []
            for drill in drills:
                mended.append(Event())
                pending[drill.name] = pool.submit(_play, drill, mended[-1], say)
            for each in mended:
                each.wait()
    return _settled(pending)


def _settled(pending: dict[str, Future[Outcome]]) -> dict[str, Outcome | SandboxError]:
    outcomes: dict[str, Outcome | SandboxError] = {}
    for name, future in pending.items():
        try:
            outcomes[name] = future.result()
        except SandboxError as error:
            outcomes[name] = error
    return outcomes


def _play(drill: Drill, mended: Event, say: Say) -> Outcome:
    try:
        _refuse_standing(drill)
        say(f"{drill.name}: {drill.what}")
        began = time.time()
        try:
            drill.begin()
            told = _await(
                drill,
                lambda sign: sign.told(began),
                began,
                drill.seconds,
                lambda sign, seconds: say(f"{drill.name}: after {seconds:.0f} s {sign}"),
            )
        finally:
            drill.end()
    finally:
        mended.set()
    say(f"{drill.name}: mended")
    ended = time.time()
    over = _await(
        drill,
        lambda sign: sign.over(ended),
        ended,
        OVER_SECONDS,
        lambda sign, seconds: say(f"{drill.name}: {seconds:.0f} s later it is over for {sign}"),
    )
    return Outcome(told, over)


def _refuse_standing(drill: Drill) -> None:
    """A message that is about an earlier fault would prove nothing."""
    if drill.alert is not None and any(drill.subject in str(alert) for alert in standing(alertname=drill.alert)):
        raise SandboxError(f"drill {drill.name}: {drill.alert} stands already; wait until it is resolved")


def _await(
    drill: Drill, seen: Callable[[Sign], bool], since: float, seconds: int, say: Callable[[Sign, float], None]
) -> dict[Sign, float]:
    """Waits until all signs were seen; when each was, in seconds. Raises SandboxError naming those that were not."""
    when: dict[Sign, float] = {}
    while len(when) < len(drill.signs):
        for sign in drill.signs:
            if sign not in when and seen(sign):
                when[sign] = time.time() - since
                say(sign, when[sign])
        if time.time() > since + seconds and len(when) < len(drill.signs):
            never = ", ".join(str(sign) for sign in drill.signs if sign not in when)
            raise SandboxError(
                f"drill {drill.name}: within {seconds} s there was no {never}; look at Prometheus' alerts and "
                "Alertmanager's log"
            )
        time.sleep(1)
    return when
