"""A real Promtail or Alloy with the stack's pipelines, reading files of the test in place of a node's."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from rendering import documents
from rendering.collectors import Collector
from rendering.declarations import LogFormat, load_services
from rendering.promtail import FILES_JOB, JOURNAL_JOB, PODS_JOB, PromtailValues, render_alloy, render_promtail
from sandbox.toolchain import binary
from tests.native.loki_process import free_port

CONFIGS = Path(__file__).resolve().parents[2] / "configs"

LINES_PER_SECOND, BURST_LINES = 100, 400
STREAM_RATE_MIB, STREAM_BURST_MIB = 1, 3
# Limits as they are, but lower: a busy machine does not read 1,000 lines a second of every file.
LIMITS: Mapping[str, Any] = {
    "lines_per_second": LINES_PER_SECOND,
    "burst_lines": BURST_LINES,
    "stream_rate_mib": STREAM_RATE_MIB,
    "stream_burst_mib": STREAM_BURST_MIB,
}
# A service that says in services.yaml how its lines are written.
OWN_FORM = LogFormat(
    expression=r"^<(?P<level>\w+)> \[(?P<trace_id>[0-9a-f]{32})\] ",
    fields={"level": "ctx.lvl", "trace_id": "ctx.trace"},
)


def stack_configuration(collector: Collector = "promtail", **overrides: Any) -> str:
    """What the stack would mount."""
    services = load_services(CONFIGS / "services.yaml")
    plain: dict[str, Any] = {
        "cluster": "c",
        "environment": "test",
        "services": (*services, services[0].model_copy(update={"name": "own-form", "log": OWN_FORM})),
    }
    render = render_promtail if collector == "promtail" else render_alloy
    return render(documents.load(CONFIGS / "promtail" / "promtail.yaml"), PromtailValues(**{**plain, **overrides}))


def file_configuration(
    collector: Collector, folder: Path, loki_url: str, pods: Mapping[str, Mapping[str, str]], **overrides: Any
) -> documents.Document:
    """The stack's configuration with its pods found in `folder`/pods/<name>.log (name -> labels).

    A journal is read where `folder`/journal is; `overrides` are PromtailValues' own.
    """
    journal = folder / "journal"
    values = {**LIMITS, "journal_path": str(journal), **overrides}
    document: documents.Document = yaml.safe_load(stack_configuration(collector, loki_url=loki_url, **values))
    document["positions"] = {"filename": str(folder / "positions.yaml"), "sync_period": "1s"}
    document["target_config"]["sync_period"] = "1s"
    document["clients"][0]["external_labels"]["node"] = "n1"  # as the pod gives it, each collector in its way
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
    document["scrape_configs"] = [of_pods, of_files, *([scrapes[JOURNAL_JOB]] if journal.exists() else [])]
    return document


@contextmanager
def running_collector(
    collector: Collector, folder: Path, loki_url: str, pods: Mapping[str, Mapping[str, str]], **overrides: Any
) -> Iterator[str]:
    """The collector; yields the URL of its metrics, and stops it in an orderly way at the end."""
    port = free_port()
    document = file_configuration(collector, folder, loki_url, pods, **overrides)
    config = folder / "promtail.yaml"
    if collector == "promtail":
        document["server"] |= {"http_listen_port": port, "http_listen_address": "127.0.0.1"}
        document["server"]["grpc_listen_address"] = "127.0.0.1"
        command = [str(binary("promtail")), f"-config.file={config}"]
    else:
        command = [
            *(str(binary("alloy")), "run", "--config.format=promtail", "--disable-reporting"),
            *(f"--server.http.listen-addr=127.0.0.1:{port}", f"--storage.path={folder / 'alloy'}", str(config)),
        ]
    config.write_text(documents.dump(document))
    with (folder / "collector.log").open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
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
