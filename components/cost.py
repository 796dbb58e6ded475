"""What a stack costs by its settings: what they ask for and take in, priced by the model (rendering/cost.py)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pulumi

from components.exporters import requests as exporter_requests
from components.loki_cache import requests as cache_requests
from components.loki_gateway import RESOURCES as GATEWAY_RESOURCES
from components.loki_gateway import replicas as gateway_replicas
from components.loki_microservices import KEEP, ROUTERS
from components.object_store import INFREQUENT_ACCESS_AFTER_DAYS, NONCURRENT_DAYS
from components.settings.base import Exposure, Resources, Storage
from components.settings.tree import Settings
from rendering import cost, documents
from rendering.declarations import Platform
from rendering.loki_size import MICROSERVICES
from rendering.prices import Assumed, CostError, Prices, load_prices

ROOT = Path(__file__).resolve().parents[1]
PRICES = ROOT / "configs" / "cost.yaml"
STREAMS_BESIDE_SERVICES = 30  # containers of the stack itself, the cluster's own, each node's journal


def figures(settings: Settings, platform: Platform) -> cost.Figures:
    """The demand of the stack that has these settings, and the list prices. Raises CostError for a bad price list."""
    prices = load_prices(PRICES)
    return cost.Figures(demand=_demand(settings, platform, prices), prices=prices)


def announced(found: cost.Figures) -> Mapping[str, float]:
    """USD a month by tool and in all, said at preview too; empty, with a warning, where a price is missing."""
    try:
        estimate = found.estimate()
    except CostError as error:
        pulumi.log.warn(f"no estimate of what this stack costs: {error}")
        return {}
    by_tool = {tool: round(usd, 2) for tool, usd in estimate.by_tool().items()}
    dearest = ", ".join(f"{tool} ${usd:.0f}" for tool, usd in list(by_tool.items())[:4])
    pulumi.log.info(
        f"about ${estimate.total_usd:.0f} a month at the load in `load`, by list prices of {found.prices.region} "
        f"(docs/cost.md): {dearest}, ..."
    )
    return {"total": round(estimate.total_usd, 2), **by_tool}


def _demand(settings: Settings, platform: Platform, prices: Prices) -> cost.Demand:
    load, store = settings.load, settings.span_store
    kept, all_spans = _spans_per_second(settings, platform, prices.assumed)
    ingester = documents.load(ROOT / "configs" / "loki" / "loki.yaml")["ingester"]
    return cost.Demand(
        footprints=_footprints(settings),
        domain=cost.Domain(
            instance_type=store.instance_type, instance_count=store.instance_count, volume_gib=store.volume_gib
        )
        if store.mode == "managed"
        else None,
        span_copies=1 + store.replicas,
        span_retention_hours=settings.jaeger.retention_hours,
        spans_per_second=kept,
        spans_per_second_unsampled=all_spans,
        log_gb_per_day=load.log_gb_per_day,
        log_retention_days=settings.loki.retention_days,
        log_streams=len(platform.services) * prices.assumed.pods_per_service + STREAMS_BESIDE_SERVICES,
        infrequent_after_days=INFREQUENT_ACCESS_AFTER_DAYS,
        noncurrent_days=NONCURRENT_DAYS,
        chunk_bytes=ingester["chunk_target_size"],
        chunk_max_age_hours=float(ingester["max_chunk_age"].removesuffix("h")),
        nodes=load.nodes,
        zones=load.zones,
        series=settings.prometheus.expected_series,
        requests_per_second=load.requests_per_second,
        scrape_interval_seconds=settings.prometheus.scrape_interval_seconds,
        prometheus_replicas=settings.prometheus.replicas,
        debug_dropped=settings.logs.drop_debug,
    )


def _footprints(settings: Settings) -> tuple[cost.Footprint, ...]:
    jaeger, store, nodes = settings.jaeger, settings.span_store, settings.load.nodes
    jaeger_pods = jaeger.collector_replicas + jaeger.query_replicas if jaeger.layout == "split" else 1
    found = [
        _footprint(tool, chosen.resources, chosen.replicas, storage=chosen.storage, exposure=chosen.exposure)
        for tool, chosen in (
            ("prometheus", settings.prometheus),
            ("alertmanager", settings.alertmanager),
        )
    ]
    grafana = settings.grafana
    found += [
        _footprint(
            "grafana",
            grafana.resources,
            grafana.replicas,
            storage=grafana.storage if grafana.database is None else None,
            exposure=grafana.exposure,
        ),
        _footprint("jaeger", jaeger.resources, jaeger_pods, exposure=jaeger.exposure),
        _footprint(settings.logs.collector, settings.logs.resources, nodes),
    ]
    if store.mode == "in_cluster":
        each = _footprint("span store", store.resources, store.instance_count, storage=store.storage)
        found.append(replace(each, shared_gib=store.snapshot_storage.size_gib if store.snapshot_storage else 0))
    of_nodes, of_cluster = exporter_requests(settings.exporters)
    found.append(asked("exporters", [*of_cluster, *(each for each in of_nodes for _ in range(nodes))]))
    of_gateway = [GATEWAY_RESOURCES] * gateway_replicas(settings.loki)
    found += [*_loki(settings), asked("loki", [*cache_requests(settings.loki), *of_gateway])]
    return tuple(found)


def _loki(settings: Settings) -> Iterator[cost.Footprint]:
    """Its own processes; people reach it by its gateway, which has the load balancer, if there is one."""
    loki = settings.loki
    if loki.layout == "monolithic":
        yield _footprint("loki", loki.resources, loki.replicas, storage=loki.storage, exposure=loki.exposure)
        return
    for name in MICROSERVICES:
        replicas, resources = loki.microservice(name, settings.load.log_gb_per_day)
        yield _footprint("loki", resources, replicas, storage=loki.storage if name in KEEP else None)
    yield _footprint("loki", GATEWAY_RESOURCES, ROUTERS, exposure=loki.exposure)


def asked(tool: str, requests: Iterable[Resources]) -> cost.Footprint:
    """What pods of several sizes ask for, as one line."""
    each = list(requests)
    return cost.Footprint(
        tool=tool,
        cpu_millicores=sum(one.cpu_millicores for one in each),
        memory_mib=sum(one.memory_mib for one in each),
    )


def _footprint(
    tool: str, resources: Resources, pods: int, *, storage: Storage | None = None, exposure: Exposure | None = None
) -> cost.Footprint:
    return cost.Footprint(
        tool=tool,
        cpu_millicores=pods * resources.cpu_millicores,
        memory_mib=pods * resources.memory_mib,
        volume_gib=pods * storage.size_gib if storage else 0,
        load_balancers=int(exposure is not None and exposure.type == "LoadBalancer"),
    )


def _spans_per_second(settings: Settings, platform: Platform, assumed: Assumed) -> tuple[float, float]:
    """Kept and made: a trace is sampled where it starts, at the gateway or at a service that starts its own."""
    by_request = settings.load.requests_per_second * assumed.spans_per_request
    by_itself = assumed.own_traces_per_second * assumed.spans_per_own_trace
    by_probes = assumed.pods_per_service * assumed.probes_per_pod_per_second
    tail = settings.jaeger.tail_sampling  # what failed or was slow comes to its share; few, one hopes
    kept = made = 0.0
    for service in platform.services:
        own = by_request if service.name == assumed.entered_by else by_itself
        kept += (
            own * (tail.share if tail else service.sampling_share) + by_probes * platform.health_checks.sampling_share
        )
        made += own + by_probes
    return kept, made
