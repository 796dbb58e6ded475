"""Each dashboard's whole query load over an hour and over thirty days, on recorded series and without them."""

import json
import math
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from bench import blocks, synthetic, without_rules
from components.cost_page import figures_of
from rendering.dashboards import all_dashboards
from rendering.dashboards.links import Uid
from rendering.datasources import PROMETHEUS
from rendering.declarations import Service, load_platform
from sandbox.dashboard_queries import Asked, fill, panel_queries
from sandbox.paths import repo_root
from sandbox.toolchain import binary

RANGES = {"1h": 3600, "30d": blocks.DAYS * blocks.DAY - 3600}
RUNS = {"1h": 10, "30d": 5}
AIM_TIMES_FASTER = 20
AIM_PANEL_SECONDS = 1.0
POINTS = 500  # across a panel
GIVEN_UP_SECONDS = 120
PORT = 39490
ANY = ".+"
VARIABLES = {"namespace": ".*", "service": "api-gateway"}


def run() -> dict[str, Any]:
    """Needs the toolchain only: a Prometheus of its own, on blocks made here. Times in seconds.

    The aims are met where each panel takes less than a second over thirty days, and where a dashboard that reads
    recorded series is twenty times faster than on raw ones; both by the 95th percentile.
    """
    platform = load_platform(repo_root() / "configs" / "services.yaml")
    defined = without_rules.definitions(repo_root() / "configs" / "prometheus" / "rules")
    asked = loads(platform.services)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        with _prometheus(Path(folder) / "empty") as client:
            trees = [_parsed(client, text) for load in asked.values() for each in load for text in _both(each, defined)]
        data = Path(folder) / "data"
        lines = _lines(platform, asked.values(), trees)
        blocks.write(data, lines)
        with _prometheus(data) as client:
            measured = {
                f"{uid}, {span}": _compared(client, load, defined, span)
                for uid, load in asked.items()
                for span in RANGES
            }
            silent = {uid: empty for uid, load in asked.items() if (empty := _without_data(client, load))}
    return {
        "series": len(lines),
        **measured,
        "without_data": silent,
        "aims_missed": {
            name: missed
            for name, found in measured.items()
            if name.endswith("30d") and (missed := [aim for aim, met in found["aims"].items() if not met])
        },
    }


def loads(services: Sequence[Service]) -> dict[str, list[Asked]]:
    """What each dashboard asks of Prometheus, by uid; those that ask nothing of it are left out."""
    rendered = all_dashboards(services, runbook_base_url="https://example.org", costs=figures_of("prod"))
    found = {}
    for folder in rendered.values():
        for uid, text in folder.items():
            dashboard = json.loads(text)
            named = {each["name"]: ANY for each in dashboard["templating"].get("list", [])}
            # of one service at a time, but for where all are shown beside each other
            chosen = named | VARIABLES | ({"service": ANY} if uid == Uid.SLOS else {})
            asked = panel_queries(dashboard, chosen)
            found[uid] = [each for each in asked if each.target["datasource"]["uid"] == PROMETHEUS.uid]
    return {uid: load for uid, load in found.items() if load}


def reads_recorded(load: Iterable[Asked], defined: Mapping[str, str]) -> bool:
    """Whether recording rules spare it anything; what is said and not computed does not count."""
    names = {match["name"] for each in load for match in _names(each)}
    return any(name in defined and not without_rules.KEPT.fullmatch(name) for name in names)


def judged(panels: Mapping[str, Sequence[float]], raw_p95: float | None) -> dict[str, Any]:
    """Whether a dashboard meets the aims: seconds of each panel by turn, and those of all on raw series."""
    slowest = {name: _percentile(seconds, 0.95) for name, seconds in panels.items()}
    found: dict[str, Any] = {
        "panels_too_slow": {name: seconds for name, seconds in slowest.items() if seconds >= AIM_PANEL_SECONDS},
        "slowest_panel_p95": max(slowest.values()),
        "slowest_panel": max(slowest, key=lambda name: slowest[name]),
    }
    aims = {"each panel under a second": not found["panels_too_slow"]}
    if raw_p95 is not None:
        found["times_faster_p95"] = raw_p95 / _percentile(_totals(panels), 0.95)
        aims["twenty times faster than raw"] = found["times_faster_p95"] >= AIM_TIMES_FASTER
    return found | {"aims": aims}


def _percentile(values: Sequence[float], share: float) -> float:
    """The least that at least this share of them do not exceed: of few runs the slowest, nothing in between."""
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


def _totals(panels: Mapping[str, Sequence[float]]) -> list[float]:
    return [sum(turn) for turn in zip(*panels.values(), strict=True)]


def _lines(platform: Any, asked: Iterable[Sequence[Asked]], trees: Sequence[synthetic.Tree]) -> list[blocks.Line]:
    names = {match["name"] for load in asked for each in load for match in _names(each)}
    lines = [*blocks.raw(platform), *blocks.recorded(platform, sorted(names))]
    return lines + synthetic.lines(trees, known={line.series.split("{")[0] for line in lines})


def _names(asked: Asked) -> Iterator[Any]:
    return without_rules.RECORDED.finditer(asked.target["expr"])


def _compared(client: httpx.Client, load: Sequence[Asked], defined: Mapping[str, str], span: str) -> dict[str, Any]:
    """Turn by turn, so that a busy minute of the machine hits both."""
    recorded = reads_recorded(load, defined)
    ours: list[dict[str, float]] = []
    theirs: list[dict[str, float]] = []
    for turn in range(RUNS[span]):
        ours.append(_turn(client, load, {}, span))
        if recorded and (turn == 0 or sum(sum(times.values()) for times in theirs) < 2 * GIVEN_UP_SECONDS):
            theirs.append(_turn(client, load, defined, span))
    panels = {name: [times[name] for times in ours] for name in ours[0]}
    found = {"queries": len(load), "recorded" if recorded else "as_is": _figures(ours)}
    raw = {"raw": _figures(theirs)} if recorded else {}
    return found | raw | judged(panels, raw["raw"]["p95"] if raw else None)


def _turn(client: httpx.Client, load: Sequence[Asked], defined: Mapping[str, str], span: str) -> dict[str, float]:
    """Seconds of each panel, its queries one after the other; `defined` stands in for recorded series."""
    seconds: dict[str, float] = {}
    for each in load:
        expression = without_rules.inlined(each.target["expr"], defined) if defined else each.target["expr"]
        took, _ = _ask(client, each, expression, RANGES[span])
        seconds[each.panel] = seconds.get(each.panel, 0) + took
    return seconds


def _figures(turns: Sequence[Mapping[str, float]]) -> dict[str, float]:
    totals = [sum(times.values()) for times in turns]
    return {
        "runs": len(totals),
        "p50": _percentile(totals, 0.5),
        "p95": _percentile(totals, 0.95),
        "given_up": sum(seconds >= GIVEN_UP_SECONDS for seconds in turns[0].values()),
    }


def _without_data(client: httpx.Client, load: Sequence[Asked]) -> list[str]:
    """Queries that found nothing to read here: their time says nothing."""
    return [each.name for each in load if not _ask(client, each, each.target["expr"], RANGES["1h"])[1]]


def _both(asked: Asked, defined: Mapping[str, str]) -> tuple[str, str]:
    """With recorded series, and without."""
    return asked.target["expr"], without_rules.inlined(asked.target["expr"], defined)


def _parsed(client: httpx.Client, expression: str) -> synthetic.Tree:
    answer = client.post("/api/v1/parse_query", data={"query": _filled(expression, RANGES["1h"])[0]})
    tree: synthetic.Tree = answer.raise_for_status().json()["data"]
    return tree


def _filled(expression: str, span_seconds: int) -> tuple[str, int]:
    """The expression as Grafana sends it, and the seconds from point to point."""
    step = max(span_seconds // POINTS, 15)
    macros = {
        "$__rate_interval": f"{max(4 * 60, step + 60)}s",
        "$__interval": f"{step}s",
        "$__range": f"{span_seconds}s",
    }
    for macro, value in macros.items():
        expression = expression.replace(macro, value)
    return fill(expression, {}), step


def _ask(client: httpx.Client, asked: Asked, expression: str, span_seconds: int) -> tuple[float, bool]:
    """Seconds of one query, and whether it found anything.

    One that Prometheus gives up, or refuses as too large, counts as the time limit.
    """
    text, step = _filled(expression, span_seconds)
    end = int(time.time()) // blocks.DAY * blocks.DAY - 600
    query: dict[str, Any] = {"query": text}
    if asked.target.get("instant"):
        path, query["time"] = "/api/v1/query", end
    else:
        path = "/api/v1/query_range"
        query |= {"start": end - span_seconds, "end": end, "step": step}
    started = time.monotonic()
    answer = client.post(path, data=query)
    seconds = time.monotonic() - started
    if answer.status_code in (422, 503) and ("too many samples" in answer.text or "timed out" in answer.text):
        return float(GIVEN_UP_SECONDS), True
    if answer.status_code != 200:
        raise RuntimeError(f"{answer.text[:300]}: {text}")
    return seconds, bool(answer.json()["data"]["result"])


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
