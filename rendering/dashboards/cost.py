"""What the stack costs a month, by the model of rendering/cost.py: by its settings, and by what is really there now."""

from collections.abc import Sequence

from rendering.cost import Figures
from rendering.dashboards import panels
from rendering.dashboards.board import Board, Row
from rendering.dashboards.links import TO_OVERVIEW, TO_VOLUMES, Link, Uid, to
from rendering.dashboards.panels import HALF, THIRD
from rendering.dashboards.queries import Promql
from rendering.datasources import Folder

LINKS = (to(Uid.USAGE, "Usage"), TO_VOLUMES, TO_OVERVIEW)
MONTH = 30 * 24 * 3600
OWN = "alertmanager|grafana|jaeger|loki|opensearch|prometheus|promtail|kube-state-metrics|.+-exporter"
"""The stack's own containers, by name: what a Prometheus sees of other namespaces is others' money."""
USD = "currencyUSD"


def board(costs: Figures) -> Board:
    """costs: of the stack that this Grafana belongs to."""
    return Board(
        uid=Uid.COST,
        folder=Folder.OBSERVABILITY,
        title="Cost",
        about=f"USD a month by public list prices of {costs.prices.region}: an estimate, not a bill (docs/cost.md).",
        since="now-24h",
        rows=[_expected(costs), _present(costs)],
    )


def bucket(costs: Figures, links: Sequence[Link]) -> list[panels.Panel]:
    """What the bucket costs at the pace of the last hour: its bytes, once retention is reached, and requests."""
    objects = costs.prices.objects
    kept_days = costs.demand.log_retention_days + costs.demand.noncurrent_days
    written = "sum(rate(loki_ingester_chunk_stored_bytes_total[1h]))"
    writes = 'sum(rate(loki_s3_request_duration_seconds_count{operation=~"S3.(PutObject|List)"}[1h]))'
    reads = 'sum(rate(loki_s3_request_duration_seconds_count{operation=~"S3.(GetObject|HeadObject)"}[1h]))'
    requests_usd = f"{writes} * {objects.write_usd_per_1000} + ({reads} or vector(0)) * {objects.read_usd_per_1000}"
    return [
        panels.graph(
            title="Bucket, once retention is reached",
            about=f"Chunks at the pace of the last hour, kept for {kept_days} days, old versions too.",
            queries=[
                Promql(f"{written} * 86400 * {kept_days} / 1e9 * {objects.standard_usd_per_gb_month}", "chunks"),
            ],
            unit=USD,
            links=links,
            width=THIRD,
            when_empty="No chunk was full or old enough yet",
        ),
        panels.graph(
            title="Bucket requests",
            about="Requests to S3 at the pace of the last hour; writes and lists cost twelve times reads.",
            queries=[Promql(f"({requests_usd}) * {MONTH} / 1000", "requests")],
            unit=USD,
            links=links,
            width=THIRD,
            when_empty="Nothing was asked of S3 yet",
        ),
    ]


def _expected(costs: Figures) -> Row:
    estimate = costs.estimate()
    tools = " or ".join(
        f'label_replace(vector({usd:.2f}), "tool", "{tool}", "", "")' for tool, usd in estimate.by_tool().items()
    )
    return Row(
        "By the settings, at the load they declare",
        [
            panels.number(
                title="Expected a month",
                about="By the settings and the load they declare; what `pulumi preview` said.",
                queries=[Promql(f"vector({estimate.total_usd:.2f})")],
                unit=USD,
                decimals=0,
                sparkline=False,
                links=LINKS,
            ),
            panels.bars(
                title="Expected a month, by tool",
                about="By the settings and the load they declare: which tool takes the money.",
                queries=[Promql(tools, "{{tool}}")],
                unit=USD,
                decimals=0,
                links=LINKS,
                width=20,
            ),
        ],
    )


def _present(costs: Figures) -> Row:
    nodes, prices = costs.prices.nodes, costs.prices
    claimed = "kube_persistentvolumeclaim_resource_requests_storage_bytes"
    asked = "kube_pod_container_resource_requests"
    share = (
        "sum by (container) (max by (namespace, pod, container) ("
        f'{asked}{{resource="cpu", container=~"{OWN}"}} / {nodes.allocatable_cpu_millicores / 1000} '
        f'or {asked}{{resource="memory", container=~"{OWN}"}} / {nodes.allocatable_memory_mib * 2**20}))'
    )
    return Row(
        "By what is there now",
        [
            panels.graph(
                title="Share of nodes, by container",
                about=f"What containers ask of nodes, at the price of {nodes.instance_type}: the larger share.",
                queries=[Promql(f"{share} * {prices.node_usd:.2f}", "{{container}}")],
                unit=USD,
                links=(to(Uid.WORKLOADS, "Workloads"), *LINKS),
                width=HALF,
                stacked=True,
            ),
            panels.graph(
                title="Volumes, by claim",
                about="Claimed sizes, priced as gp3. A volume costs the same empty and full.",
                queries=[
                    Promql(
                        f'sum by (persistentvolumeclaim) ({claimed}{{persistentvolumeclaim=~"data-.+"}}) '
                        f"/ 2^30 * {prices.volumes.usd_per_gib_month}",
                        "{{persistentvolumeclaim}}",
                    )
                ],
                unit=USD,
                links=LINKS,
                width=HALF,
                stacked=True,
            ),
            *bucket(costs, (to(Uid.S3, "S3"), *LINKS)),
            panels.graph(
                title="Span store's disk, as filled",
                about="Bytes of spans, copies included, at the domain's price of disk; its nodes come on top.",
                queries=[
                    Promql(
                        "sum(elasticsearch_indices_store_size_bytes) / 2^30 "
                        f"* {prices.search.volume_usd_per_gib_month}",
                        "spans",
                    )
                ],
                unit=USD,
                links=(to(Uid.OPENSEARCH, "OpenSearch"), *LINKS),
                width=THIRD,
            ),
        ],
    )
