"""Where this machine reaches the platform's services: their ClusterIPs, which kube-proxy serves on the node too."""

import json
from collections.abc import Iterable
from functools import cache

import httpx
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from sandbox.errors import SandboxError
from sandbox.platform.cluster import declared, kubectl
from sandbox.platform.manifests import NAMESPACE, TRAFFIC, TRAFFIC_PORT


def urls() -> dict[str, str]:
    """Base URL of each service and of the traffic generator that is there now, by name."""
    _found.cache_clear()
    return dict(_found())


def base_url(service: str) -> str:
    """Base URL of one, from an earlier look-up if there was one. Raises SandboxError when there is no such service."""
    known = _found()
    if service not in known:
        known = urls()
    if service not in known:
        raise SandboxError(f"no service {service} is running; there are {', '.join(sorted(known)) or 'none'}")
    return known[service]


def wait_answering(services: Iterable[str], timeout_seconds: float = 60) -> None:
    """Waits until each answers: kube-proxy takes a moment to hear of a pod that is ready. Raises SandboxError."""
    for service in services:
        url = f"{base_url(service)}/health"
        attempts = Retrying(
            stop=stop_after_delay(timeout_seconds), wait=wait_fixed(0.5), retry=retry_if_exception_type(httpx.HTTPError)
        )
        try:
            attempts(httpx.get, url, timeout=5, trust_env=False)
        except RetryError as error:
            raise SandboxError(f"{service} is ready, but {url} does not answer; is kube-proxy running?") from error


@cache
def _found() -> dict[str, str]:
    ports = {service.name: service.port for service in declared().services} | {TRAFFIC: TRAFFIC_PORT}
    found = {}
    for namespace in {NAMESPACE, *declared().namespaces}:
        for each in json.loads(kubectl("-n", namespace, "get", "services", "-o", "json"))["items"]:
            name = each["metadata"]["name"]
            if name in ports:
                found[name] = f"http://{each['spec']['clusterIP']}:{ports[name]}"
    return found
