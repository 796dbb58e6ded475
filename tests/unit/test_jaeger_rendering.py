"""Jaeger's configuration: three documents out of one, shards that follow from retention, sampling as declared."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from rendering import documents
from rendering.declarations import load_platform
from rendering.jaeger import JaegerValues, Role, render_jaeger, render_ui, shards_in_use
from rendering.sampling import UNDECLARED_SHARE, render_sampling
from rendering.tail_sampling import TailSampling
from sandbox.platform.manifests import PlatformSettings, services

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
INGEST = {"otlp", "jaeger", "zipkin"}


def rendered(role: Role, **overrides: Any) -> dict[str, Any]:
    base = documents.load(CONFIGS / "jaeger" / "jaeger.yaml")
    document: dict[str, Any] = yaml.safe_load(render_jaeger(base, JaegerValues(**overrides), role))
    return document


def backend(document: dict[str, Any], kind: str = "opensearch") -> dict[str, Any]:
    return dict(document["extensions"]["jaeger_storage"]["backends"]["spans"][kind])


TAIL = {
    "tail_sampling": TailSampling(share=0.1, wait_seconds=10, max_traces=20_000),
    "services": load_platform(CONFIGS / "services.yaml").services,
}


@pytest.mark.parametrize("values", [{}, TAIL], ids=["head", "tail"])
@pytest.mark.parametrize("role", list(Role))
def test_every_part_that_a_document_names_is_in_it(role: Role, values: dict[str, Any]) -> None:
    document = rendered(role, **values)
    assert set(document["service"]["extensions"]) <= set(document["extensions"])
    connectors = set(document.get("connectors", {}))
    for pipeline in document["service"]["pipelines"].values():
        assert set(pipeline["receivers"]) <= set(document["receivers"]) | connectors
        assert set(pipeline["exporters"]) <= set(document["exporters"]) | connectors
        assert set(pipeline.get("processors", [])) <= set(document.get("processors", {}))


def test_the_collector_takes_spans_and_answers_no_queries() -> None:
    document = rendered(Role.COLLECTOR)
    assert "jaeger_query" not in document["extensions"]
    assert set(document["service"]["pipelines"]["traces"]["receivers"]) == INGEST
    assert "remote_sampling" in document["service"]["extensions"]


def test_the_query_answers_and_takes_no_spans() -> None:
    document = rendered(Role.QUERY)
    assert "jaeger_query" in document["service"]["extensions"]
    assert not INGEST & set(document["receivers"])


def test_all_roles_share_one_store() -> None:
    stores = [backend(rendered(role, index_prefix="prod", retention_hours=48)) for role in Role]
    assert stores[0] == stores[1] == stores[2]


def test_a_bulk_request_stays_under_five_mebibytes_with_its_last_span() -> None:
    bulk = backend(rendered(Role.ALL_IN_ONE))["bulk_processing"]
    assert bulk["max_bytes"] + 240 * 1000 <= 5 * 1024 * 1024
    assert bulk["max_actions"] > 1000  # else the number of spans would cut it off far earlier


def test_memory_is_limited_before_anything_is_kept() -> None:
    assert rendered(Role.ALL_IN_ONE)["service"]["pipelines"]["traces"]["processors"][0] == "memory_limiter"
    queue = rendered(Role.ALL_IN_ONE)["exporters"]["jaeger_storage_exporter"]["queue"]
    assert (queue["enabled"], queue["sizer"]) == (True, "bytes")


@pytest.mark.parametrize("tail", [{}, TAIL], ids=["head", "tail"])
def test_every_span_says_its_cluster_and_environment(tail: dict[str, Any]) -> None:
    document = rendered(Role.COLLECTOR, cluster="dharma-production", environment="prod", **tail)
    said = {action["key"]: action["value"] for action in document["processors"]["attributes"]["actions"]}
    assert said == {"cluster": "dharma-production", "environment": "prod"}
    # Before batches are made, and before it is decided which traces are kept.
    assert document["service"]["pipelines"]["traces"]["processors"][:2] == ["memory_limiter", "attributes"]


def test_the_password_is_a_file_and_never_text() -> None:
    login = backend(rendered(Role.COLLECTOR, username="jaeger"))["auth"]["basic"]
    assert login["username"] == "jaeger"
    assert "password" not in login
    assert login["password_file"].startswith("/etc/span-store/login/")
    assert "auth" not in backend(rendered(Role.COLLECTOR))


def test_the_kind_of_store_is_a_value() -> None:
    assert backend(rendered(Role.QUERY, store_kind="elasticsearch"), "elasticsearch")["http_compression"] is True


def test_a_retention_under_a_day_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^jaeger.retention_hours is 12; set 24 or more \(indices are daily\)$"):
        JaegerValues(retention_hours=12)


def test_shards_follow_from_retention_and_copies() -> None:
    assert shards_in_use(72, shards=2, replicas=1) == 5 * 3 * 2 * 2


def test_sampling_is_as_declared_and_health_checks_are_rare_everywhere() -> None:
    platform = load_platform(CONFIGS / "services.yaml")
    strategies = json.loads(render_sampling(platform.services, platform.health_checks))
    shares = {one["service"]: one["param"] for one in strategies["service_strategies"]}
    assert shares == {service.name: service.sampling_share for service in platform.services}
    default = strategies["default_strategy"]
    assert default["param"] == UNDECLARED_SHARE
    rare = {one["operation"]: one["param"] for one in default["operation_strategies"]}
    for path in platform.health_checks.paths:
        assert rare[f"GET {path}"] == 0.01


UI = (CONFIGS / "jaeger" / "ui.json").read_text(encoding="utf-8")


def test_the_uis_links_go_to_the_grafana_that_people_open() -> None:
    text = render_ui(UI, "https://grafana.example/", 72)
    ui = json.loads(text)
    assert "grafana.monitoring" not in text
    assert ui["dependencies"]["menuEnabled"] is True
    assert all(link["url"].startswith("https://grafana.example/") for link in ui["linkPatterns"])


@pytest.mark.parametrize(
    ("retention_hours", "lookback"),
    [
        (24, {"label": "1 Day", "value": "1d"}),
        (36, {"label": "36 Hours", "value": "36h"}),
        (72, {"label": "3 Days", "value": "3d"}),
    ],
)
def test_the_ui_looks_back_as_far_as_spans_are_kept(retention_hours: int, lookback: dict[str, str]) -> None:
    ui = json.loads(render_ui(UI, "https://grafana.example", retention_hours))
    assert ui["search"]["maxLookback"] == lookback
    [logs] = [link["url"] for link in ui["linkPatterns"] if link["type"] == "traces"]
    asked = json.loads(parse_qs(urlsplit(logs.replace("#", "%23")).query)["panes"][0])["logs"]
    assert asked["range"] == {"from": f"now-{retention_hours}h", "to": "now"}
    assert "trace_id=`#{traceID}`" in asked["queries"][0]["expr"]


def test_the_ui_as_it_stands_is_that_of_72_hours() -> None:
    written, made = json.loads(UI), json.loads(render_ui(UI, "http://grafana.monitoring:3000", 72))
    assert written["search"] == made["search"]


def test_a_span_links_to_the_dashboard_of_its_service_by_a_tag_that_services_send() -> None:
    ui = json.loads(render_ui(UI, "https://grafana.example", 72))
    [link] = [link for link in ui["linkPatterns"] if link["type"] == "process"]
    assert link["url"] == f"https://grafana.example/d/service-details?var-service=#{{{link['key']}}}"
    platform = load_platform(CONFIGS / "services.yaml")
    for deployment in services(platform, "", "image", PlatformSettings()):
        if deployment["kind"] == "Deployment":
            [container] = deployment["spec"]["template"]["spec"]["containers"]
            [attributes] = [one["value"] for one in container["env"] if one["name"] == "OTEL_RESOURCE_ATTRIBUTES"]
            assert f"{link['key']}={deployment['metadata']['name']}" in attributes.split(",")


def test_where_it_is_decided_at_the_end_every_trace_is_begun_but_health_checks() -> None:
    platform = load_platform(CONFIGS / "services.yaml")
    told = json.loads(render_sampling(platform.services, platform.health_checks, at_the_end=True))
    assert {each["param"] for each in told["service_strategies"]} == {1.0} == {told["default_strategy"]["param"]}
    rare = told["default_strategy"]["operation_strategies"]
    assert {each["param"] for each in rare} == {platform.health_checks.sampling_share}
