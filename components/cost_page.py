"""The page on cost, worked out from the stack files and the price list.

`python -m components.cost_page` writes docs/cost.md anew.
"""

import textwrap
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from components import cost as stack_cost
from components import settings
from components.loki_cache import requests as cache_requests
from components.settings.loki import LokiSettings
from rendering import cost
from rendering.cost import Figures
from rendering.declarations import load_platform
from rendering.prices import Prices

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "cost.md"
REWRITE = "python -m components.cost_page"
LONG_RETENTION_DAYS = 90


def figures_of(stack: str) -> Figures:
    """Of one stack file."""
    chosen = settings.of_stack_file(ROOT / f"Pulumi.{stack}.yaml")
    return stack_cost.figures(chosen, load_platform(ROOT / "configs" / "services.yaml"))


def current() -> str:
    """The page as it should be."""
    return page(figures_of("prod"), figures_of("staging")) + "\n"


def page(prod: Figures, staging: Figures) -> str:
    """The whole page."""
    return "\n\n".join(
        [
            _head(prod),
            _sum("Production", prod),
            _sum("Staging", staging),
            _savings(prod),
            _dearer(prod),
            _hosted(prod),
            _known(prod.prices),
            _watch(),
        ]
    )


def _head(prod: Figures) -> str:
    demand, assumed = prod.demand, prod.prices.assumed
    requests_per_second = demand.requests_per_second
    return "\n\n".join(
        [
            "# Cost",
            _text(
                f"Written by `{REWRITE}` from the stack files, [services.yaml](../configs/services.yaml) and the price "
                f"list [cost.yaml](../configs/cost.yaml). **An estimate**: public on-demand list prices of "
                f"{prod.prices.region}, no discount, no tax; nothing was billed. `pulumi preview` says the sum of the "
                "stack it previews, the stack output `monthly_cost_usd` has it by tool."
            ),
            _text(
                "The load is what a stack file declares under `load`. Production's is our reading of the task's "
                f'"about $350 a month", for it names none: {demand.nodes} nodes, {demand.series:,} active series, '
                f"{demand.log_gb_per_day:g} GB of log lines a day, {requests_per_second:g} requests a second at the "
                f"gateway with {assumed.spans_per_request:g} spans each. {demand.spans_per_second:.0f} spans a second "
                "are kept."
            ),
        ]
    )


def _text(paragraph: str) -> str:
    return textwrap.fill(paragraph, width=120, break_long_words=False, break_on_hyphens=False)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _usd(amount: float) -> str:
    if abs(amount) < 0.05:
        return "$0"
    sign = "-" if amount < 0 else ""
    return f"{sign}${abs(amount):.2f}" if abs(amount) < 10 else f"{sign}${abs(amount):.0f}"


def _sum(title: str, found: Figures) -> str:
    estimate = found.estimate()
    rows = []
    for tool, usd in estimate.by_tool().items():
        rows.append([f"**{tool}**", "", f"**{_usd(usd)}**"])
        rows += [["", f"{row.what}: {row.of_what}", _usd(row.usd)] for row in estimate.rows if row.tool == tool]
    rows.append(["**sum**", "", f"**{_usd(estimate.total_usd)}**"])
    return f"## {title}\n\n" + _table(("tool", "what", "a month"), rows)


def _savings(prod: Figures) -> str:
    longer = replace(prod.demand, log_retention_days=LONG_RETENTION_DAYS)
    rows = [
        [one.measure, one.where, one.without, _usd(one.usd)]
        for retention, demand in (("", prod.demand), (f", at {LONG_RETENTION_DAYS} days of retention", longer))
        for one in (replace(found, measure=found.measure + retention) for found in cost.savings(demand, prod.prices))
        if not retention or one.measure.startswith("infrequent")
    ]
    measured = prod.prices.measured
    pays_from = cost.infrequent_pays_from_days(prod.demand, prod.prices)
    recorded_usd = measured.recorded_series / prod.demand.series * _volume_usd(prod)
    return "\n\n".join(
        [
            "## What saves",
            _text(
                "Production's sum less each measure, everything else as it is. What the figures rest on was measured "
                f"on the sandbox ({measured.as_of}) where it could be: {measured.bytes_per_line:g} bytes a line, "
                f"{measured.log_compression:g} bytes of log in a byte of chunk, {measured.bytes_per_span:g} bytes a "
                "span in OpenSearch. The share of debug lines is assumed "
                f"({prod.prices.assumed.debug_line_share:.0%}): the sandbox's services write none."
            ),
            _table(("measure", "where", "without it", "saves a month"), rows),
            _text(
                "Infrequent access was asked for and is on. At 30 days of retention it *costs* a little: a chunk is "
                "moved in its last hours, the move is paid for, and so are 30 days there. It pays from about "
                f"{pays_from} days on."
            ),
            _text(
                f"Recording rules save time, not money. {measured.recorded_series:,} recorded series are read in place "
                f"of raw ones, {measured.recorded_samples_ratio:g} times fewer samples for p99 of every service "
                f"(measured), and cost {_usd(recorded_usd)} of volume. Sampling saves where traces start: a "
                "rate below 100 % on a service that others call changes nothing about their traces."
            ),
            _text(
                "An S3 gateway endpoint in the VPC is free and worth having: without one, every chunk goes through the "
                "NAT gateway at $0.045 a GB. Savings plans and reserved instances take about a third off nodes and "
                "domain."
            ),
        ]
    )


def _volume_usd(found: Figures) -> float:
    return sum(row.usd for row in found.estimate().rows if (row.tool, row.what) == ("prometheus", "volumes"))


def _dearer(prod: Figures) -> str:
    demand, domain = prod.demand, prod.demand.domain
    assert domain is not None  # noqa: S101 - production's is managed

    def adds(changed: cost.Demand) -> str:
        return _usd(cost.estimate(changed, prod.prices).total_usd - prod.estimate().total_usd)

    balancer = cost.Footprint(tool="more", cpu_millicores=0, memory_mib=0, load_balancers=2)
    loki = next(one for one in demand.footprints if one.tool == "loki")
    two_more = cost.Footprint(
        tool="more",
        cpu_millicores=2 * loki.cpu_millicores,
        memory_mib=2 * loki.memory_mib,
        volume_gib=2 * loki.volume_gib,
    )
    caches = stack_cost.asked("more", cache_requests(LokiSettings(replicas=3)))
    rows = [
        ["span store on m6g.large.search: no CPU credits to run out of", adds(_with(demand, "m6g.large.search", 2))],
        ["a third node and zone for the span store", adds(_with(demand, domain.instance_type, 3))],
        ["logs kept for 90 days", adds(replace(demand, log_retention_days=LONG_RETENTION_DAYS))],
        [
            "`loki.replicas: 3` and their memcached, without the two further copies in S3",
            adds(replace(demand, footprints=(*demand.footprints, two_more, caches))),
        ],
        [
            "a load balancer each for Prometheus and Alertmanager",
            adds(replace(demand, footprints=(*demand.footprints, balancer))),
        ],
        [
            "twice the requests, lines and series, on the same nodes",
            adds(
                replace(
                    demand,
                    log_gb_per_day=2 * demand.log_gb_per_day,
                    spans_per_second=2 * demand.spans_per_second,
                    series=2 * demand.series,
                )
            ),
        ],
    ]
    return "## Dearer, off by default\n\n" + _table(("option", "adds a month"), rows)


def _with(demand: cost.Demand, instance_type: str, count: int) -> cost.Demand:
    assert demand.domain is not None  # noqa: S101 - callers have looked
    return replace(demand, domain=replace(demand.domain, instance_type=instance_type, instance_count=count))


def _hosted(prod: Figures) -> str:
    rows = [["this stack", "", _usd(prod.estimate().total_usd)]]
    rows += [[title, made_of, _usd(usd)] for title, (usd, made_of) in cost.hosted(prod.demand, prod.prices).items()]
    return "\n\n".join(
        [
            "## Against hosted services",
            _text(
                "The same load at their public list prices. What people cost who look after this stack is not in its "
                "sum, and neither are EKS's control plane ($73) and the platform's own nodes, needed either way."
            ),
            _table(("service", "made of", "a month"), rows),
            _text(
                "Grafana Cloud counts a series four times at one sample every 15 s; at one a minute its sum would be "
                "about a third."
            ),
        ]
    )


def _known(prices: Prices) -> str:
    listed = {
        f"nodes ({prices.nodes.instance_type} at ${prices.nodes.usd_per_hour} an hour)": prices.nodes,
        "EBS volumes": prices.volumes,
        "EFS volumes": prices.shared_volumes,
        "S3": prices.objects,
        "OpenSearch Service": prices.search,
        "load balancers": prices.balancers,
        "traffic between zones": prices.traffic,
        "KMS": prices.keys,
        prices.hosted.datadog.title: prices.hosted.datadog,
        prices.hosted.grafana_cloud.title: prices.hosted.grafana_cloud,
        prices.hosted.new_relic.title: prices.hosted.new_relic,
    }
    rows = [
        [name, f"[{one.source.split('/')[2]}]({one.source})", one.as_of, one.read_in] for name, one in listed.items()
    ]
    return "## The prices\n\n" + _table(("of", "source", "as of", "read in"), rows)


def _watch() -> str:
    return "## Watch it\n\n" + _text(
        "The dashboard *Cost* ([dashboards](dashboards.md)) has the sum by tool, and beside it USD by what is really "
        "there: what containers ask of nodes, claims, chunks and requests in S3, the span store's disk. *Usage* has "
        "the quantities and their senders. `PrometheusSeriesHigh`, `PrometheusEvictsBySize` and the store's disk "
        "alerts speak before a size is exceeded."
    )


def main() -> None:
    PAGE.write_text(current(), encoding="utf-8")
    print(PAGE.relative_to(ROOT))


if __name__ == "__main__":
    main()
