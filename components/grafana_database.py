"""Grafana's PostgreSQL as its pods and its backup reach it: declared once, told in Grafana's words and in libpq's."""

from collections.abc import Mapping

from components.settings.grafana_database import GrafanaDatabaseSettings
from components.workload.pod import ConfigMapFiles, Mount, SecretFiles

PASSWORD_SECRET = "grafana-secrets"
PASSWORD_KEY = "database-password"
CA_CONFIG = "grafana-database-ca"
CA_KEY = "ca.crt"
_CA_DIRECTORY = "/etc/grafana/database"
_LOGIN_DIRECTORY = "/etc/grafana/database-login"
# A first start makes some hundred tables, one replica at a time.
_MIGRATION_LOCK_SECONDS = 120
_CONNECT_SECONDS = 30


def server_variables(database: GrafanaDatabaseSettings, secrets_directory: str) -> Mapping[str, str]:
    """Grafana's own settings, as it reads them over grafana.ini; the password stays a file."""
    trust = {"GF_DATABASE_CA_CERT_PATH": f"{_CA_DIRECTORY}/{CA_KEY}"} if database.ca else {}
    return {
        "GF_DATABASE_TYPE": "postgres",
        "GF_DATABASE_HOST": f"{database.host}:{database.port}",
        "GF_DATABASE_NAME": database.name,
        "GF_DATABASE_USER": database.user,
        "GF_DATABASE_PASSWORD": f"$__file{{{secrets_directory}/{PASSWORD_KEY}}}",
        "GF_DATABASE_SSL_MODE": database.sslmode,
        # By default a replica that finds another one migrating does not wait: it ends, and is started again.
        "GF_DATABASE_LOCKING_ATTEMPT_TIMEOUT_SEC": str(_MIGRATION_LOCK_SECONDS),
        **trust,
    }


def client_variables(database: GrafanaDatabaseSettings) -> Mapping[str, str]:
    """What pg_dump and psql read, and PASSWORD_FILE for the scripts around them (jobs/grafana_dump.sh)."""
    trust = {"PGSSLROOTCERT": f"{_CA_DIRECTORY}/{CA_KEY}"} if database.ca else {}
    return {
        "PGHOST": database.host,
        "PGPORT": str(database.port),
        "PGDATABASE": database.name,
        "PGUSER": database.user,
        "PGSSLMODE": database.sslmode,
        "PGCONNECT_TIMEOUT": str(_CONNECT_SECONDS),
        "PASSWORD_FILE": f"{_LOGIN_DIRECTORY}/{PASSWORD_KEY}",
        **trust,
    }


def server_mounts(database: GrafanaDatabaseSettings) -> tuple[Mount, ...]:
    """Beside Grafana's secrets, which hold the password: the authority, where there is one."""
    if database.ca is None:
        return ()
    return (Mount(name="database-ca", path=_CA_DIRECTORY, source=ConfigMapFiles(name=CA_CONFIG)),)


def client_mounts(database: GrafanaDatabaseSettings) -> tuple[Mount, ...]:
    """The password alone of all that Grafana's Secret holds, and the authority."""
    login = SecretFiles(name=PASSWORD_SECRET, keys=(PASSWORD_KEY,))
    return (Mount(name="database-login", path=_LOGIN_DIRECTORY, source=login), *server_mounts(database))
