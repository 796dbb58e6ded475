"""PostgreSQL, as its exporter sees it."""

from rendering.dashboards import panels
from rendering.dashboards.board import Board, Row, Variable
from rendering.dashboards.links import TO_ALERTS, TO_OVERVIEW, TO_VOLUMES, Uid, explore
from rendering.dashboards.panels import GREEN, ORANGE, QUARTER, RED, THIRD
from rendering.dashboards.queries import EVERY, Logql, Promql
from rendering.datasources import LOKI, Folder

LINKS = (explore("Logs of PostgreSQL", LOKI, '{service="postgresql"}'), TO_ALERTS, TO_OVERVIEW)
WHERE = '{instance=~"$instance"}'
DATABASES = '{instance=~"$instance", datname=~"$database"}'


def board() -> Board:
    return Board(
        uid=Uid.POSTGRESQL,
        folder=Folder.INFRASTRUCTURE,
        title="PostgreSQL",
        about="Connections, transactions, slow and waiting queries, cache and size of PostgreSQL.",
        variables=[
            Variable("instance", "Instance", "label_values(pg_up, instance)", several=True),
            Variable(
                "database",
                "Database",
                'label_values(pg_stat_database_numbackends{instance=~"$instance", datname!=""}, datname)',
                several=True,
            ),
        ],
        job="postgres-exporter",
        rows=[_health(), _connections(), _work(), _storage(), _log()],
    )


def _health() -> Row:
    used = f"sum(pg_stat_database_numbackends{WHERE})"
    hits, reads = (f"sum(rate(pg_stat_database_blks_{kind}{WHERE}[5m]))" for kind in ("hit", "read"))
    return Row(
        "Health",
        [
            panels.number(
                title="Up",
                about="1 when the exporter can log in. The alert DatabaseDown fires on 0.",
                queries=[Promql(f"min(pg_up{WHERE})")],
                unit="bool_yes_no",
                links=LINKS,
                thresholds=[(panels.FROM_BOTTOM, RED), (1, GREEN)],
                sparkline=False,
            ),
            panels.number(
                title="Connections",
                about="Open connections. Red: HighDatabaseConnections fires.",
                queries=[Promql(used)],
                unit="short",
                links=LINKS,
                thresholds=panels.near("HighDatabaseConnections", 0.75),
            ),
            panels.number(
                title="Of those allowed",
                about="Share of max_connections in use. At 1 services are turned away.",
                queries=[Promql(f"{used} / sum(pg_settings_max_connections{WHERE})")],
                unit="percentunit",
                links=LINKS,
                thresholds=[(0.7, ORANGE), (0.9, RED)],
            ),
            panels.number(
                title="Cache hits",
                about="Share of block reads answered from memory. Under 0.95 for long: memory is short.",
                queries=[Promql(f"{hits} / (({hits} + {reads}) > 0)")],
                unit="percentunit",
                links=LINKS,
                thresholds=[(panels.FROM_BOTTOM, ORANGE), (0.95, GREEN)],
                when_empty="No reads",
            ),
            panels.number(
                title="Longest transaction",
                about="Age of the oldest open transaction. Old ones hold locks and keep the vacuum from cleaning.",
                queries=[Promql(f"max(pg_stat_activity_max_tx_duration{WHERE})")],
                unit="s",
                links=LINKS,
                thresholds=[(60, ORANGE), (300, RED)],
            ),
            panels.number(
                title="Replication lag",
                about="How far the replica is behind. Red: DatabaseReplicationLag fires. 0 without a replica.",
                queries=[Promql(f"max(pg_replication_lag_seconds{WHERE})")],
                unit="s",
                links=LINKS,
                thresholds=panels.near("DatabaseReplicationLag", 0.5),
            ),
        ],
    )


def _connections() -> Row:
    return Row(
        "Connections and locks",
        [
            panels.graph(
                title="Connections, by database",
                about="Open connections to each database.",
                queries=[Promql(f"sum by (datname) (pg_stat_database_numbackends{DATABASES})", "{{datname}}")],
                unit="short",
                links=LINKS,
                width=THIRD,
                stacked=True,
                thresholds=[(panels.Alert("HighDatabaseConnections"), RED)],
            ),
            panels.graph(
                title="Connections, by state",
                about="What connections are doing. `idle in transaction` should come and go, not stay.",
                queries=[Promql(f"sum by (state) (pg_stat_activity_count{DATABASES}) > 0", "{{state}}")],
                unit="short",
                links=LINKS,
                width=THIRD,
                stacked=True,
                thresholds=[(panels.Alert("HighDatabaseConnections"), RED)],
            ),
            panels.graph(
                title="Locks, by mode",
                about="Locks held. A pile of exclusive ones is a migration or a queue of writers.",
                queries=[Promql(f"sum by (mode) (pg_locks_count{DATABASES}) > 0", "{{mode}}")],
                unit="short",
                links=LINKS,
                width=THIRD,
                when_empty="No locks",
            ),
        ],
    )


def _work() -> Row:
    def per_database(metric: str) -> str:
        return f"sum by (datname) (rate(pg_stat_database_{metric}{DATABASES}[{EVERY}]))"

    return Row(
        "Work",
        [
            panels.graph(
                title="Transactions",
                about="Committed and rolled back per second. Rollbacks rise when an application runs into errors.",
                queries=[
                    Promql(per_database("xact_commit"), "{{datname}} committed"),
                    Promql(per_database("xact_rollback"), "{{datname}} rolled back"),
                ],
                unit="ops",
                links=LINKS,
                width=QUARTER,
            ),
            panels.graph(
                title="Rows",
                about="Rows per second read by queries, and changed.",
                queries=[
                    Promql(f"sum(rate(pg_stat_database_tup_fetched{DATABASES}[{EVERY}]))", "fetched"),
                    Promql(f"sum(rate(pg_stat_database_tup_inserted{DATABASES}[{EVERY}]))", "inserted"),
                    Promql(f"sum(rate(pg_stat_database_tup_updated{DATABASES}[{EVERY}]))", "updated"),
                    Promql(f"sum(rate(pg_stat_database_tup_deleted{DATABASES}[{EVERY}]))", "deleted"),
                ],
                unit="rowsps",
                links=LINKS,
                width=QUARTER,
            ),
            panels.graph(
                title="Deadlocks",
                about="In ten minutes, by database. PostgreSQL ends one of each pair. Dashed: DatabaseDeadlocks.",
                queries=[
                    Promql(f"sum by (datname) (increase(pg_stat_database_deadlocks{DATABASES}[10m]))", "{{datname}}")
                ],
                unit="short",
                links=LINKS,
                width=QUARTER,
                thresholds=panels.above("DatabaseDeadlocks"),
            ),
            panels.graph(
                title="Temporary files",
                about="Bytes per second written to disk because a sort did not fit memory.",
                queries=[
                    Promql(f"sum by (datname) (rate(pg_stat_database_temp_bytes{DATABASES}[{EVERY}]))", "{{datname}}")
                ],
                unit="Bps",
                links=LINKS,
                width=QUARTER,
            ),
        ],
    )


def _storage() -> Row:
    links = (*LINKS, TO_VOLUMES)
    return Row(
        "Storage",
        [
            panels.graph(
                title="Size, by database",
                about="Bytes on disk.",
                queries=[Promql(f"sum by (datname) (pg_database_size_bytes{DATABASES})", "{{datname}}")],
                unit="bytes",
                links=links,
                width=THIRD,
                stacked=True,
            ),
            panels.graph(
                title="Checkpoints",
                about="Per second: by the clock, and forced by a full log. Many forced: max_wal_size is too low.",
                queries=[
                    Promql(f"sum(rate(pg_stat_bgwriter_checkpoints_timed_total{WHERE}[{EVERY}]))", "by the clock"),
                    Promql(f"sum(rate(pg_stat_bgwriter_checkpoints_req_total{WHERE}[{EVERY}]))", "forced"),
                ],
                unit="ops",
                links=links,
                width=THIRD,
            ),
            panels.graph(
                title="Write-ahead log on disk",
                about="Bytes of log that are kept. Grows without end when a replication slot has no reader.",
                queries=[Promql(f"max(pg_wal_size_bytes{WHERE})", "log")],
                unit="bytes",
                links=links,
                width=THIRD,
            ),
        ],
    )


def _log() -> Row:
    return Row(
        "Its log",
        [
            panels.lines(
                title="PostgreSQL's log",
                about="Latest lines. Slow queries are here with their text, as far as PostgreSQL is told to log them.",
                queries=[Logql('{service="postgresql"}', lines=100)],
                unit="short",
                links=LINKS,
                when_empty="Nothing was logged in this time range",
            )
        ],
    )
