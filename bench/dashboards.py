"""Each dashboard's whole query load over an hour and over thirty days, on recorded series and without them.

Beside seconds by the clock, which swing with what else the machine does, stand the processor seconds of Prometheus.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from bench import blocks, synthetic, without_rules
from bench.figures import percentile
from bench.running import processor_seconds, running
from components.cost_page import figures_of
from rendering.dashboards import all_dashboards
from rendering.dashboards.links import Uid
from rendering.datasources import PROMETHEUS
from rendering.declarations import Platform, Service, load_platform
from sandbox.dashboard_queries import Asked, fill, panel_queries
from sandbox.paths import repo_root
from sandbox.toolchain import binary

RANGES = {"1h": 3600, "30d": blocks.DAYS * blocks.DAY - 3600}
RUNS = 10
RAW_RUNS = 1  # of minutes, and what one costs the processor hardly changes
AIM_TIMES_FASTER = 20
AIM_PANEL_SECONDS = 1.0
POINTS = 500  # across a panel
GIVEN_UP_SECONDS = 20  # so that such a query on raw series took at least that
PORT = 39490
ANY = ".+"
VARIABLES = {"namespace": ".*", "service": "api-gateway"}
RULES = repo_root() / "configs" / "prometheus" / "rules"


@dataclass(frozen=True)
class Spent:
    """Seconds of a panel's queries, one after the other: by the clock, and of Prometheus' processors."""

    clock: float = 0.0
    processor: float = 0.0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.clock + other.clock, self.processor + other.processor)


@dataclass(frozen=True)
class Prometheus:
    client: httpx.Client
    process: psutil.Process


def run() -> dict[str, Any]:
    """Needs the toolchain only: a Prometheus of its own, on blocks made here. Times in seconds.

    The aims are met where each panel takes less than a second over thirty days, and where a dashboard that reads
    recorded series is twenty times faster than on raw ones, unless it takes less than a second on those too; both by
    the 95th percentile.
    """
    platform = load_platform(repo_root() / "configs" / "services.yaml")
    defined = without_rules.definitions(RULES)
    asked = loads(platform.services)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        with _prometheus(Path(folder) / "empty") as empty:
            trees = [
                _parsed(empty.client, text) for load in asked.values() for each in load for text in _both(each, defined)
            ]
        data = Path(folder) / "data"
        lines = _lines(platform, trees)
        blocks.write(data, lines)
        _say(f"{len(lines)} series written")
        with _prometheus(data) as asked_of:
            silent = {uid: names for uid, load in asked.items() if (names := _without_data(asked_of, load))}
            measured = {
                f"{uid}, {span}": _compared(asked_of, load, defined, span)
                for uid, load in asked.items()
                for span in RANGES
            }
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
    slowest = {name: percentile(seconds, 0.95) for name, seconds in panels.items()}
    found: dict[str, Any] = {
        "panels_too_slow": {name: seconds for name, seconds in slowest.items() if seconds >= AIM_PANEL_SECONDS},
        "slowest_panel_p95": max(slowest.values()),
        "slowest_panel": max(slowest, key=lambda name: slowest[name]),
    }
    aims = {"each panel under a second": not found["panels_too_slow"]}
    if raw_p95 is not None:
        found["times_faster_p95"] = raw_p95 / percentile(_totals(panels), 0.95)
        if raw_p95 >= AIM_PANEL_SECONDS:
            aims["twenty times faster than raw"] = found["times_faster_p95"] >= AIM_TIMES_FASTER
    return found | {"aims": aims}


def _totals(panels: Mapping[str, Sequence[float]]) -> list[float]:
    return [sum(turn) for turn in zip(*panels.values(), strict=True)]


def _lines(platform: Platform, trees: Sequence[synthetic.Tree]) -> list[blocks.Line]:
    """Only what is read: by the queries, or by what they stand for."""
    read = synthetic.names(trees)
    recorded = sorted(name for name in read if ":" in name)
    made = [*blocks.raw(platform), *blocks.recorded(platform, recorded, without_rules.steps(RULES))]
    lines = [line for line in made if line.series.split("{")[0] in read]
    return lines + synthetic.lines(trees, known={line.series.split("{")[0] for line in lines})


def _names(asked: Asked) -> Iterator[Any]:
    return without_rules.RECORDED.finditer(asked.target["expr"])


def _compared(prometheus: Prometheus, load: Sequence[Asked], defined: Mapping[str, str], span: str) -> dict[str, Any]:
    """Turn by turn, so that a busy minute of the machine hits both."""
    recorded = reads_recorded(load, defined)
    ours: list[dict[str, Spent]] = []
    theirs: list[dict[str, Spent]] = []
    for turn in range(RUNS):
        ours.append(_turn(prometheus, load, {}, span))
        if recorded and turn < RAW_RUNS:
            theirs.append(_turn(prometheus, load, defined, span))
    panels = {name: [spent[name].clock for spent in ours] for name in ours[0]}
    found: dict[str, Any] = {"queries": len(load), "recorded" if recorded else "as_is": _figures(ours)}
    raw_p95 = None
    if recorded:
        found["raw"] = _figures(theirs)
        raw_p95 = found["raw"]["p95"]
        found["times_less_processor"] = found["raw"]["processor"] / found["recorded"]["processor"]
    found |= judged(panels, raw_p95)
    found["slowest_panel_processor"] = max(percentile([turn[name].processor for turn in ours], 0.5) for name in panels)
    _say(f"{load[0].dashboard}, {span}: {json.dumps(found)}")
    return found


def _turn(prometheus: Prometheus, load: Sequence[Asked], defined: Mapping[str, str], span: str) -> dict[str, Spent]:
    """Of each panel, its queries one after the other; `defined` stands in for recorded series."""
    spent: dict[str, Spent] = {}
    for each in load:
        expression = without_rules.inlined(each.target["expr"], defined) if defined else each.target["expr"]
        used, _ = _ask(prometheus, each, expression, RANGES[span])
        spent[each.panel] = spent.get(each.panel, Spent()) + used
    return spent


def _figures(turns: Sequence[Mapping[str, Spent]]) -> dict[str, float]:
    """Of whole turns; `processor` is their median."""
    totals = [sum(turn.values(), Spent()) for turn in turns]
    clock = [total.clock for total in totals]
    return {
        "runs": len(totals),
        "p50": percentile(clock, 0.5),
        "p95": percentile(clock, 0.95),
        "processor": percentile([total.processor for total in totals], 0.5),
        "panels_given_up": sum(spent.clock >= GIVEN_UP_SECONDS for spent in turns[0].values()),
    }


def _without_data(prometheus: Prometheus, load: Sequence[Asked]) -> list[str]:
    """Queries that found nothing to read here: their time says nothing."""
    return [each.name for each in load if not _ask(prometheus, each, each.target["expr"], RANGES["1h"])[1]]


def _say(text: str) -> None:
    """How far it is: a run takes long enough to be cut short."""
    print(text, file=sys.stderr, flush=True)


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


def _ask(prometheus: Prometheus, asked: Asked, expression: str, span_seconds: int) -> tuple[Spent, bool]:
    """What one query took, and whether it found anything.

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
    began, used = time.monotonic(), processor_seconds(prometheus.process)
    answer = prometheus.client.post(path, data=query)
    spent = Spent(time.monotonic() - began, processor_seconds(prometheus.process) - used)
    if answer.status_code in (422, 503) and ("too many samples" in answer.text or "timed out" in answer.text):
        return Spent(float(GIVEN_UP_SECONDS), spent.processor), True
    if answer.status_code != 200:
        raise RuntimeError(f"{answer.text[:300]}: {text}")
    return spent, bool(answer.json()["data"]["result"])


@contextmanager
def _prometheus(data: Path) -> Iterator[Prometheus]:
    config = data.parent / "prometheus.yml"
    config.write_text("global: {}\n")
    url = f"http://127.0.0.1:{PORT}"
    command: list[str | Path] = [
        binary("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=100y",
        "--storage.tsdb.max-block-duration=2h",  # nothing is merged while it is measured
        f"--web.listen-address=127.0.0.1:{PORT}",
        f"--query.timeout={GIVEN_UP_SECONDS}s",
        "--log.level=error",
    ]
    with (
        running(command, data.parent / "prometheus.log", f"{url}/-/ready") as process,
        httpx.Client(base_url=url, trust_env=False, timeout=GIVEN_UP_SECONDS + 30) as client,
    ):
        yield Prometheus(client, process)
