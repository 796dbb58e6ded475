"""Jaeger's sampling strategies, out of the declared services.

A share governs the traces that start at a service: what it calls in turn follows the decision that travels with the
request, whatever its own share.
"""

import json
from collections.abc import Iterable

from rendering.declarations import HealthChecks, Service

# Of services that ask for a strategy and are not declared.
UNDECLARED_SHARE = 0.1

# A span of an HTTP request is named "<method> <route>".
_HEALTH_CHECK_METHODS = ("GET", "HEAD")


def begun_share(declared_share: float, *, at_the_end: bool) -> float:
    """Of the traces that start at a service, those that are begun: all of them where it is decided at the end."""
    return 1.0 if at_the_end else declared_share


def _probabilistic(share: float) -> dict[str, object]:
    return {"type": "probabilistic", "param": share}


def render_sampling(services: Iterable[Service], health_checks: HealthChecks, *, at_the_end: bool = False) -> str:
    """The text of the strategies file. `at_the_end`: it is decided there, so every trace is begun but health checks'.

    The strategies of health checks stand in the default strategy; Jaeger adds them to every service's own.
    """
    strategies = {
        "default_strategy": {
            **_probabilistic(begun_share(UNDECLARED_SHARE, at_the_end=at_the_end)),
            "operation_strategies": [
                {"operation": f"{method} {path}", **_probabilistic(health_checks.sampling_share)}
                for path in health_checks.paths
                for method in _HEALTH_CHECK_METHODS
            ],
        },
        "service_strategies": [
            {"service": service.name, **_probabilistic(begun_share(service.sampling_share, at_the_end=at_the_end))}
            for service in services
        ],
    }
    return json.dumps(strategies, indent=2) + "\n"
