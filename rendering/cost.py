"""What a stack costs a month: plain demands and public list prices in, rows of USD out.

The prices, and what was measured or is assumed of a signal's size, are configs/cost.yaml. What a stack demands follows
from its settings (components/demand.py). An estimate, never a bill.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from rendering.prices import CostError, Prices

DAYS_PER_MONTH = 30
SECONDS_PER_DAY = 86_400
SPANS_KEPT_HOURS = 24  # an index is a day, and goes when its youngest span is past retention
USABLE_SHARE = 0.8  # of the span store's disk, before OpenSearch moves shards away


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """What the pods of one tool ask for, all replicas together, and what stands in front of them."""

    tool: str
    cpu_millicores: int
    memory_mib: int
    volume_gib: int = 0
    shared_gib: int = 0  # of volumes that several pods mount at once
    load_balancers: int = 0


@dataclass(frozen=True, kw_only=True)
class Domain:
    """A managed OpenSearch domain."""

    instance_type: str
    instance_count: int
    volume_gib: int  # of each


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What one stack asks for and takes in."""

    footprints: tuple[Footprint, ...]
    domain: Domain | None  # None: in the cluster (then a footprint), or somebody else's
    span_copies: int  # of each span, the first included
    span_retention_hours: int
    spans_per_second: float  # kept, after sampling
    spans_per_second_unsampled: float
    log_gb_per_day: float  # that reach Loki, debug lines left out where they are dropped
    log_retention_days: int
    log_streams: int
    infrequent_after_days: int | None  # None: no such rule
    noncurrent_days: int  # S3 keeps what was deleted for so long
    chunk_bytes: int
    chunk_max_age_hours: float
    nodes: int
    zones: int
    series: int
    requests_per_second: float
    scrape_interval_seconds: int
    prometheus_replicas: int
    debug_dropped: bool


@dataclass(frozen=True)
class Row:
    tool: str
    what: str
    of_what: str
    usd: float


@dataclass(frozen=True)
class Estimate:
    rows: tuple[Row, ...]

    @property
    def total_usd(self) -> float:
        return sum(row.usd for row in self.rows)

    def by_tool(self) -> Mapping[str, float]:
        """USD a month, dearest first."""
        sums: dict[str, float] = {}
        for row in self.rows:
            sums[row.tool] = sums.get(row.tool, 0) + row.usd
        return dict(sorted(sums.items(), key=lambda item: -item[1]))


def estimate(demand: Demand, prices: Prices) -> Estimate:
    """USD a month. Raises CostError for an OpenSearch instance type without a price."""
    rows = [row for footprint in demand.footprints for row in _of_pods(footprint, demand, prices)]
    rows += [*_of_logs(demand, prices), *_of_domain(demand, prices), *_of_traffic(demand, prices)]
    rows.append(Row("secrets", "KMS key", "of Pulumi's state", prices.keys.usd_per_month))
    return Estimate(tuple(row for row in rows if row.usd > 0))


def _of_pods(footprint: Footprint, demand: Demand, prices: Prices) -> list[Row]:
    """Pods take of a node whatever they ask more of: a node whose memory is gone sells no more CPU."""
    cpu = footprint.cpu_millicores / prices.nodes.allocatable_cpu_millicores
    memory = footprint.memory_mib / prices.nodes.allocatable_memory_mib
    asked = f"{footprint.cpu_millicores / 1000:.2f} CPU, {footprint.memory_mib / 1024:.1f} GiB"
    hours, balancers = prices.hours_per_month, prices.balancers
    per_balancer = hours * (balancers.usd_per_hour + demand.zones * balancers.address_usd_per_hour)
    per_balancer += prices.assumed.ui_gb_per_month * balancers.capacity_usd_per_hour
    return [
        Row(footprint.tool, "share of nodes", asked, max(cpu, memory) * prices.node_usd),
        Row(
            footprint.tool,
            "volumes",
            f"{footprint.volume_gib} GiB gp3",
            footprint.volume_gib * prices.volumes.usd_per_gib_month,
        ),
        Row(
            footprint.tool,
            "shared volume",
            f"{footprint.shared_gib} GiB EFS",
            footprint.shared_gib * prices.shared_volumes.usd_per_gib_month,
        ),
        Row(
            footprint.tool,
            "load balancer",
            f"{footprint.load_balancers}, an address in each of {demand.zones} zones",
            footprint.load_balancers * per_balancer,
        ),
    ]


def stored_log_gb(demand: Demand, prices: Prices) -> tuple[float, float]:
    """GB paid for at any time, standard and infrequent access: what is kept, and what is deleted but not yet gone."""
    per_day = demand.log_gb_per_day / prices.measured.log_compression
    days = demand.log_retention_days + demand.noncurrent_days
    standard = days if demand.infrequent_after_days is None else min(days, demand.infrequent_after_days)
    infrequent = max(days - standard, prices.objects.infrequent_least_days) if days > standard else 0
    return per_day * standard, per_day * infrequent


def chunks_per_month(demand: Demand, prices: Prices) -> float:
    """A chunk is written when it is full, or when it is old: whichever makes more of them."""
    compressed = demand.log_gb_per_day * 1e9 / prices.measured.log_compression
    by_size = compressed / demand.chunk_bytes
    by_age = demand.log_streams * 24 / demand.chunk_max_age_hours
    return max(by_size, by_age) * DAYS_PER_MONTH


def _of_logs(demand: Demand, prices: Prices) -> list[Row]:
    objects, measured = prices.objects, prices.measured
    standard, infrequent = stored_log_gb(demand, prices)
    chunks = chunks_per_month(demand, prices)
    writes = chunks + measured.index_writes_per_hour * prices.hours_per_month
    reads = measured.reads_per_hour * prices.hours_per_month
    moved = chunks if infrequent else 0
    requests = writes * objects.write_usd_per_1000 + reads * objects.read_usd_per_1000
    requests += moved * objects.transition_usd_per_1000
    return [
        Row("loki", "bucket", f"{standard:.0f} GB of chunks", standard * objects.standard_usd_per_gb_month),
        Row(
            "loki",
            "bucket, infrequent access",
            f"{infrequent:.0f} GB of chunks",
            infrequent * objects.infrequent_usd_per_gb_month,
        ),
        Row("loki", "bucket requests", f"{writes:,.0f} writes, {reads:,.0f} reads", requests / 1000),
    ]


def spans_gib(demand: Demand, prices: Prices) -> float:
    """On all disks of the span store together, copies included, just before an old index goes."""
    seconds = (demand.span_retention_hours + SPANS_KEPT_HOURS) * 3600
    return demand.spans_per_second * seconds * prices.measured.bytes_per_span * demand.span_copies / 2**30


def _of_domain(demand: Demand, prices: Prices) -> list[Row]:
    domain, search = demand.domain, prices.search
    if domain is None:
        return []
    if domain.instance_type not in search.instance_usd_per_hour:
        raise CostError(
            f"span_store.instance_type is {domain.instance_type}; write its price into configs/cost.yaml under "
            f"search.instance_usd_per_hour (known: {', '.join(search.instance_usd_per_hour)})"
        )
    hourly = search.instance_usd_per_hour[domain.instance_type]
    # Spans that do not fit want more disk than the settings say.
    needed = math.ceil(spans_gib(demand, prices) / USABLE_SHARE)
    disk_gib = max(domain.instance_count * domain.volume_gib, needed)
    return [
        Row(
            "span store",
            "domain",
            f"{domain.instance_count} x {domain.instance_type}",
            domain.instance_count * hourly * prices.hours_per_month,
        ),
        Row("span store", "its volumes", f"{disk_gib} GiB gp3", disk_gib * search.volume_usd_per_gib_month),
    ]


def sent_gb(demand: Demand, prices: Prices) -> Mapping[str, float]:
    """GB a month that pods send to each tool."""
    month = DAYS_PER_MONTH * SECONDS_PER_DAY
    samples = demand.series / demand.scrape_interval_seconds * month * demand.prometheus_replicas
    return {
        "prometheus": samples * prices.measured.bytes_per_sample_scraped / 1e9,
        "loki": demand.log_gb_per_day * DAYS_PER_MONTH,
        "jaeger": demand.spans_per_second * month * prices.assumed.bytes_per_span_sent / 1e9,
        "span store": demand.spans_per_second * month * prices.assumed.bytes_per_span_sent / 1e9,
    }


def _of_traffic(demand: Demand, prices: Prices) -> list[Row]:
    """Of what a pod sends, all but one zone's share leaves its zone."""
    crossing = (demand.zones - 1) / demand.zones
    return [
        Row(tool, "traffic between zones", f"{gb * crossing:.0f} GB", gb * crossing * prices.traffic.usd_per_gb)
        for tool, gb in sent_gb(demand, prices).items()
    ]


@dataclass(frozen=True, kw_only=True)
class Figures:
    """All that the dashboard and the page need of one stack."""

    demand: Demand
    prices: Prices

    def estimate(self) -> Estimate:
        """Raises CostError like `estimate`."""
        return estimate(self.demand, self.prices)


@dataclass(frozen=True)
class Saving:
    measure: str
    where: str
    without: str
    usd: float


def savings(demand: Demand, prices: Prices) -> list[Saving]:
    """What a month would cost more without each measure, everything else as it is."""

    def more(changed: Demand, with_prices: Prices = prices) -> float:
        return estimate(changed, with_prices).total_usd - estimate(demand, prices).total_usd

    lines = demand.log_gb_per_day
    undropped = lines / (1 - prices.assumed.debug_line_share) if demand.debug_dropped else lines
    uncompressed = prices.model_copy(update={"measured": prices.measured.model_copy(update={"log_compression": 1.0})})
    unmoved = replace(demand, infrequent_after_days=None)
    unsampled = replace(demand, spans_per_second=demand.spans_per_second_unsampled)
    return [
        Saving(
            "compression of chunks",
            "`chunk_encoding` in `configs/loki/loki.yaml`",
            f"{prices.measured.log_compression:g} times the bytes in the bucket",
            more(demand, uncompressed),
        ),
        Saving(
            "debug lines dropped",
            "`logs.drop_debug`",
            f"{undropped:.1f} GB of lines a day in place of {lines:.1f}",
            more(replace(demand, log_gb_per_day=undropped)),
        ),
        Saving(
            "infrequent access after 30 days",
            "lifecycle of the bucket",
            f"{sum(stored_log_gb(unmoved, prices)):.0f} GB at the standard price",
            more(unmoved),
        ),
        Saving(
            "old versions expire after 7 days",
            "lifecycle of the bucket",
            "a year of deleted chunks, and more every day",
            more(replace(demand, noncurrent_days=365)),
        ),
        Saving(
            "sampling",
            "`sampling_share` in `configs/services.yaml`",
            f"{demand.spans_per_second_unsampled:.0f} spans a second in place of {demand.spans_per_second:.0f}, "
            f"{spans_gib(unsampled, prices):.0f} GiB in place of {spans_gib(demand, prices):.0f}",
            more(unsampled),
        ),
    ]


def hosted(demand: Demand, prices: Prices) -> Mapping[str, tuple[float, str]]:
    """The same load at hosted services: title -> USD a month, and what it is made of."""
    sent = sent_gb(demand, prices)
    logs_gb, traces_gb = sent["loki"], sent["jaeger"]
    dog, cloud, relic = prices.hosted.datadog, prices.hosted.grafana_cloud, prices.hosted.new_relic
    custom = demand.series * prices.measured.services_series_share - demand.nodes * dog.custom_metrics_included_per_host
    million_lines = logs_gb * 1e9 / prices.measured.bytes_per_line / 1e6
    datadog = demand.nodes * (dog.host_usd + dog.apm_host_usd)
    datadog += max(custom, 0) / 100 * dog.custom_metrics_usd_per_100
    datadog += logs_gb * dog.log_usd_per_gb + million_lines * dog.log_usd_per_million_lines
    series = demand.series * 60 / demand.scrape_interval_seconds
    grafana = cloud.platform_usd + max(series - cloud.series_included, 0) / 1000 * cloud.series_usd_per_1000
    grafana += max(logs_gb - cloud.gb_included, 0) * cloud.log_usd_per_gb
    grafana += max(traces_gb - cloud.gb_included, 0) * cloud.trace_usd_per_gb
    grafana += max(prices.assumed.users - cloud.users_included, 0) * cloud.user_usd
    newrelic = max(logs_gb + traces_gb - relic.gb_included, 0) * relic.gb_usd + relic.full_users * relic.user_usd
    return {
        dog.title: (
            datadog,
            f"{demand.nodes} hosts with APM, {max(custom, 0):,.0f} custom metrics, {logs_gb:.0f} GB and "
            f"{million_lines:,.0f} million lines kept 15 days",
        ),
        cloud.title: (
            grafana,
            f"{demand.series:,} series at {60 / demand.scrape_interval_seconds:g} samples a minute, {logs_gb:.0f} GB "
            f"of logs, {traces_gb:.0f} GB of spans, {prices.assumed.users} users",
        ),
        relic.title: (
            newrelic,
            f"{logs_gb + traces_gb:.0f} GB of logs and spans, {relic.full_users} full users; metrics not counted",
        ),
    }


def infrequent_pays_from_days(demand: Demand, prices: Prices) -> int:
    """Days of retention from which on moving chunks to infrequent access costs less than leaving them."""
    for days in range(demand.log_retention_days, 3650):
        kept = replace(demand, log_retention_days=days)
        left = replace(kept, infrequent_after_days=None)
        if estimate(kept, prices).total_usd < estimate(left, prices).total_usd:
            return days
    raise CostError("objects.infrequent_usd_per_gb_month is no less than the standard price; mend configs/cost.yaml")
