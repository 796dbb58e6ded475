"""OpenSearch (or Elasticsearch), the store of spans, as its exporter sees it."""

from rendering.dashboards import panels
from rendering.dashboards.board import Board, Row
from rendering.dashboards.links import TO_ALERTS, TO_TRACES, TO_VOLUMES, Uid, to
from rendering.dashboards.panels import GREEN, ORANGE, RED, THIRD
from rendering.dashboards.queries import EVERY, Promql
from rendering.datasources import Folder

LINKS = (to(Uid.JAEGER, "Jaeger"), TO_TRACES, TO_ALERTS)


def board() -> Board:
    return Board(
        uid=Uid.OPENSEARCH,
        folder=Folder.OBSERVABILITY,
        title="OpenSearch",
        about="Is the store of spans whole, quick, and with room to spare?",
        rows=[_health(), _work(), _memory(), _indices()],
    )


def _health() -> Row:
    free = "elasticsearch_filesystem_data_available_bytes / elasticsearch_filesystem_data_size_bytes"
    heap = 'elasticsearch_jvm_memory_used_bytes{area="heap"} / elasticsearch_jvm_memory_max_bytes{area="heap"}'
    status = " or ".join(
        f'max(elasticsearch_cluster_health_status{{color="{color}"}} == 1) * {value}'
        for color, value in (("red", 2), ("yellow", 1), ("green", 0))
    )
    return Row(
        "Health",
        [
            panels.tiles(
                title="Status",
                about="Green: all copies there. Yellow: some replica is missing. Red: data is missing, writes fail.",
                queries=[Promql(status, "status")],
                unit="none",
                links=LINKS,
                width=4,
                thresholds=[(1, ORANGE), (2, RED)],
                mappings=[(0, "green", GREEN), (1, "yellow", ORANGE), (2, "red", RED)],
            ),
            panels.number(
                title="Nodes",
                about="Nodes in the cluster.",
                queries=[Promql("max(elasticsearch_cluster_health_number_of_nodes)")],
                unit="short",
                links=LINKS,
                thresholds=[(panels.FROM_BOTTOM, RED), (1, GREEN)],
            ),
            panels.number(
                title="Shards without a home",
                about="Shards that no node holds. On a single node replicas have none; ours then ask for no replicas.",
                queries=[Promql("max(elasticsearch_cluster_health_unassigned_shards)")],
                unit="short",
                links=LINKS,
                thresholds=[(1, ORANGE)],
            ),
            panels.number(
                title="Disk free",
                about="On the fullest node. Under 15 % no new shards, under 5 % the indices become read-only.",
                queries=[Promql(f"min({free})")],
                unit="percentunit",
                links=(*LINKS, TO_VOLUMES),
                thresholds=[
                    (panels.FROM_BOTTOM, RED),
                    (panels.Alert("OpenSearchDiskAlmostFull", times=-1, plus=1), ORANGE),
                    (panels.Alert("OpenSearchDiskAlmostFull", times=-0.9, plus=1), GREEN),
                ],
            ),
            panels.number(
                title="Heap used",
                about="On the worst node. Over 0.85 for long, garbage collection takes the time away from work.",
                queries=[Promql(f"max({heap})")],
                unit="percentunit",
                links=LINKS,
                thresholds=[(0.75, ORANGE), (0.85, RED)],
            ),
            panels.number(
                title="Refused work",
                about="Tasks that thread pools refused in the last hour. Refused writes are spans Jaeger tries again.",
                queries=[Promql("sum(increase(elasticsearch_thread_pool_rejected_count[1h]))")],
                unit="short",
                links=LINKS,
                thresholds=[(1, RED)],
                decimals=0,
            ),
        ],
    )


def _work() -> Row:
    def mean(time: str, count: str) -> str:
        spent = f"sum(rate(elasticsearch_indices_{time}[{EVERY}]))"
        return f"{spent} / (sum(rate(elasticsearch_indices_{count}[{EVERY}])) > 0)"

    return Row(
        "Writing and searching",
        [
            panels.graph(
                title="Documents written",
                about="Documents (spans, for the most part) indexed per second.",
                queries=[Promql(f"sum(rate(elasticsearch_indices_indexing_index_total[{EVERY}]))", "written")],
                unit="ops",
                links=LINKS,
                width=THIRD,
            ),
            panels.graph(
                title="Searches",
                about="Searches per second, counted once for each shard asked.",
                queries=[Promql(f"sum(rate(elasticsearch_indices_search_query_total[{EVERY}]))", "searches")],
                unit="ops",
                links=LINKS,
                width=THIRD,
            ),
            panels.graph(
                title="Mean time",
                about="Mean duration of writing a document and of a search on one shard.",
                queries=[
                    Promql(mean("indexing_index_time_seconds_total", "indexing_index_total"), "write"),
                    Promql(mean("search_query_time_seconds", "search_query_total"), "search"),
                ],
                unit="s",
                links=LINKS,
                width=THIRD,
                thresholds=[(1, ORANGE)],
                when_empty="Nothing was written or searched in this time range",
            ),
        ],
    )


def _memory() -> Row:
    return Row(
        "Memory and queues",
        [
            panels.graph(
                title="Heap",
                about="Heap in use by node, and its limit. A saw-tooth is normal; a rising floor is not.",
                queries=[
                    Promql('sum by (name) (elasticsearch_jvm_memory_used_bytes{area="heap"})', "{{name}}"),
                    Promql('max(elasticsearch_jvm_memory_max_bytes{area="heap"})', "limit of a node"),
                ],
                unit="bytes",
                links=LINKS,
                width=THIRD,
            ),
            panels.graph(
                title="Garbage collection",
                about="Share of time spent collecting, by generation. Over 0.1 the node is short of heap.",
                queries=[
                    Promql(
                        f"sum by (name, gc) (rate(elasticsearch_jvm_gc_collection_seconds_sum[{EVERY}]))",
                        "{{name}} {{gc}}",
                    )
                ],
                unit="percentunit",
                links=LINKS,
                width=THIRD,
                thresholds=[(0.1, RED)],
            ),
            panels.graph(
                title="Waiting and refused",
                about="Tasks that wait in thread pools, and those refused per second.",
                queries=[
                    Promql("sum by (type) (elasticsearch_thread_pool_queue_count) > 0", "{{type}} waiting"),
                    Promql(
                        f"sum by (type) (rate(elasticsearch_thread_pool_rejected_count[{EVERY}])) > 0",
                        "{{type}} refused",
                    ),
                ],
                unit="short",
                links=LINKS,
                width=THIRD,
                when_empty="Nothing waits, nothing was refused",
            ),
        ],
    )


def _indices() -> Row:
    return Row(
        "Data",
        [
            panels.graph(
                title="Documents",
                about="Documents kept. Falls when old indices are deleted: after 72 hours, spans go.",
                queries=[Promql("sum(elasticsearch_indices_docs)", "documents")],
                unit="short",
                links=LINKS,
                width=THIRD,
            ),
            panels.graph(
                title="Bytes",
                about="Bytes of indices, replicas included, and free disk of the fullest node.",
                queries=[
                    Promql("sum(elasticsearch_indices_store_size_bytes)", "indices"),
                    Promql("min(elasticsearch_filesystem_data_available_bytes)", "free"),
                ],
                unit="bytes",
                links=(*LINKS, TO_VOLUMES),
                width=THIRD,
            ),
            panels.graph(
                title="Shards per node",
                about="Shards that a node holds on average. At a node's limit, 1,000 by default, no index can be made.",
                queries=[
                    Promql(
                        "max(elasticsearch_cluster_health_active_shards "
                        "/ elasticsearch_cluster_health_number_of_data_nodes)",
                        "of a node",
                    )
                ],
                unit="short",
                links=LINKS,
                width=THIRD,
                thresholds=panels.near("OpenSearchTooManyShards", 0.8),
            ),
        ],
    )
