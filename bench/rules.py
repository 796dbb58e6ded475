"""Rule evaluation on a real Prometheus, for nine services and for ten and a hundred times as many."""

import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import yaml

from rendering.declarations import Platform, load_platform
from rendering.rules import RulesArgs, load_rule_files, render_rules
from rendering.slo import render_declared
from sandbox.errors import SandboxError
from sandbox.paths import repo_root
from sandbox.toolchain import binary

INTERVAL_SECONDS = 15
_FACTORS = (1, 10, 100)
_SETTLE_INTERVALS = 9  # rates over five minutes have something to read, and every group has run several times
_ROUTES = ("/a", "/b")
_PER_SECOND = {"200": 1.0, "404": 0.01, "500": 0.0001}  # by status, on each route: well within every objective
_GROWTH_AT_MOST = 1.0  # of linear
_SHARE_OF_INTERVAL_AT_MOST = 0.25
_USUAL_MS = 100
"""As long as every request takes."""


def run() -> dict[str, Any]:
    """Seconds that all rule groups take in one interval, and what each service adds. Needs no sandbox."""
    results = {}
    for factor in _FACTORS:
        platform = _times(factor)
        results[str(len(platform.services))] = _measured(platform)
    return {"services": results, **judged(results)}


def judged(results: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """What the seconds, by number of services, come to, and whether that is what was aimed at."""
    fewest, most = min(results, key=int), max(results, key=int)
    small, large = (results[services]["evaluation_seconds"] for services in (fewest, most))
    growth, share = (large / small) / (int(most) / int(fewest)), large / INTERVAL_SECONDS
    return {
        "growth_over_linear": growth,
        "share_of_interval_at_most": share,
        "aim": {
            "growth_over_linear_at_most": _GROWTH_AT_MOST,
            "share_of_interval_at_most": _SHARE_OF_INTERVAL_AT_MOST,
            "met": growth <= _GROWTH_AT_MOST and share < _SHARE_OF_INTERVAL_AT_MOST,
        },
    }


def _times(factor: int) -> Platform:
    """The declared platform, each service as many times under names of its own."""
    platform = load_platform(repo_root() / "configs" / "services.yaml")
    copies = tuple(
        service.model_copy(update={"name": f"{service.name}-{number}"})
        for service in platform.services
        for number in range(factor)
    )
    return platform.model_copy(update={"services": copies})


def _measured(platform: Platform) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder, _exporter(platform) as target:
        _write(Path(folder), platform, target)
        with _prometheus(Path(folder)) as url:
            time.sleep(_SETTLE_INTERVALS * INTERVAL_SECONDS)
            # the groups that have their own interval count as often as they run in one of these
            seconds = _value(
                url,
                "sum(prometheus_rule_group_last_duration_seconds "
                f"* {INTERVAL_SECONDS} / on (rule_group) prometheus_rule_group_interval_seconds)",
            )
            return {
                "evaluation_seconds": seconds,
                "series_per_service": _value(url, "prometheus_tsdb_head_series") / len(platform.services),
                "samples_per_service": _value(url, "sum(scrape_samples_scraped)") / len(platform.services),
            }


def _write(folder: Path, platform: Platform, target: str) -> None:
    files = load_rule_files(repo_root() / "configs" / "prometheus" / "rules")
    args = RulesArgs(runbook_base_url="https://runbooks.example", grafana_url="https://grafana.example")
    for name, text in {**render_declared(platform, ("services",)), **render_rules(files, args)}.items():
        (folder / name).write_text(text)
    every = f"{INTERVAL_SECONDS}s"
    config = {
        "global": {"scrape_interval": every, "scrape_timeout": "10s", "evaluation_interval": every},
        "rule_files": [str(folder / "*.yaml")],
        "scrape_configs": [
            {"job_name": "services", "honor_labels": True, "static_configs": [{"targets": [target]}]},
            {"job_name": "prometheus", "static_configs": [{"targets": ["127.0.0.1:19090"]}]},
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))


@contextmanager
def _prometheus(folder: Path) -> Iterator[str]:
    argv = [
        str(binary("prometheus")),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--web.listen-address=127.0.0.1:19090",
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(argv, stdout=log, stderr=log) as process:
        try:
            yield "http://127.0.0.1:19090"
        finally:
            process.terminate()


@contextmanager
def _exporter(platform: Platform) -> Iterator[str]:
    """One target that speaks for all pods, with counters that go on."""
    began = time.time()

    class Metrics(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = "\n".join(_lines(platform, time.time() - began)).encode() + b"\n"
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Metrics) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def _lines(platform: Platform, seconds: float) -> Iterator[str]:
    for service in platform.services:
        whose = {"service": service.name, "team": service.team, "tier": service.tier, "namespace": service.namespace}
        who = ",".join(f'{label}="{value}"' for label, value in whose.items())
        yield f'up{{job="services",pod="{service.name}",{who}}} 1'  # or every service would be down
        for route in _ROUTES:
            where = f'{who},route="{route}",method="GET"'
            for status, rate in _PER_SECOND.items():
                yield f'http_requests_total{{{where},status="{status}"}} {seconds * rate:.3f}'
            for bound in (*platform.latency_buckets_ms, None):
                le = "+Inf" if bound is None else f"{bound / 1000:g}"
                counted = 0 if bound is not None and bound < _USUAL_MS else seconds
                yield f'http_request_duration_seconds_bucket{{{where},le="{le}"}} {counted:.0f}'
            yield f"http_request_duration_seconds_sum{{{where}}} {seconds * _USUAL_MS / 1000:.3f}"
            yield f"http_request_duration_seconds_count{{{where}}} {seconds:.0f}"


def _value(url: str, query: str) -> float:
    answer = httpx.get(f"{url}/api/v1/query", params={"query": query}, trust_env=False).raise_for_status().json()
    if not answer["data"]["result"]:
        raise SandboxError(f"Prometheus has no answer to: {query}")
    return float(answer["data"]["result"][0]["value"][1])
