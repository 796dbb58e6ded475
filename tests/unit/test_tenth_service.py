"""A tenth service: one entry in services.yaml, and everything that is rendered from it follows."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from rendering.dashboards import all_dashboards
from rendering.dashboards.links import Uid
from rendering.declarations import Platform, check_owners, load_platform, load_teams
from rendering.profiles import Profile
from rendering.promtail import team_relabelings
from rendering.routes import alertmanager_config
from rendering.sampling import render_sampling
from rendering.scrape import PrometheusConfigArgs, prometheus_config
from rendering.slo import declared_rules
from tests.unit.test_routes import channels
from tests.unit.test_scrape import relabelled

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
TEAMS = load_teams(CONFIGS / "teams.yaml")
ENTRY = """\
  - name: billing-service
    port: 3009
    team: security
    tier: critical
    namespace: billing
    sampling_share: 0.25
    slo: { latency_ms: 250 }
"""
WHO = {"service": "billing-service", "team": "security", "tier": "critical", "namespace": "billing"}


@pytest.fixture
def ten(tmp_path: Path) -> Platform:
    path = tmp_path / "services.yaml"
    path.write_text((CONFIGS / "services.yaml").read_text(encoding="utf-8") + ENTRY, encoding="utf-8")
    return load_platform(path)


def job(platform: Platform, name: str) -> dict[str, Any]:
    args = PrometheusConfigArgs(
        cluster="c",
        environment="test",
        profile=Profile.EKS,
        alertmanagers=("alertmanager:9093",),
        retention_days=30,
        retention_size_mib=8192,
    )
    jobs = prometheus_config(platform, args)["scrape_configs"]
    return next(one for one in jobs if one["job_name"] == name)


def test_it_is_scraped_by_pod_in_its_own_namespace_with_its_labels(ten: Platform) -> None:
    services = job(ten, "services")
    [discovery] = services["kubernetes_sd_configs"]
    assert "billing" in discovery["namespaces"]["names"]
    pod = {
        "__meta_kubernetes_namespace": "billing",
        "__meta_kubernetes_pod_name": "billing-service-1",
        "__meta_kubernetes_pod_label_app": "billing-service",
        "__meta_kubernetes_pod_container_port_number": "3009",
    }
    target = relabelled(services["relabel_configs"], pod)
    assert target is not None
    assert {label: target[label] for label in WHO} == WHO


def test_its_health_page_is_probed(ten: Platform) -> None:
    targets = {one["targets"][0]: one["labels"] for one in job(ten, "blackbox-service-health")["static_configs"]}
    assert targets["http://billing-service.billing.svc:3009/health"] == WHO


def test_its_absence_would_be_noticed_and_its_objectives_are_measured(ten: Platform) -> None:
    own = [
        rule
        for group in declared_rules(ten, ())["groups"]
        for rule in group["rules"]
        if rule["labels"].get("service") == "billing-service"
    ]
    assert all(WHO.items() <= rule["labels"].items() for rule in own)
    [info] = [rule["expr"] for rule in own if rule["record"] == "platform:service:info"]
    objectives = {
        rule["labels"]["slo"]: rule["expr"] for rule in own if rule["record"] == "service_slo:objective:ratio"
    }
    [bound] = [rule["labels"]["le"] for rule in own if rule["record"] == "service_slo:latency_objective:info"]
    assert info == "vector(1)"
    assert objectives == {"availability": "vector(0.999)", "errors": "vector(0.99)", "latency": "vector(0.95)"}
    assert bound == "0.25"


def test_its_alerts_have_an_owner_who_is_told(ten: Platform) -> None:
    check_owners(ten, TEAMS)
    routes = alertmanager_config(TEAMS, channels())["route"]["routes"]
    assert [route["receiver"] for route in routes if 'team="security"' in route.get("matchers", [])] == [
        "team-security"
    ]


def test_its_traces_are_sampled_and_its_lines_have_a_team(ten: Platform) -> None:
    strategies = json.loads(render_sampling(ten.services, ten.health_checks))["service_strategies"]
    assert {"service": "billing-service", "type": "probabilistic", "param": 0.25} in strategies
    [names] = [step["regex"] for step in team_relabelings(ten.services) if step["replacement"] == "security"]
    assert "billing/billing-service" in names.split("|")


def test_dashboards_offer_it_and_the_first_page_has_a_tile_for_it(ten: Platform) -> None:
    rendered = [
        json.loads(text)
        for dashboards in all_dashboards(ten.services, runbook_base_url="https://runbooks.example").values()
        for text in dashboards.values()
    ]
    variables = {
        board["uid"]: json.dumps(variable["query"])
        for board in rendered
        for variable in board["templating"].get("list", [])
        if variable["name"] == "service"
    }
    assert {"service-details", "slos", "logs"} <= set(variables)
    made_of = "platform:service:info|service_slo:objective:ratio|namespace_pod:service:info"
    named = {uid: query for uid, query in variables.items() if uid in ("service-details", "slos", "logs")}
    assert all(re.search(made_of, query) for query in named.values())
    assert not any(service.name in query for query in variables.values() for service in ten.services)
    [overview] = [board for board in rendered if board["uid"] == Uid.OVERVIEW]
    assert "The 10 services" in json.dumps(overview)


def test_no_rule_names_a_service_so_that_none_is_forgotten() -> None:
    names = "|".join(service.name for service in load_platform(CONFIGS / "services.yaml").services)
    for path in CONFIGS.glob("*/rules/*.yaml"):
        assert re.findall(names, path.read_text(encoding="utf-8")) == [], path.name
