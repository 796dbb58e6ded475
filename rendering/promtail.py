"""Promtail's configuration for one stack: `configs/promtail/promtail.yaml` with the stack's values laid over it."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import PurePosixPath
from typing import Any

from rendering import documents
from rendering.declarations import Service

# Everything that may distinguish two streams. What is not here (trace_id, level, ...) is structured metadata: as a
# label it would make a stream of every request.
STREAM_LABELS = ("cluster", "environment", "node", "job", "namespace", "service", "team", "pod", "container")

# Stands for the node's name in what render_alloy returns; the pod puts the name in its place.
NODE_PLACEHOLDER = "NAME-OF-THIS-NODE"

DROP_DEBUG = "drop_debug"
MASK_EMAILS = "mask_emails"
PODS_JOB = "kubernetes-pods"
JOURNAL_JOB = "systemd-journal"
FILES_JOB = "node-files"

# Lines older than this when they are read were kept waiting, and are slowed down in place of dropped (`late` in the
# native file). What arrives within it has to fit the burst.
FRESH_SECONDS = 2

# Lines up to this long are limited by their number alone. Above it there is a limit for each doubling, named in the
# native file after its longest line; what one of them lets through in a second is no more than Loki takes of a stream.
SHORT_LINE_KIB = 4
LONG_LINES_KIB = {f"lines_to_{kib}_kib": kib for kib in (8, 16, 32, 64, 128, 256)}
# Level, ids and stream of a line, which Loki counts as a part of it.
METADATA_KIB = 0.25
# An agent sends what a second has brought in at once.
BATCH_SECONDS = 1

Stage = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class PromtailValues:
    """What differs per stack."""

    cluster: str
    environment: str
    services: tuple[Service, ...]
    loki_url: str = "http://loki.monitoring:3100"
    # Of each service on each node; what is over it is dropped and counted.
    lines_per_second: int = 1000
    burst_lines: int = 2000
    # What Loki takes of a stream, a second and at once.
    stream_rate_mib: int = 5
    stream_burst_mib: int = 15
    # Keep debug and trace lines out of Loki (production).
    drop_debug: bool = True
    mask_emails: bool = False
    # Loki's tenant; None when Loki runs without tenants.
    tenant_id: str | None = None
    # Where the node keeps its journal, and files to read beside those of /var/log (absolute paths, globs allowed).
    journal_path: str = "/var/log/journal"
    extra_node_files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError with field, value and what to write instead."""
        if self.lines_per_second < 1:
            raise ValueError(f"logs.lines_per_second is {self.lines_per_second}; set 1 or more (the task's is 1000)")
        least_burst = FRESH_SECONDS * self.lines_per_second
        if self.burst_lines < least_burst:
            raise ValueError(
                f"logs.burst_lines is {self.burst_lines}; set {least_burst} or more ({FRESH_SECONDS} seconds of the "
                "rate: what may be read at once and still be fresh)"
            )
        most_lines = lines_in(self.stream_rate_mib, SHORT_LINE_KIB)
        if self.lines_per_second > most_lines:
            raise ValueError(
                f"logs.lines_per_second is {self.lines_per_second}; set {most_lines} or less (Loki takes "
                f"{self.stream_rate_mib} MiB/s of a stream, at lines of {SHORT_LINE_KIB} KiB), or raise "
                "loki.per_stream_rate_mib"
            )
        most_burst = lines_in(self.stream_burst_mib - BATCH_SECONDS * self.stream_rate_mib, SHORT_LINE_KIB)
        if self.burst_lines > most_burst:
            raise ValueError(
                f"logs.burst_lines is {self.burst_lines}; set {most_burst} or less (Loki takes "
                f"{self.stream_burst_mib} MiB of a stream at once, at lines of {SHORT_LINE_KIB} KiB), or raise "
                "loki.per_stream_burst_mib"
            )
        for path in self.extra_node_files:
            if not path.startswith("/"):
                raise ValueError(f"logs.extra_node_files holds {path!r}; write an absolute path")
            if folder_of(path) == "/":
                raise ValueError(
                    f"logs.extra_node_files holds {path!r}; name files in a folder (the agents see that folder, not "
                    "the whole node)"
                )


def folder_of(pattern: str) -> str:
    """The folder that all files are in, or below, which the absolute path `pattern` may name."""
    parts = PurePosixPath(pattern).parent.parts
    return str(PurePosixPath(*takewhile(lambda part: not set(part) & set("*?[{"), parts)))


def lines_in(mib: float, line_kib: int) -> int:
    """Lines of that length, with their metadata, that make up so much; at least one."""
    return max(1, int(mib * 1024 / (line_kib + METADATA_KIB)))


def team_relabelings(services: Iterable[Service]) -> list[dict[str, Any]]:
    """Relabel rules that give every declared service's pods the label `team`, one rule to a team."""
    targets: dict[str, list[str]] = {}
    for service in services:
        targets.setdefault(service.team, []).append(f"{service.namespace}/{service.name}")
    return [
        {
            "source_labels": ["namespace", "service"],
            "separator": "/",
            "regex": "|".join(sorted(names)),
            "target_label": "team",
            "replacement": team,
        }
        for team, names in sorted(targets.items())
    ]


def own_stages(services: Iterable[Service]) -> list[Stage]:
    """What the declared services say of their lines' form (`log` in services.yaml), each for its own lines alone."""
    stages = []
    for service in services:
        if service.log is None:
            continue
        own: list[Stage] = []
        if service.log.fields:
            own.append({"json": {"expressions": dict(service.log.fields)}})
        if service.log.expression is not None:
            own.append({"regex": {"expression": service.log.expression}})
        selector = f'{{namespace="{service.namespace}", service="{service.name}"}}'
        stages.append({"match": {"pipeline_name": f"own_{service.name}", "selector": selector, "stages": own}})
    return stages


def _limit(limit: Mapping[str, Any], name: str | None, values: PromtailValues) -> Stage:
    """The limit stage of a service, `name` being that of the pipeline it is in."""
    rates = {"rate": values.lines_per_second, "burst": values.burst_lines}
    if name in LONG_LINES_KIB:
        rate = lines_in(values.stream_rate_mib, LONG_LINES_KIB[name])
        rates = {"rate": rate, "burst": FRESH_SECONDS * rate}
    return {"limit": {**limit, **rates}}


def _stages(stages: Iterable[Stage], values: PromtailValues, name: str | None = None) -> list[Stage]:
    """The pipeline `name` with what the stack does not want left out and the stack's rates in its limit stages."""
    unwanted = set()
    if not values.drop_debug:
        unwanted.add(DROP_DEBUG)
    if not values.mask_emails:
        unwanted.add(MASK_EMAILS)

    kept = []
    for stage in stages:
        if stage.get("match", {}).get("pipeline_name") in unwanted:
            continue
        if "by_label_name" in stage.get("limit", {}):
            kept.append(_limit(stage["limit"], name, values))
        elif "match" in stage:
            match = stage["match"]
            kept.append({"match": {**match, "stages": _stages(match["stages"], values, match.get("pipeline_name"))}})
        else:
            kept.append(stage)
    return kept


def _scrape_config(config: Mapping[str, Any], values: PromtailValues) -> documents.Document:
    rendered = copy.deepcopy(dict(config))
    rendered["pipeline_stages"] = _stages(rendered["pipeline_stages"], values)
    if rendered["job_name"] == PODS_JOB:
        rendered["relabel_configs"] += team_relabelings(values.services)
        # Found by any stage, a level is spelt as all are: the services' own come right before that.
        stages = rendered["pipeline_stages"]
        spelling = next(at for at, stage in enumerate(stages) if stage.get("template", {}).get("source") == "level")
        stages[spelling:spelling] = own_stages(values.services)
    if rendered["job_name"] == JOURNAL_JOB:
        rendered["journal"]["path"] = values.journal_path
    if rendered["job_name"] == FILES_JOB:
        labels = rendered["static_configs"][0]["labels"]
        rendered["static_configs"] += [
            {"targets": ["localhost"], "labels": {**labels, "__path__": path}} for path in values.extra_node_files
        ]
    return rendered


def _client(client: Mapping[str, Any], values: PromtailValues) -> documents.Document:
    changes: documents.Document = {
        "url": f"{values.loki_url}/loki/api/v1/push",
        "external_labels": {"cluster": values.cluster, "environment": values.environment},
    }
    if values.tenant_id is not None:
        changes["tenant_id"] = values.tenant_id
    return documents.overlay(client, changes)


def render_promtail(base: Mapping[str, Any], values: PromtailValues) -> str:
    """The text of Promtail's configuration: `base` (the parsed `configs/promtail/promtail.yaml`) for this stack."""
    return documents.dump(
        {
            **base,
            "clients": [_client(client, values) for client in base["clients"]],
            "scrape_configs": [_scrape_config(config, values) for config in base["scrape_configs"]],
        }
    )


def render_alloy(base: Mapping[str, Any], values: PromtailValues) -> str:
    """The same configuration for Grafana Alloy, which reads Promtail's format (`--config.format=promtail`).

    Four things are Promtail's alone: its own server; the limit of a line's length (Loki cuts at the same length);
    labels from the command line, and the label `__host__`. In place of these two the text holds NODE_PLACEHOLDER:
    Alloy asks the API server for the pods of its own node.
    """
    document = documents.load_text(render_promtail(base, values))
    for key in ("server", "limits_config"):
        del document[key]
    for client in document["clients"]:
        client["external_labels"]["node"] = NODE_PLACEHOLDER
    for config in document["scrape_configs"]:
        for discovery in config.get("kubernetes_sd_configs", []):
            discovery["selectors"] = [{"role": discovery["role"], "field": f"spec.nodeName={NODE_PLACEHOLDER}"}]
    return documents.dump(document)
