"""Kubernetes objects of the platform's PostgreSQL 15 and Redis 7.0: small, their data gone with the pod."""

from collections.abc import Mapping

from sandbox.platform.manifests import (
    NAMESPACE,
    PART_OF,
    Manifest,
    checksum,
    cluster_ip,
    config_map,
    deployment,
    resources,
)
from sandbox.platform.passwords import MONITORING_USER

POSTGRESQL = "postgresql"
POSTGRESQL_IMAGE = "docker.io/library/postgres:15"
POSTGRESQL_PORT = 5432
REDIS = "redis"
REDIS_IMAGE = "docker.io/library/redis:7.0"
REDIS_PORT = 6379
_USER = 999  # postgres and redis in the public images

# A slow query is one line in the log, from half a second on.
_START_POSTGRESQL = f"""\
set -eu
data=/var/lib/postgresql/data/pgdata
secrets=/etc/postgresql/secrets
if [ ! -d "$data" ]; then
    # Renamed into place when complete: a start that was interrupted leaves nothing half made.
    rm -rf "$data.new"
    initdb --pgdata="$data.new" --username=postgres --pwfile="$secrets/postgres" --auth-local=trust \\
        --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync
    echo "host all all all scram-sha-256" >> "$data.new/pg_hba.conf"
    postgres --single -D "$data.new" postgres <<SQL
CREATE ROLE {MONITORING_USER} LOGIN PASSWORD '$(cat "$secrets/{MONITORING_USER}")' IN ROLE pg_monitor
CREATE EXTENSION pg_stat_statements
CREATE DATABASE dharma
SQL
    mv "$data.new" "$data"
fi
exec postgres -D "$data" -c config_file=/etc/postgresql/config/postgresql.conf -c hba_file="$data/pg_hba.conf"
"""

_POSTGRESQL_CONF = """\
listen_addresses = '*'
unix_socket_directories = '/tmp'
max_connections = 100
shared_buffers = 32MB
shared_preload_libraries = 'pg_stat_statements'
track_io_timing = on
log_destination = 'stderr'
log_line_prefix = '%m [%p] %q%u@%d '
log_min_duration_statement = 500ms
log_timezone = 'UTC'
timezone = 'UTC'
"""

# maxmemory gives the fill level a meaning; noeviction and a low maxclients let it and the connections really run out.
_REDIS_CONF = """\
bind 0.0.0.0
protected-mode no
save ""
appendonly no
maxmemory 32mb
maxmemory-policy noeviction
maxclients 64
slowlog-log-slower-than 100000
"""


def databases(passwords: Mapping[str, str]) -> list[Manifest]:
    """PostgreSQL and Redis with their Services. `passwords`: of the roles postgres and the monitoring one."""
    return [*_postgresql(passwords), *_redis()]


def _postgresql(passwords: Mapping[str, str]) -> list[Manifest]:
    container = {
        "image": POSTGRESQL_IMAGE,
        "command": ["/bin/sh", "/etc/postgresql/config/start.sh"],
        "env": [{"name": "PATH", "value": "/usr/lib/postgresql/15/bin:/usr/bin:/bin"}],
        "ports": [{"name": "postgresql", "containerPort": POSTGRESQL_PORT}],
        "resources": resources(20, 64, 500, 256),
        "readinessProbe": {
            "exec": {"command": ["pg_isready", "--host=127.0.0.1", "--quiet"]},
            "periodSeconds": 5,
            "timeoutSeconds": 3,
        },
        "livenessProbe": {"tcpSocket": {"port": POSTGRESQL_PORT}, "periodSeconds": 10, "initialDelaySeconds": 30},
        "volumeMounts": [
            {"name": "data", "mountPath": "/var/lib/postgresql/data"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own volume
            {"name": "config", "mountPath": "/etc/postgresql/config", "readOnly": True},
            {"name": "secrets", "mountPath": "/etc/postgresql/secrets", "readOnly": True},
        ],
    }
    volumes: list[Manifest] = [
        {"name": "data", "emptyDir": {"sizeLimit": "1Gi"}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "config", "configMap": {"name": "postgresql-config"}},
        {"name": "secrets", "secret": {"secretName": "postgresql-passwords", "defaultMode": 0o440}},
    ]
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "postgresql-passwords",
            "namespace": NAMESPACE,
            "labels": {"app.kubernetes.io/part-of": PART_OF},
        },
        "stringData": dict(passwords),
    }
    files = {"start.sh": _START_POSTGRESQL, "postgresql.conf": _POSTGRESQL_CONF}
    return [
        secret,
        config_map("postgresql-config", NAMESPACE, files),
        deployment(POSTGRESQL, NAMESPACE, container, volumes, user=_USER, annotations=checksum(*files.values())),
        cluster_ip(POSTGRESQL, NAMESPACE, POSTGRESQL_PORT),
    ]


def _redis() -> list[Manifest]:
    container = {
        "image": REDIS_IMAGE,
        "command": ["redis-server", "/etc/redis/redis.conf"],
        "ports": [{"name": "redis", "containerPort": REDIS_PORT}],
        "resources": resources(10, 16, 200, 64),
        "readinessProbe": {"tcpSocket": {"port": REDIS_PORT}, "periodSeconds": 5},
        "livenessProbe": {"tcpSocket": {"port": REDIS_PORT}, "periodSeconds": 10, "initialDelaySeconds": 10},
        "volumeMounts": [
            {"name": "data", "mountPath": "/data"},
            {"name": "config", "mountPath": "/etc/redis", "readOnly": True},
        ],
        "workingDir": "/data",
    }
    volumes: list[Manifest] = [
        {"name": "data", "emptyDir": {}},
        {"name": "config", "configMap": {"name": "redis-config"}},
    ]
    return [
        config_map("redis-config", NAMESPACE, {"redis.conf": _REDIS_CONF}),
        deployment(REDIS, NAMESPACE, container, volumes, user=_USER, annotations=checksum(_REDIS_CONF)),
        cluster_ip(REDIS, NAMESPACE, REDIS_PORT),
    ]
