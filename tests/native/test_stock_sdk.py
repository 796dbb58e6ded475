"""A program with OpenTelemetry's own Java agent, the settings of our ConfigMap and its name: no more is needed."""

import math
import os
import subprocess
from pathlib import Path

import httpx

from rendering.instrumentation import INITIAL_SHARE, opentelemetry_settings
from sandbox.aws import java
from sandbox.toolchain import maven
from tests.native.jaeger_process import PLATFORM, JaegerClient, running_jaeger
from tests.waiting import eventually

AGENT = "io.opentelemetry.javaagent:opentelemetry-javaagent:2.11.0:jar"
PROGRAM = Path(__file__).with_name("StockClient.java")
SERVICE = next(service for service in PLATFORM.services if service.name == "costing-service")
REQUESTS = 1000


def traces(jaeger: JaegerClient) -> int:
    query: dict[str, str | int] = {"service": SERVICE.name, "limit": 2 * REQUESTS, "lookback": "1h"}
    answer = httpx.get(f"{jaeger.urls['query']}/api/traces", params=query, timeout=30).raise_for_status()
    return len(answer.json()["data"])


def test_it_appears_at_its_declared_share(tmp_path: Path) -> None:
    assert INITIAL_SHARE < SERVICE.sampling_share < 1  # else nobody would notice that it never asked
    with running_jaeger(tmp_path) as jaeger:
        # The ConfigMap's, but for the addresses.
        settings = opentelemetry_settings(
            jaeger.urls["otlp-grpc"], jaeger.urls["sampling-grpc"], "test", "test", "dharma"
        )
        asked = [f"{jaeger.urls['health']}/status", str(REQUESTS)]
        done = subprocess.run(
            [java.home() / "bin" / "java", f"-javaagent:{maven.ensure(AGENT)}", PROGRAM, *asked],
            env={**os.environ, **settings, "OTEL_SERVICE_NAME": SERVICE.name},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        # Five standard deviations of a binomial: wrong once in two million runs.
        slack = 5 * math.sqrt(REQUESTS * SERVICE.sampling_share * (1 - SERVICE.sampling_share))
        expected = REQUESTS * SERVICE.sampling_share
        eventually(lambda: abs(traces(jaeger) - expected) < slack, 15)
