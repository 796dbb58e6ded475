"""Redis, as its exporter sees it."""

from rendering.dashboards import panels
from rendering.dashboards.board import Board, Row, Variable
from rendering.dashboards.links import TO_ALERTS, TO_OVERVIEW, TO_WORKLOADS, Uid
from rendering.dashboards.panels import GREEN, ORANGE, RED, THIRD
from rendering.dashboards.queries import EVERY, Promql
from rendering.datasources import Folder

LINKS = (TO_ALERTS, TO_OVERVIEW, TO_WORKLOADS)
WHERE = '{instance=~"$instance"}'


def board() -> Board:
    return Board(
        uid=Uid.REDIS,
        folder=Folder.INFRASTRUCTURE,
        title="Redis",
        about="Memory, hit ratio, commands and connections of Redis.",
        variables=[Variable("instance", "Instance", "label_values(redis_up, instance)", several=True)],
        job="redis-exporter",
        rows=[_health(), _work(), _memory()],
    )


def _health() -> Row:
    hits, misses = (f"sum(rate(redis_keyspace_{kind}_total{WHERE}[5m]))" for kind in ("hits", "misses"))
    return Row(
        "Health",
        [
            panels.number(
                title="Up",
                about="1 when the exporter reaches Redis. The alert RedisDown fires on 0.",
                queries=[Promql(f"min(redis_up{WHERE})")],
                unit="bool_yes_no",
                links=LINKS,
                thresholds=[(panels.FROM_BOTTOM, RED), (1, GREEN)],
                sparkline=False,
            ),
            panels.number(
                title="Memory used of the limit",
                about="Share of maxmemory in use; without a limit set, shows nothing. Over 90 % keys are evicted.",
                queries=[Promql(f"max(redis_memory_used_bytes{WHERE} / (redis_memory_max_bytes{WHERE} > 0))")],
                unit="percentunit",
                links=LINKS,
                thresholds=panels.near("RedisHighMemoryUsage", 0.9),
                when_empty="No limit set",
            ),
            panels.number(
                title="Hit ratio",
                about="Share of look-ups that found a key. What is normal depends on the use; watch for a change.",
                queries=[Promql(f"{hits} / (({hits} + {misses}) > 0)")],
                unit="percentunit",
                links=LINKS,
                when_empty="No look-ups",
            ),
            panels.number(
                title="Clients",
                about="Connections from clients.",
                queries=[Promql(f"sum(redis_connected_clients{WHERE})")],
                unit="short",
                links=LINKS,
            ),
            panels.number(
                title="Refused connections",
                about="Connections refused in the last hour because maxclients was reached. Any is too many.",
                queries=[Promql(f"sum(increase(redis_rejected_connections_total{WHERE}[1h]))")],
                unit="short",
                links=LINKS,
                thresholds=[(1, RED)],
                decimals=0,
            ),
            panels.number(
                title="Running for",
                about="Time since the last start. A fresh start has an empty cache.",
                queries=[Promql(f"min(redis_uptime_in_seconds{WHERE})")],
                unit="s",
                links=LINKS,
                thresholds=[(panels.FROM_BOTTOM, ORANGE), (900, GREEN)],
                sparkline=False,
            ),
        ],
    )


def _work() -> Row:
    spent = f"sum by (cmd) (rate(redis_commands_duration_seconds_total{WHERE}[{EVERY}]))"
    calls = f"sum by (cmd) (rate(redis_commands_total{WHERE}[{EVERY}]))"
    return Row(
        "Commands",
        [
            panels.graph(
                title="Commands, by kind",
                about="Commands per second, the ten busiest kinds.",
                queries=[Promql(f"topk(10, {calls})", "{{cmd}}")],
                unit="ops",
                links=LINKS,
                width=THIRD,
                stacked=True,
            ),
            panels.graph(
                title="Mean time per command",
                about="Mean duration by kind. Redis does one thing at a time: a slow one holds up all.",
                queries=[Promql(f"topk(10, {spent} / ({calls} > 0))", "{{cmd}}")],
                unit="s",
                links=LINKS,
                width=THIRD,
                thresholds=[(0.01, ORANGE)],
            ),
            panels.graph(
                title="Network",
                about="Bytes per second to and from Redis.",
                queries=[
                    Promql(f"sum(rate(redis_net_input_bytes_total{WHERE}[{EVERY}]))", "in"),
                    Promql(f"sum(rate(redis_net_output_bytes_total{WHERE}[{EVERY}]))", "out"),
                ],
                unit="Bps",
                links=LINKS,
                width=THIRD,
            ),
        ],
    )


def _memory() -> Row:
    return Row(
        "Memory and keys",
        [
            panels.graph(
                title="Memory",
                about="Bytes used by data, and held from the system. A wide gap is fragmentation.",
                queries=[
                    Promql(f"sum(redis_memory_used_bytes{WHERE})", "used"),
                    Promql(f"sum(redis_memory_used_rss_bytes{WHERE})", "resident"),
                    Promql(f"sum(redis_memory_max_bytes{WHERE} > 0)", "limit"),
                ],
                unit="bytes",
                links=LINKS,
                width=THIRD,
            ),
            panels.graph(
                title="Keys",
                about="Keys by database, and how many have an expiry. Keys without expiry only ever grow.",
                queries=[
                    Promql(f"sum by (db) (redis_db_keys{WHERE}) > 0", "{{db}}"),
                    Promql(f"sum by (db) (redis_db_keys_expiring{WHERE}) > 0", "{{db}} with expiry"),
                ],
                unit="short",
                links=LINKS,
                width=THIRD,
                when_empty="No keys",
            ),
            panels.graph(
                title="Expired and evicted",
                about="Keys per second that ended by their time, or were thrown out for want of memory.",
                queries=[
                    Promql(f"sum(rate(redis_expired_keys_total{WHERE}[{EVERY}]))", "expired"),
                    Promql(f"sum(rate(redis_evicted_keys_total{WHERE}[{EVERY}]))", "evicted"),
                ],
                unit="ops",
                links=LINKS,
                width=THIRD,
                thresholds=panels.above("RedisEvictingKeys"),
            ),
        ],
    )
