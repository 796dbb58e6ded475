"""From a service scaled to zero to the page delivered, twenty times, and how the seconds are spent.

Several services at once: one by one, twenty would take the better part of an hour.
"""

import statistics
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import cycle, islice
from typing import Any

import httpx

from rendering.routes import SERVICE_DOWN_WAIT_SECONDS
from sandbox import stack
from sandbox.drills import OVER_SECONDS
from sandbox.drills.signs import Page
from sandbox.errors import SandboxError
from sandbox.platform import lifecycle
from sandbox.platform.cluster import declared, kubectl

_TIMES = 20
_AT_ONCE = 3
_GIVE_UP_SECONDS = 180
_MEDIAN_AT_MOST_SECONDS = 105
_PROMISED_SECONDS = 120


def run() -> dict[str, Any]:
    """Needs the stack deployed in a running sandbox; takes about a quarter of an hour."""
    url = stack.outputs()["urls"]["prometheus"]
    names = [service.name for service in declared().services]
    measured: list[dict[str, float]] = []
    began: dict[str, float] = {}
    for batch in batches(names, _TIMES, _AT_ONCE):
        _wait_over({name: began[name] for name in batch if name in began})
        began |= dict.fromkeys(batch, time.time())
        with ThreadPoolExecutor(max_workers=len(batch)) as pool:
            measured += pool.map(partial(_once, url), batch)
    return summary(measured)


def batches(names: Sequence[str], times: int, at_once: int) -> list[list[str]]:
    """Who is measured beside whom: the services take turns, so that each rests for as long as there are others."""
    turns = list(islice(cycle(names), times))
    return [turns[first : first + at_once] for first in range(0, times, at_once)]


def summary(measured: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """The pages, and the phases they consist of, from what `_once` saw each time."""
    pages = [one["page"] for one in measured]
    phases = {
        "scrape_and_evaluation": [one["pending"] for one in measured],
        "for": [one["firing"] - one["pending"] for one in measured],
        "group_wait": [float(SERVICE_DOWN_WAIT_SECONDS) for _ in measured],
        "delivery": [one["page"] - one["firing"] - SERVICE_DOWN_WAIT_SECONDS for one in measured],
    }
    return {
        "page_seconds": {**_figures(pages), "all": [round(page) for page in pages]},
        "aim": {
            "median_at_most": _MEDIAN_AT_MOST_SECONDS,
            "most_at_most": _PROMISED_SECONDS,
            "met": statistics.median(pages) <= _MEDIAN_AT_MOST_SECONDS and max(pages) <= _PROMISED_SECONDS,
        },
        "phase_seconds": {name: _figures(seconds) for name, seconds in phases.items()},
    }


def _figures(seconds: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(seconds), "most": max(seconds)}


def _wait_over(began: Mapping[str, float]) -> None:
    """Waits until the last page about each service is told to be over.

    Into a group of alerts that Alertmanager still has, the next alert would come with the group's next message only,
    up to five minutes later. It drops an empty group within half a minute, sooner than a new alert fires.
    """
    give_up = time.time() + OVER_SECONDS
    for service, since in began.items():
        while not Page("ServiceDown", service).over(since):
            if time.time() > give_up:
                raise SandboxError(f"{service}: not told to be over within {OVER_SECONDS} s of being back")
            time.sleep(1)


def _once(url: str, service: str) -> dict[str, float]:
    """Seconds after the command until the rule sees it, until the alert fires, and until the page is there."""
    sign, seen, began = Page("ServiceDown", service), dict[str, float](), time.time()
    kubectl("-n", "dharma", "scale", f"deployment/{service}", "--replicas=0")
    try:
        while "page" not in seen:
            if time.time() > began + _GIVE_UP_SECONDS:
                raise SandboxError(f"{service}: no page within {_GIVE_UP_SECONDS} s of being scaled to zero")
            state = _state(url, service)
            for step in ("pending", "firing") if state == "firing" else (state,):
                seen.setdefault(step, time.time() - began)
            if sign.told(began):
                seen["page"] = time.time() - began
            time.sleep(0.5)
    finally:
        kubectl("-n", "dharma", "scale", f"deployment/{service}", "--replicas=1")
        lifecycle.wait_ready([{"metadata": {"name": service, "namespace": "dharma"}}])
    return seen


def _state(url: str, service: str) -> str:
    """What Prometheus has the alert for."""
    answer = httpx.get(f"{url}/api/v1/alerts", timeout=15, trust_env=False).raise_for_status().json()
    states = {
        alert["state"]
        for alert in answer["data"]["alerts"]
        if alert["labels"]["alertname"] == "ServiceDown" and alert["labels"].get("service") == service
    }
    return "firing" if "firing" in states else "pending" if "pending" in states else "quiet"
