"""What the rules need to know of each declared service, as recorded series.

The rules themselves are the same for any number of services: they join these series instead of naming services, so that
one more service is one more entry in `services.yaml`, and an alert can miss what has no metrics at all.
"""

from collections.abc import Iterable
from typing import Any

from rendering import documents
from rendering.declarations import Platform, Service
from rendering.documents import Document

FILE = "declared.yaml"


def render_declared(platform: Platform, expected_jobs: Iterable[str]) -> dict[str, str]:
    """The file of `declared_rules` as text by its name, to go beside the native ones."""
    return {FILE: documents.dump(declared_rules(platform, expected_jobs))}


def declared_rules(platform: Platform, expected_jobs: Iterable[str]) -> Document:
    """Services, their objectives, and the jobs that must always have a target."""
    services = [rule for service in platform.services for rule in _service(service)]
    jobs = [_constant("platform:job:expected", 1, {"job": job}) for job in expected_jobs]
    return {"groups": [{"name": "declared-services", "rules": services}, {"name": "declared-jobs", "rules": jobs}]}


def bucket(latency_ms: int) -> str:
    """The bucket's bound as Prometheus 3 writes it in `le`: seconds, always with a decimal point (500 -> "0.5")."""
    return repr(latency_ms / 1000)


def _service(service: Service) -> list[Document]:
    who = {
        "service": service.name,
        "team": service.team,
        "tier": service.tier.value,
        "namespace": service.namespace,
    }
    slo = service.slo
    objectives = {
        "availability": slo.availability_percent,
        "errors": 100 - slo.error_percent,
        "latency": slo.latency_percentile,
    }
    return [
        _constant("platform:service:info", 1, who),
        *(
            _constant("service_slo:objective:ratio", _ratio(percent), who | {"slo": name})
            for name, percent in objectives.items()
        ),
        _constant("service_slo:latency_objective:info", 1, who | {"le": bucket(slo.latency_ms)}),
        _constant("service:slo_latency_objective:seconds", slo.latency_seconds, who),
    ]


def _ratio(percent: float) -> float:
    """99.9 -> 0.999, without the digits that binary fractions add."""
    return round(percent / 100, 8)


def _constant(record: str, value: float, labels: dict[str, Any]) -> Document:
    return {"record": record, "expr": f"vector({value:g})" if value == 1 else f"vector({value})", "labels": labels}
