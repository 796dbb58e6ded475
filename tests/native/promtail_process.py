"""A real Promtail with the stack's pipelines, reading files of the test in place of a node's."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from rendering import documents
from rendering.declarations import load_services
from rendering.promtail import FILES_JOB, PODS_JOB, PromtailValues, render_promtail
from sandbox.toolchain import binary
from tests.native.loki_process import free_port

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def stack_configuration(**overrides: Any) -> str:
    """What the stack would mount."""
    plain: dict[str, Any] = {
        "cluster": "c",
        "environment": "test",
        "services": load_services(CONFIGS / "services.yaml"),
    }
    return render_promtail(
        documents.load(CONFIGS / "promtail" / "promtail.yaml"), PromtailValues(**{**plain, **overrides})
    )


def file_configuration(folder: Path, loki_url: str, pods: Mapping[str, Mapping[str, str]], port: int) -> str:
    """The stack's configuration with its pods found in `folder`/pods/<name>.log (name -> labels)."""
    document = yaml.safe_load(stack_configuration(loki_url=loki_url))
    document["server"] |= {"http_listen_port": port, "http_listen_address": "127.0.0.1"}
    document["server"]["grpc_listen_address"] = "127.0.0.1"
    document["positions"] = {"filename": str(folder / "positions.yaml"), "sync_period": "1s"}
    document["target_config"]["sync_period"] = "1s"
    scrapes = {config["job_name"]: config for config in document["scrape_configs"]}
    of_pods, of_files = scrapes[PODS_JOB], scrapes[FILES_JOB]
    for key in ("kubernetes_sd_configs", "relabel_configs"):
        del of_pods[key]
    of_pods["static_configs"] = [
        {
            "targets": ["localhost"],
            "labels": {**labels, "job": PODS_JOB, "__path__": str(folder / "pods" / f"{name}.log")},
        }
        for name, labels in pods.items()
    ]
    of_files["static_configs"][0]["labels"]["__path__"] = str(folder / "node" / "*.log")
    document["scrape_configs"] = [of_pods, of_files]
    return documents.dump(document)


@contextmanager
def running_promtail(folder: Path, loki_url: str, pods: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Promtail; yields the URL of its metrics, and stops it in an orderly way at the end."""
    port = free_port()
    config = folder / "promtail.yaml"
    config.write_text(file_configuration(folder, loki_url, pods, port))
    with (folder / "promtail.log").open("ab") as output:
        process = subprocess.Popen(
            [binary("promtail"), f"-config.file={config}", "-client.external-labels=node=n1"],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield f"http://127.0.0.1:{port}/metrics"
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        finally:
            process.kill()


def counted(metrics_url: str, name: str) -> dict[str, float]:
    """Samples of one metric: label text -> value."""
    found = {}
    for line in httpx.get(metrics_url).text.splitlines():
        if line.startswith(f"{name}{{") or line.startswith(f"{name} "):
            series, value = line.rsplit(" ", 1)
            found[series.removeprefix(name)] = float(value)
    return found
