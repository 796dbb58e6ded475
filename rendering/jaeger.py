"""Jaeger's configuration for one stack: `configs/jaeger/jaeger.yaml` with the stack's values laid over it.

The one document is the all-in-one. The split layout takes two out of it: the collector has everything that spans come
in by, the query everything that they are read by, and both the same storage.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from rendering import documents
from rendering.declarations import Service
from rendering.sampling import UNDECLARED_SHARE, begun_share
from rendering.tail_sampling import TailSampling, decided_at_the_end

BACKEND = "spans"
# Environment variable with the store's URL, and where the component mounts what the document names.
STORE_URL = "SPAN_STORE_URL"
PASSWORD_FILE = "/etc/span-store/login/password"
CA_FILE = "/etc/span-store/ca/ca.crt"

# What configs/jaeger/ui.json says in the place of a stack's own.
_UI_GRAFANA = "http://grafana.monitoring:3000"
_UI_SINCE = "now-3d"


class Role(StrEnum):
    """What one Jaeger process does."""

    ALL_IN_ONE = "all-in-one"
    COLLECTOR = "collector"
    QUERY = "query"


@dataclass(frozen=True, kw_only=True)
class JaegerValues:
    """What differs per stack."""

    # What every span says of where it is from.
    cluster: str = "sandbox"
    environment: str = "sandbox"
    # Which of the two Jaeger believes it speaks to.
    store_kind: Literal["opensearch", "elasticsearch"] = "opensearch"
    # User of the store, whose password is mounted at PASSWORD_FILE; None where the store asks for no login.
    username: str | None = None
    # Trust the authority mounted at CA_FILE in place of the system's.
    own_ca: bool = False
    index_prefix: str = ""
    retention_hours: int = 72
    shards: int = 1
    replicas: int = 0
    bulk_workers: int = 2
    prometheus_url: str = "http://prometheus.monitoring:9090"
    # None: what was decided where a trace starts is kept.
    tail_sampling: TailSampling | None = None
    # Whose objectives say what is slow.
    services: tuple[Service, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError with field, value and what to write instead."""
        if self.retention_hours < 24:
            raise ValueError(f"jaeger.retention_hours is {self.retention_hours}; set 24 or more (indices are daily)")


def shards_in_use(retention_hours: int, shards: int, replicas: int) -> int:
    """Shards, copies included, of all daily indices that are kept at once: spans, services, dependencies."""
    daily_indices = 3
    # Today's, those of the days before that reach into the retention, and at midnight one that is about to go.
    days = math.ceil(retention_hours / 24) + 2
    return days * daily_indices * shards * (1 + replicas)


def _backend(base: Mapping[str, Any], values: JaegerValues) -> documents.Document:
    """The storage backend; its key in the document is the kind of store."""
    [present] = base.values()
    index = {"shards": values.shards, "replicas": values.replicas}
    changes: documents.Document = {
        "max_span_age": f"{values.retention_hours}h",
        "bulk_processing": {"workers": values.bulk_workers},
        "indices": {
            "index_prefix": values.index_prefix,
            **dict.fromkeys(("spans", "services", "dependencies", "sampling"), index),
        },
    }
    if values.username is not None:
        changes["auth"] = {
            "basic": {"username": values.username, "password_file": PASSWORD_FILE, "reload_interval": "30s"}
        }
    if values.own_ca:
        changes["tls"] = {"ca_file": CA_FILE}
    return {values.store_kind: documents.overlay(present, changes)}


def _origin(values: JaegerValues) -> documents.Document:
    said = {"cluster": values.cluster, "environment": values.environment}
    # A service that says it itself knows better: spans may come from another cluster.
    return {"actions": [{"key": key, "action": "insert", "value": value} for key, value in said.items()]}


def _whole(base: Mapping[str, Any], values: JaegerValues) -> documents.Document:
    default_share = begun_share(UNDECLARED_SHARE, at_the_end=values.tail_sampling is not None)
    document = documents.overlay(
        base,
        {
            "extensions": {
                "jaeger_storage": {
                    "metric_backends": {"span_metrics": {"prometheus": {"endpoint": values.prometheus_url}}}
                },
                "remote_sampling": {"file": {"default_sampling_probability": default_share}},
            },
            "processors": {"attributes": _origin(values)},
        },
    )
    backends = document["extensions"]["jaeger_storage"]["backends"]
    backends[BACKEND] = _backend(base["extensions"]["jaeger_storage"]["backends"][BACKEND], values)
    if values.tail_sampling is not None:
        document = decided_at_the_end(document, values.tail_sampling, values.services)
    return document


def _collector(document: documents.Document) -> documents.Document:
    extensions = {name: part for name, part in document["extensions"].items() if name != "jaeger_query"}
    service = {
        **document["service"],
        "extensions": [name for name in document["service"]["extensions"] if name != "jaeger_query"],
    }
    return {**document, "service": service, "extensions": extensions}


def _query(document: documents.Document) -> documents.Document:
    kept = ("jaeger_storage", "jaeger_query", "healthcheckv2")
    return {
        "service": {
            **document["service"],
            "extensions": list(kept),
            # A collector process has to have a pipeline; this one carries nothing.
            "pipelines": {"traces": {"receivers": ["nop"], "exporters": ["nop"]}},
        },
        "extensions": {name: document["extensions"][name] for name in kept},
        "receivers": {"nop": None},
        "exporters": {"nop": None},
    }


def render_jaeger(base: Mapping[str, Any], values: JaegerValues, role: Role) -> str:
    """The text of the configuration of one Jaeger process: `base` (the parsed `configs/jaeger/jaeger.yaml`)."""
    document = _whole(base, values)
    match role:
        case Role.ALL_IN_ONE:
            name = "jaeger"
        case Role.COLLECTOR:
            document, name = _collector(document), "jaeger-collector"
        case Role.QUERY:
            document, name = _query(document), "jaeger-query"
    return documents.dump(documents.overlay(document, {"service": {"telemetry": {"resource": {"service.name": name}}}}))


def render_ui(base_text: str, grafana_url: str, retention_hours: int) -> str:
    """The UI's configuration (`configs/jaeger/ui.json`) with its links going to `grafana_url`.

    Searches, and those for a trace's logs, go back as far as spans are kept. Raises ValueError when the text is not
    JSON.
    """
    text = base_text.replace(_UI_GRAFANA, grafana_url.rstrip("/")).replace(_UI_SINCE, f"now-{retention_hours}h")
    ui = json.loads(text)
    days, hours = divmod(retention_hours, 24)
    number, unit = (retention_hours, "Hour") if hours else (days, "Day")
    label = f"{number} {unit}" if number == 1 else f"{number} {unit}s"
    ui["search"]["maxLookback"] = {"label": label, "value": f"{number}{unit[0].lower()}"}
    return json.dumps(ui, indent=2) + "\n"
