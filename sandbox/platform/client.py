"""Talks to the running platform from the node's own machine: requests, faults, traffic, lines in logs, SQL."""

import json
from typing import Any

import httpx
from pydantic import BaseModel

from sandbox.errors import SandboxError
from sandbox.platform import addresses, lifecycle
from sandbox.platform.cluster import declared, kubectl
from sandbox.platform.databases import POSTGRESQL
from sandbox.platform.manifests import NAMESPACE, TRAFFIC


class Burst(BaseModel):
    """The outcome of `burst`."""

    sent: int
    statuses: dict[str, int]
    """Answers by HTTP status; `none` are those that never came."""
    sampled: int
    """How many of the traces the asked service itself chose to keep."""
    seconds: float
    trace_ids: tuple[str, ...] = ()


def request(
    service: str,
    method: str,
    path: str,
    *,
    headers: dict[str, str] | None = None,
    content: str | None = None,
    timeout_seconds: float = 30,
) -> httpx.Response:
    """One request to a service. Any status is an answer; SandboxError when there is none, naming service and reason."""
    base = addresses.base_url(service)
    try:
        return _ask(service, method, base + path, timeout_seconds, headers=headers, content=content)
    except SandboxError:
        # The Service may have been made anew since its address was looked up.
        anew = addresses.urls().get(service, base)
        if anew == base:
            raise
        return _ask(service, method, anew + path, timeout_seconds, headers=headers, content=content)


def fault(service: str, **fields: Any) -> None:
    """Changes what is wrong with every pod of a service; what is not named stays as it is.

    Fields, as service/faults.go explains them: error_rate, status, latency_ms, memory_mib, cpu_cores,
    violations_per_check, silence, unhealthy, unready, crash, crash_loop. Raises SandboxError for one that is refused.
    """
    for address in _pods(service):
        _done(_ask(service, "POST", f"{address}/faults", 30, content=json.dumps(fields)))


def clear_faults(service: str) -> None:
    """Mends all that `fault` did. Pods that do not answer (a crash loop) are replaced by new ones, and waited for."""
    try:
        for address in _pods(service):
            _done(_ask(service, "DELETE", f"{address}/faults", 10))
    except SandboxError:
        namespace = _namespace(service)
        kubectl("-n", namespace, "delete", "pod", "-l", f"app={service}", timeout_seconds=120)
        lifecycle.wait_ready([{"metadata": {"name": service, "namespace": namespace}}])
        addresses.wait_answering([service])


def traffic(rps: float) -> None:
    """Sets the rate of the traffic generator, requests a second over all services; 0 stops it."""
    _done(request(TRAFFIC, "POST", f"/rate?rps={rps:g}"))


def burst(
    path: str,
    count: int,
    *,
    service: str = "api-gateway",
    method: str = "GET",
    rps: float = 0,
    ids: bool = False,
    timeout_seconds: float = 600,
) -> Burst:
    """Lets the traffic generator send `count` requests, eight at a time and at most `rps` a second (0: no limit).

    Returns when all are answered; with `ids` the result lists their trace ids.
    """
    query = httpx.QueryParams(
        service=service, method=method, path=path, count=count, rps=rps, ids="true" if ids else "false"
    )
    answer = _done(request(TRAFFIC, "POST", f"/run?{query}", timeout_seconds=timeout_seconds))
    return Burst.model_validate(answer.json())


def log_lines(
    service: str,
    count: int,
    prefix: str,
    *,
    rate: float = 0,
    line_bytes: int = 0,
    level: str = "info",
    timeout_seconds: float = 600,
) -> None:
    """Lets a service write JSON lines with the messages "<prefix> 1" to "<prefix> <count>".

    rate: lines a second, 0 is as fast as it can. line_bytes: each message is filled up to this length.
    """
    query = httpx.QueryParams(count=count, prefix=prefix, rate=rate, bytes=line_bytes, level=level)
    answer = _done(request(service, "POST", f"/faults/log-lines?{query}", timeout_seconds=timeout_seconds))
    if answer.json()["lines"] != count:
        raise SandboxError(f"{service} wrote {answer.json()['lines']} of {count} lines; its pod may have been stopped")


def log_raw(service: str, text: str) -> None:
    """Lets a service write this text to its standard output as it is, whatever it holds."""
    _done(request(service, "POST", "/faults/log-raw", content=text))


def panic(service: str) -> None:
    """Lets a service print a panic with its stack, many plain lines, and live on."""
    _done(request(service, "POST", "/faults/panic"))


def psql(statement: str, timeout_seconds: float = 120) -> str:
    """Runs SQL in the platform's PostgreSQL as its administrator and returns what psql prints, tab-separated."""
    return kubectl(
        "-n", NAMESPACE, "exec", f"deployment/{POSTGRESQL}", "--",
        "psql", "-h", "/tmp", "-U", "postgres", "-AtF", "\t", "-v", "ON_ERROR_STOP=1", "-c", statement,  # noqa: S108
        timeout_seconds=timeout_seconds,
    )  # fmt: skip


def _pods(service: str) -> list[str]:
    """Addresses of a service's pods. SandboxError when it has none that run."""
    port = {each.name: each.port for each in declared().services}.get(service)
    if port is None:
        raise SandboxError(f"no service {service} is declared in configs/services.yaml")
    listed = kubectl("-n", _namespace(service), "get", "pods", "-l", f"app={service}", "-o", "json")
    pods = [pod for pod in json.loads(listed)["items"] if "deletionTimestamp" not in pod["metadata"]]
    addresses = [f"http://{pod['status']['podIP']}:{port}" for pod in pods if pod["status"].get("podIP")]
    if not addresses:
        raise SandboxError(f"{service} has no running pod; bring the platform up: python -m sandbox up")
    return addresses


def _namespace(service: str) -> str:
    return next((each.namespace for each in declared().services if each.name == service), NAMESPACE)


def _ask(service: str, method: str, url: str, timeout_seconds: float, **kwargs: Any) -> httpx.Response:
    try:
        # A proxy of the machine's has no way into the cluster.
        return httpx.request(method, url, timeout=timeout_seconds, trust_env=False, **kwargs)
    except httpx.HTTPError as error:
        raise SandboxError(f"{service} does not answer {method} {url}: {error}") from error


def _done(response: httpx.Response) -> httpx.Response:
    if response.status_code != httpx.codes.OK:
        raise SandboxError(f"{response.request.method} {response.request.url} was refused: {response.text.strip()}")
    return response
