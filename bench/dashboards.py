"""Each dashboard's whole query load over an hour and over thirty days, on recorded series and without them."""

import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from bench import blocks, without_rules
from rendering.dashboards import all_dashboards
from rendering.dashboards.links import Uid
from rendering.declarations import load_platform
from sandbox.dashboard_queries import Asked, fill, panel_queries
from sandbox.paths import repo_root
from sandbox.toolchain import binary

DASHBOARDS = (Uid.OVERVIEW, Uid.SERVICE, Uid.SLOS)  # those that are about requests and read series of many pods
RANGES = {"1h": 3600, "30d": blocks.DAYS * blocks.DAY - 3600}
RUNS = {"1h": 10, "30d": 5}
POINTS = 500  # across a panel
GIVEN_UP_SECONDS = 120
PORT = 39490
VARIABLES = {"namespace": ".*", "service": "api-gateway", "pod": ".+", "route": ".+", "slo": ".+"}


def run() -> dict[str, Any]:
    """Needs the toolchain only: a Prometheus of its own, on blocks made here. Times in seconds."""
    platform = load_platform(repo_root() / "configs" / "services.yaml")
    defined = without_rules.definitions(repo_root() / "configs" / "prometheus" / "rules")
    loads = _loads(platform.services)
    names = {match["name"] for load in loads.values() for each in load for match in _names(each)}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        data = Path(folder) / "data"
        lines = [*blocks.raw(platform), *blocks.recorded(platform, sorted(names))]
        blocks.write(data, lines)
        with _prometheus(data) as client:
            return {"series": len(lines)} | {
                f"{uid}, {span}": _compared(client, loads[uid], defined, span) for uid in loads for span in RANGES
            }


def _names(asked: Asked) -> Iterator[Any]:
    return without_rules.RECORDED.finditer(asked.target["expr"])


def _loads(services: Sequence[Any]) -> dict[str, list[Asked]]:
    rendered = all_dashboards(services, runbook_base_url="https://example.org")
    texts = {uid: text for folder in rendered.values() for uid, text in folder.items()}
    return {
        uid: [
            each
            for each in panel_queries(json.loads(texts[uid]), {**VARIABLES, "service": _service(uid)})
            if each.target["datasource"]["uid"] == "prometheus" and "ALERTS" not in each.target["expr"]
        ]
        for uid in DASHBOARDS
    }


def _service(uid: str) -> str:
    return ".+" if uid == Uid.SLOS else VARIABLES["service"]


def _compared(client: httpx.Client, load: Sequence[Asked], defined: Mapping[str, str], span: str) -> dict[str, Any]:
    """Turn by turn, so that a busy minute of the machine hits both."""
    ours: list[list[float]] = []
    theirs: list[list[float]] = []
    for turn in range(RUNS[span]):
        ours.append([_seconds(client, each, each.target["expr"], RANGES[span]) for each in load])
        if turn == 0 or sum(sum(times) for times in theirs) < 2 * GIVEN_UP_SECONDS:
            theirs.append(
                [
                    _seconds(client, each, without_rules.inlined(each.target["expr"], defined), RANGES[span])
                    for each in load
                ]
            )
    found = {"queries": len(load), "recorded": _figures(ours), "raw": _figures(theirs)}
    return found | {"ratio_p95": found["raw"]["p95"] / found["recorded"]["p95"]}  # type: ignore[index]


def _figures(turns: Sequence[Sequence[float]]) -> dict[str, float]:
    totals = sorted(sum(times) for times in turns)
    return {
        "runs": len(totals),
        "p50": statistics.median(totals),
        "p95": totals[min(len(totals) - 1, round(len(totals) * 0.95))],
        "slowest_panel_p50": max(statistics.median(times) for times in zip(*turns, strict=True)),
        "given_up": sum(seconds >= GIVEN_UP_SECONDS for seconds in turns[0]),
    }


def _seconds(client: httpx.Client, asked: Asked, expression: str, span_seconds: int) -> float:
    """Of one query; one that Prometheus gives up, or refuses as too large, counts as the time limit."""
    step = max(span_seconds // POINTS, 15)
    macros = {
        "$__rate_interval": f"{max(4 * 60, step + 60)}s",
        "$__interval": f"{step}s",
        "$__range": f"{span_seconds}s",
    }
    for macro, value in macros.items():
        expression = expression.replace(macro, value)
    end = int(time.time()) // blocks.DAY * blocks.DAY - 600
    query: dict[str, Any] = {"query": fill(expression, {})}
    if asked.target.get("instant"):
        path, query["time"] = "/api/v1/query", end
    else:
        path = "/api/v1/query_range"
        query |= {"start": end - span_seconds, "end": end, "step": step}
    started = time.monotonic()
    answer = client.post(path, data=query)
    seconds = time.monotonic() - started
    if answer.status_code in (422, 503):  # too many samples, or out of time
        return float(GIVEN_UP_SECONDS)
    if answer.status_code != 200:
        raise RuntimeError(f"{answer.text[:300]}: {query['query']}")
    return seconds


@contextmanager
def _prometheus(data: Path) -> Iterator[httpx.Client]:
    config = data.parent / "prometheus.yml"
    config.write_text("global: {}\n")
    command = [
        str(binary("prometheus")),
        f"--config.file={config}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=100y",
        "--storage.tsdb.max-block-duration=2h",  # nothing is merged while it is measured
        f"--web.listen-address=127.0.0.1:{PORT}",
        f"--query.timeout={GIVEN_UP_SECONDS}s",
        "--log.level=error",
    ]
    with (
        subprocess.Popen(command) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{PORT}", trust_env=False, timeout=GIVEN_UP_SECONDS + 30) as client,
    ):
        try:
            _wait(client)
            yield client
        finally:
            process.terminate()


def _wait(client: httpx.Client) -> None:
    for _ in range(120):
        try:
            if client.get("/-/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise RuntimeError("Prometheus did not become ready within a minute")
