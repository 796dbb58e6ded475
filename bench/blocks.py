"""Thirty days of a platform that never was, as Prometheus blocks: raw series as pods expose them, and recorded ones."""

import json
import math
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rendering.declarations import Platform, Service
from sandbox.paths import repo_root
from sandbox.toolchain import local_program

DAYS = 30
PODS_PER_SERVICE = 3
STEP_SECONDS = 15  # as production scrapes, and evaluates rules whose group says nothing else
ROUTES = tuple(f"/api/v1/{name}" for name in ("items", "items/:id", "search", "status", "export", "me"))
STATUSES = {"200": 0.985, "404": 0.01, "500": 0.005}
DAY = 86400
BUCKETS = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf")  # of most tools
# Of the levels that have nothing to do with services: what tells their series apart.
OF_LOGS = {
    "route": [f'route="loki_api_v1_{name}"' for name in ("push", "query_range", "series", "labels")],
    "operation": [f'operation="S3.{name}"' for name in ("PutObject", "GetObject", "DeleteObject", "List")],
    "type": [f'type="{name}"' for name in ("range", "instant", "labels", "series")],
    "node_le": [f'node="node-{node}",le="{le}"' for node in range(3) for le in BUCKETS],
}


@dataclass(frozen=True)
class Line:
    """One series: its name with labels as the text format has it, and how fast it grows, or what it is."""

    series: str
    per_second: float = 0.0
    """Of a counter; with it, the others mean nothing."""
    value: float = 0.0
    wave: float = 0.0
    """How far the value goes up and down."""
    step_seconds: int = STEP_SECONDS


def raw(platform: Platform) -> list[Line]:
    """What 9 services x 3 pods expose, as far as the dashboards read it."""
    return [line for service in platform.services for pod in _pods(service) for line in _of_pod(platform, service, pod)]


def _pods(service: Service) -> list[str]:
    return [f"{service.name}-{number}" for number in range(PODS_PER_SERVICE)]


def _of_pod(platform: Platform, service: Service, pod: str) -> Iterator[Line]:
    who = f'namespace="{service.namespace}",pod="{pod}"'
    own = f'job="services",service="{service.name}",team="{service.team}",tier="{service.tier.value}",{who}'
    yield Line(f"up{{{own}}}", value=1)
    for name, per_second in (
        ("cpu_usage_seconds", 0.2),
        ("network_receive_bytes", 2e4),
        ("network_transmit_bytes", 4e4),
    ):
        yield Line(f'container_{name}_total{{container="{service.name}",{who}}}', per_second)
    yield Line(f'container_memory_working_set_bytes{{container="{service.name}",{who}}}', value=2e8)
    yield Line(f'kube_pod_container_status_restarts_total{{container="{service.name}",{who}}}', per_second=1e-7)
    for resource, limit in (("cpu", 1), ("memory", 5e8)):
        labels = f'container="{service.name}",resource="{resource}",{who}'
        yield Line(f"kube_pod_container_resource_limits{{{labels}}}", value=limit)
    for route in ROUTES:
        asked = f'{own},method="GET",route="{route}"'
        for status, share in STATUSES.items():
            yield Line(f'http_requests_total{{{asked},status="{status}"}}', per_second=5 * share)
        for bound in (*platform.latency_buckets_ms, math.inf):
            share = 1 - math.exp(-bound / 120)
            yield Line(f'http_request_duration_seconds_bucket{{{asked},le="{_le(bound)}"}}', per_second=5 * share)


def recorded(platform: Platform, names: Iterable[str], steps: Mapping[str, int]) -> list[Line]:
    """Series of the rules `names`, with the labels that the first part of each name promises.

    steps: seconds from sample to sample, where the rule's group has its own interval.
    """
    bounds = [_le(bound) for bound in (*platform.latency_buckets_ms, math.inf)]
    return [
        replace(line, step_seconds=steps.get(name, STEP_SECONDS))
        for name in names
        for line in _of_level(platform.services, name, bounds)
    ]


def _le(bound_ms: float) -> str:
    return "+Inf" if math.isinf(bound_ms) else repr(bound_ms / 1000)


def _of_level(services: Iterable[Service], name: str, bounds: Sequence[str]) -> Iterator[Line]:
    level = name.split(":", maxsplit=1)[0]
    if level in OF_LOGS:
        yield from (Line(f"{name}{{{labels}}}", value=0.2, wave=0.02) for labels in OF_LOGS[level])
    elif level == "team":
        teams = sorted({service.team for service in services})
        yield from (Line(f'{name}{{team="{team}"}}', value=0.5) for team in teams)
    else:
        yield from (line for service in services for line in _of_rule(name, service, bounds))


def _of_rule(name: str, service: Service, bounds: Sequence[str]) -> Iterator[Line]:
    level = name.split(":", maxsplit=1)[0]
    own = f'service="{service.name}",team="{service.team}",tier="{service.tier.value}",namespace="{service.namespace}"'
    if level == "platform" and name != "platform:service:info":
        if service.name == "api-gateway":
            yield Line(name, value=0.5)
        return
    if level == "node":
        yield Line(f'{name}{{node="of-{service.name}"}}', value=0.5)
        return
    further: Sequence[str] = {
        "service_route": [f',route="{route}",method="GET"' for route in ROUTES],
        "service_le": [f',le="{le}"' for le in bounds],
        "service_status": [f',status="{status}"' for status in STATUSES],
        "service_slo": [f',slo="{slo}"' for slo in ("availability", "errors", "latency")],
        "service_signal": [',signal="request_rate"'],
        "pod": [f',pod="{pod}"' for pod in _pods(service)],
        "namespace_pod": [f',pod="{pod}"' for pod in _pods(service)],
    }.get(level, [""])
    constant = 0.999 if name == "service_slo:objective:ratio" else 1.0 if name.endswith(":info") else None
    for labels in further:
        series = f"{name}{{{own}{labels}}}"
        yield Line(series, value=0.2, wave=0.02) if constant is None else Line(series, value=constant)


def write(folder: Path, lines: Sequence[Line]) -> None:
    """Blocks of these series in `folder`, one a day, ending about now.

    As text for promtool, samples at this interval would be fifty gigabytes and take most of an hour.
    """
    end = int(time.time()) // DAY * DAY
    folder.mkdir(parents=True)
    # built with the modules of the Prometheus that reads them
    modules = repo_root() / "sandbox" / "toolchain" / "go" / "prometheus"
    writer = local_program(repo_root() / "bench" / "writer", "write-blocks", modules)
    order = {
        "Folder": str(folder),
        "Start": end - DAYS * DAY,
        "End": end,
        "Block": DAY,
        "Lines": [asdict(line) for line in lines],
    }
    subprocess.run([str(writer)], input=json.dumps(order), text=True, check=True)
