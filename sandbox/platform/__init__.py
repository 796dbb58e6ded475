"""The platform that is observed: nine services, their traffic, PostgreSQL and Redis, as real workloads in `dharma`."""

from sandbox.platform.addresses import urls
from sandbox.platform.client import (
    Burst,
    burst,
    clear_faults,
    fault,
    log_lines,
    log_raw,
    panic,
    psql,
    request,
    traffic,
)
from sandbox.platform.lifecycle import down, status, up
from sandbox.platform.passwords import postgres_password

__all__ = [
    "Burst",
    "burst",
    "clear_faults",
    "down",
    "fault",
    "log_lines",
    "log_raw",
    "panic",
    "postgres_password",
    "psql",
    "request",
    "status",
    "traffic",
    "up",
    "urls",
]
