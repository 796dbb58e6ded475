"""What does a stack cost, and is the sum made of what it should be?"""

from dataclasses import replace
from pathlib import Path

import pulumi
import pytest
import yaml

from components import cost as stack_cost
from components.settings.grafana_database import GrafanaDatabaseSettings
from components.settings.loki import LokiSettings
from components.settings.span_store import SpanStoreSettings
from rendering import cost
from rendering.cost import Demand, Figures, Footprint
from rendering.declarations import load_platform
from rendering.prices import CostError, Prices, load_prices
from tests.span_stores import IN_CLUSTER
from tests.stack_files import ROOT, costs_of, settings_of

ASKED_USD = 350
PRICE_LIST = ROOT / "configs" / "cost.yaml"


@pytest.fixture(scope="module")
def prices() -> Prices:
    return load_prices(PRICE_LIST)


@pytest.fixture(scope="module")
def prod() -> Figures:
    return costs_of("prod")


def usd(demand: Demand, prices: Prices, tool: str, what: str) -> float:
    return sum(row.usd for row in cost.estimate(demand, prices).rows if (row.tool, row.what) == (tool, what))


def test_production_costs_at_most_what_the_task_says(prod: Figures) -> None:
    assert 100 < prod.estimate().total_usd <= ASKED_USD


def test_staging_costs_less_than_half_of_production(prod: Figures) -> None:
    assert costs_of("staging").estimate().total_usd < prod.estimate().total_usd / 2


def test_every_tool_is_in_the_sum(prod: Figures) -> None:
    tools = {"prometheus", "alertmanager", "grafana", "loki", "promtail", "jaeger", "span store", "exporters"}

    assert tools <= prod.estimate().by_tool().keys()
    assert sum(prod.estimate().by_tool().values()) == pytest.approx(prod.estimate().total_usd)


def test_grafanas_replicas_are_each_paid_for_and_on_postgresql_they_have_no_volume() -> None:
    platform = load_platform(ROOT / "configs" / "services.yaml")
    settings = settings_of("prod")
    database = GrafanaDatabaseSettings(host="db.example.com", sslmode="require")
    shared = settings.grafana.model_copy(update={"replicas": 3, "database": database})

    before, after = (
        next(
            one
            for one in stack_cost.figures(settings.model_copy(update={"grafana": each}), platform).demand.footprints
            if one.tool == "grafana"
        )
        for each in (settings.grafana, shared)
    )

    assert after == replace(
        before, cpu_millicores=3 * before.cpu_millicores, memory_mib=3 * before.memory_mib, volume_gib=0
    )
    assert before.volume_gib > 0


def test_a_loki_of_three_pays_for_its_memcached_too() -> None:
    platform = load_platform(ROOT / "configs" / "services.yaml")
    settings = settings_of("prod")

    def memory_mib(replicas: int) -> int:
        changed = settings.model_copy(update={"loki": settings.loki.model_copy(update={"replicas": replicas})})
        footprints = stack_cost.figures(changed, platform).demand.footprints
        return sum(one.memory_mib for one in footprints if one.tool == "loki")

    memcached, results_mib = settings.loki.memcached, settings.loki.results_cache_mib
    least = memcached.replicas * (memcached.chunks_mib + results_mib)
    assert memory_mib(1) == settings.loki.resources.memory_mib
    assert memory_mib(3) > 3 * settings.loki.resources.memory_mib + least


def test_a_loki_of_microservices_pays_for_each_of_them_and_for_the_volumes_of_four() -> None:
    platform = load_platform(ROOT / "configs" / "services.yaml")
    settings = settings_of("prod")
    loki = LokiSettings(layout="microservices", storage=settings.loki.storage)
    changed = settings.model_copy(update={"loki": loki})

    found = [one for one in stack_cost.figures(changed, platform).demand.footprints if one.tool == "loki"]

    # 3 ingesters, 2 index gateways, 2 rulers, a compactor
    assert sum(one.volume_gib for one in found) == 8 * loki.storage.size_gib
    assert sum(one.cpu_millicores for one in found) > 21_000  # what they ask for, and their caches


def test_a_span_store_in_the_cluster_pays_for_its_nodes_volumes_and_for_the_one_of_its_snapshots(
    prices: Prices,
) -> None:
    wanted = IN_CLUSTER | {
        "instance_count": 3,
        "storage": {"size_gib": 20},
        "snapshot_storage": {"size_gib": 50, "storage_class": "efs"},
    }
    settings = settings_of("prod").model_copy(update={"span_store": SpanStoreSettings.model_validate(wanted)})
    demand = stack_cost.figures(settings, load_platform(ROOT / "configs" / "services.yaml")).demand

    assert usd(demand, prices, "span store", "volumes") == pytest.approx(3 * 20 * 0.08)
    assert usd(demand, prices, "span store", "shared volume") == pytest.approx(50 * 0.30)


def test_a_pod_pays_for_what_it_asks_more_of(prod: Figures, prices: Prices) -> None:
    half_of_cpu = Footprint(tool="t", cpu_millicores=prices.nodes.allocatable_cpu_millicores // 2, memory_mib=1)
    all_memory = Footprint(tool="t", cpu_millicores=1, memory_mib=prices.nodes.allocatable_memory_mib)
    for footprint, share in ((half_of_cpu, 0.5), (all_memory, 1)):
        demand = replace(prod.demand, footprints=(footprint,))

        assert usd(demand, prices, "t", "share of nodes") == pytest.approx(share * 0.096 * 730)


def test_a_load_balancer_has_an_address_in_every_zone(prod: Figures, prices: Prices) -> None:
    footprint = Footprint(tool="t", cpu_millicores=0, memory_mib=0, load_balancers=1)
    two, three = (
        usd(replace(prod.demand, footprints=(footprint,), zones=zones), prices, "t", "load balancer")
        for zones in (2, 3)
    )

    assert three - two == pytest.approx(0.005 * 730)


def test_logs_are_stored_for_retention_and_for_the_days_of_old_versions(prod: Figures, prices: Prices) -> None:
    short = replace(prod.demand, log_gb_per_day=8, log_retention_days=10, noncurrent_days=7)

    standard, infrequent = cost.stored_log_gb(short, prices)

    assert standard == pytest.approx(8 / prices.measured.log_compression * 17)
    assert infrequent == 0


def test_infrequent_access_is_paid_for_thirty_days_at_least(prod: Figures, prices: Prices) -> None:
    per_day = prod.demand.log_gb_per_day / prices.measured.log_compression
    for retention, days in ((30, 30), (90, 67)):
        demand = replace(prod.demand, log_retention_days=retention, noncurrent_days=7)

        assert cost.stored_log_gb(demand, prices)[1] == pytest.approx(per_day * days)


def test_infrequent_access_costs_at_a_month_of_retention_and_saves_at_three(prod: Figures, prices: Prices) -> None:
    def saved(retention_days: int) -> float:
        demand = replace(prod.demand, log_retention_days=retention_days)
        [found] = [one for one in cost.savings(demand, prices) if one.measure.startswith("infrequent access")]
        return found.usd

    assert saved(30) < 0 < saved(90)


def test_a_quiet_stream_makes_chunks_by_age_and_a_loud_one_by_size(prod: Figures, prices: Prices) -> None:
    quiet = replace(prod.demand, log_gb_per_day=0.001, log_streams=10, chunk_max_age_hours=2)
    loud = replace(prod.demand, log_gb_per_day=1000, log_streams=10, chunk_bytes=10**6)

    assert cost.chunks_per_month(quiet, prices) == 10 * 12 * 30
    assert cost.chunks_per_month(loud, prices) == pytest.approx(1000e9 / prices.measured.log_compression / 1e6 * 30)


def test_the_volumes_of_production_hold_the_spans_of_its_load(prod: Figures) -> None:
    domain = prod.demand.domain
    assert domain is not None

    needed_gib = cost.spans_gib(prod.demand, prod.prices) / cost.USABLE_SHARE

    assert needed_gib <= domain.instance_count * domain.volume_gib


def test_spans_that_do_not_fit_are_charged_as_the_disk_they_need(prod: Figures, prices: Prices) -> None:
    many = replace(prod.demand, spans_per_second=prod.demand.spans_per_second * 10)

    assert usd(many, prices, "span store", "its volumes") > 5 * usd(prod.demand, prices, "span store", "its volumes")


def test_sampling_is_decided_where_a_trace_starts(prod: Figures) -> None:
    by_requests = 20 * prod.prices.assumed.spans_per_request  # the gateway keeps all of them

    assert by_requests < prod.demand.spans_per_second < prod.demand.spans_per_second_unsampled


@pytest.mark.parametrize("measure", ["compression of chunks", "debug lines dropped", "old versions", "sampling"])
def test_each_measure_saves(measure: str, prod: Figures) -> None:
    [found] = [one for one in cost.savings(prod.demand, prod.prices) if one.measure.startswith(measure)]

    assert found.usd > 0


def test_hosted_services_cost_several_times_as_much(prod: Figures) -> None:
    for title, (monthly_usd, _) in cost.hosted(prod.demand, prod.prices).items():
        assert monthly_usd > 3 * prod.estimate().total_usd, title


def test_an_instance_type_without_a_price_is_named_and_stops_nothing(
    prod: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    domain = cost.Domain(instance_type="x9.huge.search", instance_count=2, volume_gib=1)
    unknown = replace(prod, demand=replace(prod.demand, domain=domain))
    warnings: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)

    with pytest.raises(CostError, match=r"x9.huge.search; write its price into configs/cost.yaml"):
        unknown.estimate()
    assert stack_cost.announced(unknown) == {}
    assert "x9.huge.search" in warnings[0]


def test_preview_says_the_sum_and_whose_prices_they_are(prod: Figures, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "info", said.append)

    exported = stack_cost.announced(prod)

    assert exported["total"] == round(prod.estimate().total_usd, 2)
    assert exported.keys() - {"total"} == prod.estimate().by_tool().keys()
    assert f"${exported['total']:.0f} a month" in said[0]
    assert "us-east-1" in said[0]


def test_every_price_says_whose_it_is_of_when_and_where_it_was_read() -> None:
    listed = yaml.safe_load(PRICE_LIST.read_text())
    groups = {name: group for name, group in (listed | listed["hosted"]).items() if isinstance(group, dict)}
    priced = {name: group for name, group in groups.items() if any("usd" in key for key in group)}

    assert len(priced) >= 10
    for name, group in priced.items():
        assert group["source"].startswith("https://"), name
        assert group["as_of"] >= "2025", name
        assert group["read_in"], name


def test_a_bad_price_list_is_refused_with_the_field(tmp_path: Path) -> None:
    listed = yaml.safe_load(PRICE_LIST.read_text())
    listed["nodes"]["usd_per_hour"] = "cheap"
    path = tmp_path / "cost.yaml"
    path.write_text(yaml.safe_dump(listed))

    with pytest.raises(CostError, match=r"cost.yaml: nodes.usd_per_hour"):
        load_prices(path)
