"""Which traces are kept, decided once a trace is over: every one that failed or was slow, and a share of the rest.

The decision needs all spans of a trace in one process. What is counted of spans (rate, errors, duration) is counted
before it, so of all of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rendering import documents
from rendering.declarations import Service


@dataclass(frozen=True, kw_only=True)
class TailSampling:
    """How it is decided."""

    share: float
    """Of the traces that neither failed nor were slow; 0 to 1."""
    wait_seconds: int
    """From a trace's first span to the decision: what comes later than that follows it."""
    max_traces: int
    """Held at once while they wait; one more, and the oldest is let go undecided."""


def decided_at_the_end(
    document: documents.Document, sampling: TailSampling, services: Iterable[Service]
) -> documents.Document:
    """`document` (a Jaeger with a pipeline `traces`) with a second pipeline that only what is kept goes through."""
    pipelines = document["service"]["pipelines"]
    traces = pipelines["traces"]
    [store] = [exporter for exporter in traces["exporters"] if exporter not in document["connectors"]]
    counted = [exporter for exporter in traces["exporters"] if exporter != store]
    unbatched = [processor for processor in traces["processors"] if processor != "batch"]
    taken_in = {**traces, "processors": unbatched, "exporters": [*counted, "forward"]}
    kept = {"receivers": ["forward"], "processors": ["tail_sampling", "batch"], "exporters": [store]}
    return {
        **document,
        "service": {**document["service"], "pipelines": {**pipelines, "traces": taken_in, "traces/kept": kept}},
        "processors": {**document["processors"], "tail_sampling": _processor(sampling, services)},
        "connectors": {**document["connectors"], "forward": None},
    }


def _processor(sampling: TailSampling, services: Iterable[Service]) -> dict[str, Any]:
    remembered = 4 * sampling.max_traces  # trace ids alone: a span that comes late finds what was decided
    return {
        "decision_wait": f"{sampling.wait_seconds}s",
        "num_traces": sampling.max_traces,
        "decision_cache": {"sampled_cache_size": remembered, "non_sampled_cache_size": remembered},
        "policies": [
            {"name": "failed", "type": "status_code", "status_code": {"status_codes": ["ERROR"]}},
            {
                "name": "slower-than-promised",
                "type": "ottl_condition",
                "ottl_condition": {"error_mode": "ignore", "span": [_slow(service) for service in services]},
            },
            {
                "name": "share-of-the-rest",
                "type": "probabilistic",
                "probabilistic": {"sampling_percentage": 100 * sampling.share},
            },
        ],
    }


def _slow(service: Service) -> str:
    """A span of the service that took longer than its objective for latency allows."""
    return (
        f'resource.attributes["service.name"] == "{service.name}" and '
        f"span.end_time_unix_nano - span.start_time_unix_nano > {service.slo.latency_ms * 1_000_000}"
    )
