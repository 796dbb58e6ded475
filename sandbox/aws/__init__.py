"""The local AWS: moto for its API, the provider stand-in for Pulumi, and a real OpenSearch behind managed domains."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.aws.local import (
        down,
        environment,
        network,
        outage,
        provider_dir,
        status,
        store_certificates,
        up,
    )

__all__ = [
    "down",
    "environment",
    "network",
    "outage",
    "provider_dir",
    "status",
    "store_certificates",
    "up",
]


def __getattr__(name: str) -> Any:
    # The provider stand-in is below this package, and every run of the engine starts it: it must not wait for what only
    # the sandbox's own commands need.
    if name in __all__:
        from sandbox.aws import local  # noqa: PLC0415

        return getattr(local, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
