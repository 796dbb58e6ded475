"""Secrets: named once here, read from the stack's encrypted config, handed on as Outputs that never show in plain."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.settings.base import SettingsError
from components.settings.tree import Settings


@dataclass(frozen=True, kw_only=True)
class Secret:
    """A secret that some settings call for, and where a tool finds it."""

    name: str
    meaning: str
    needed: bool  # by these settings
    needed_when: str  # the same in words, for every settings
    held_in: str | None = None  # name of the Kubernetes Secret; None: the program itself needs the value
    key: str = ""  # under which that Secret holds it


def catalogue(settings: Settings) -> tuple[Secret, ...]:
    """Every secret the program knows, and whether these settings need it."""
    alertmanager, exporters, s3 = settings.alertmanager, settings.exporters, settings.object_store.endpoint
    store = settings.span_store
    return (
        _of_grafana("grafana_admin_password", "password of Grafana's user admin"),
        _of_grafana(
            "grafana_secret_key", "key that Grafana encrypts secrets in its database with, 32 random characters"
        ),
        _of_grafana(
            "grafana_oidc_client_secret",
            "secret of Grafana's client at the single sign-on provider",
            settings.grafana.oidc is not None,
            "`grafana.oidc` is set",
        ),
        _of_grafana(
            "grafana_database_password",
            "password of Grafana's PostgreSQL user, without blanks, quotes and backslashes",
            settings.grafana.database is not None,
            "`grafana.database` is set",
        ),
        _of_alertmanager(
            "slack_api_url", "Slack's incoming webhook", alertmanager.slack_enabled, "`slack_enabled` (the default)"
        ),
        _of_alertmanager(
            "pagerduty_routing_key",
            "PagerDuty's Events v2 integration key",
            alertmanager.pagerduty_enabled,
            "`pagerduty_enabled` (the default)",
        ),
        _of_alertmanager(
            "smtp_password",
            "password of the mail server's user",
            alertmanager.smtp_username is not None,
            "`smtp_username` is set",
        ),
        _of_alertmanager(
            "smtp_ca",
            "certificate of the mail server's authority, PEM",
            alertmanager.smtp_private_ca,
            "`smtp_private_ca`",
        ),
        _of_alertmanager(
            "heartbeat_url",
            "outside URL that expects the Watchdog",
            alertmanager.heartbeat_enabled,
            "`heartbeat_enabled`",
        ),
        _of_alertmanager(
            "webhook_url", "URL of the incident system", alertmanager.webhook_enabled, "`webhook_enabled`"
        ),
        Secret(
            name="postgresql_password",
            meaning="password of the exporter's PostgreSQL user",
            needed=exporters.postgresql is not None,
            needed_when="`exporters.postgresql` is set",
            held_in="postgres-exporter",
            key="password",
        ),
        Secret(
            name="redis_password",
            meaning="password of Redis",
            needed=exporters.redis is not None and exporters.redis.login,
            needed_when="`exporters.redis.login`",
            held_in="redis-exporter",
            key="passwords.json",
        ),
        Secret(
            name="span_store_password",
            meaning="password of the span store's user for Jaeger",
            needed=store.username is not None,
            needed_when="`span_store.username` is set",
        ),
        Secret(
            name="span_store_master_password",
            meaning="password of the span store's administrator",
            needed=store.master_username is not None,
            needed_when="`span_store.master_username` is set",
        ),
        Secret(
            name="span_store_key",
            meaning="private key of `span_store.certificate`, PEM",
            needed=store.certificate is not None,
            needed_when="`span_store.certificate` is set",
        ),
        Secret(
            name="loki_gateway_htpasswd",
            meaning="users of Loki's gateway, each as `htpasswd -nB NAME` prints it",
            needed=settings.loki.reachable_from_outside,
            needed_when="`loki.exposure.type` is not ClusterIP",
            held_in="loki-gateway",
            key="htpasswd",
        ),
        _of_loki("s3_access_key_id", "access key of the S3 endpoint", s3 is not None),
        _of_loki("s3_secret_access_key", "secret key of the S3 endpoint", s3 is not None),
    )


def _of_grafana(name: str, meaning: str, needed: bool = True, needed_when: str = "always") -> Secret:
    key = name.removeprefix("grafana_").replace("_", "-")
    return Secret(
        name=name, meaning=meaning, needed=needed, needed_when=needed_when, held_in="grafana-secrets", key=key
    )


def _of_alertmanager(name: str, meaning: str, needed: bool, needed_when: str) -> Secret:
    when = needed_when.replace("`", "`alertmanager.", 1)
    return Secret(name=name, meaning=meaning, needed=needed, needed_when=when, held_in="alertmanager-secrets", key=name)


def _of_loki(name: str, meaning: str, needed: bool) -> Secret:
    when = "`object_store.endpoint` is set"
    return Secret(name=name, meaning=meaning, needed=needed, needed_when=when, held_in="loki-s3-keys", key=name)


def expected_keys(settings: Settings) -> Mapping[str, frozenset[str]]:
    """The Kubernetes Secrets that `existing_secrets` lists -> the keys that these settings need in each.

    Raises SettingsError for a name that the program never makes, and where the namespace is not there to hold one.
    """
    known = sorted({one.held_in for one in catalogue(settings) if one.held_in})
    if unknown := sorted(set(settings.existing_secrets) - set(known)):
        raise SettingsError(f"existing_secrets: {', '.join(unknown)} is none of this stack's; write {', '.join(known)}")
    if settings.existing_secrets and settings.namespaces.mode == "create":
        raise SettingsError(
            f"existing_secrets lists {', '.join(settings.existing_secrets)} but namespaces.mode is create, so nothing "
            "can be in there yet; make the namespaces first and set namespaces.mode to existing"
        )
    return {
        name: frozenset(one.key for one in catalogue(settings) if one.held_in == name and one.needed)
        for name in settings.existing_secrets
    }


def load_secrets(config: pulumi.Config, settings: Settings) -> Mapping[str, pulumi.Output[str]]:
    """The secrets that `settings` need from the stack's config, by name; those in existing Secrets are left out.

    Raises SettingsError naming every one that is missing, with the command that sets it.
    """
    existing = expected_keys(settings)
    needed = [secret for secret in catalogue(settings) if secret.needed and secret.held_in not in existing]
    missing = [secret for secret in needed if config.get_secret(secret.name) is None]
    if missing:
        commands = "\n".join(f"  pulumi config set --secret {one.name} '<{one.meaning}>'" for one in missing)
        raise SettingsError(f"{len(missing)} secret(s) are not set; run:\n{commands}")
    return {secret.name: config.require_secret(secret.name) for secret in needed}
