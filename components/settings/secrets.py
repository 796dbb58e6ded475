"""Secrets: named once here, read from the stack's encrypted config, handed on as Outputs that never show in plain."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.settings.base import SettingsError
from components.settings.tree import Settings


@dataclass(frozen=True, kw_only=True)
class Secret:
    """A secret that some settings call for."""

    name: str
    meaning: str
    needed: bool  # by these settings


def catalogue(settings: Settings) -> tuple[Secret, ...]:
    """Every secret the program knows, and whether these settings need it."""
    alertmanager, store = settings.alertmanager, settings.span_store
    known = (
        ("grafana_admin_password", "password of Grafana's user admin", True),
        (
            "grafana_oidc_client_secret",
            "secret of Grafana's client at the single sign-on provider",
            settings.grafana.oidc is not None,
        ),
        ("slack_api_url", "Slack's incoming webhook", alertmanager.slack_enabled),
        ("pagerduty_routing_key", "PagerDuty's Events v2 integration key", alertmanager.pagerduty_enabled),
        ("smtp_password", "password of the mail server's user", alertmanager.smtp_username is not None),
        ("heartbeat_url", "outside URL that expects the Watchdog", alertmanager.heartbeat_enabled),
        ("webhook_url", "URL of the incident system", alertmanager.webhook_enabled),
        (
            "postgresql_password",
            "password of the exporter's PostgreSQL user",
            settings.exporters.postgresql is not None,
        ),
        (
            "redis_password",
            "password of Redis",
            settings.exporters.redis is not None and settings.exporters.redis.login,
        ),
        ("span_store_password", "password of the span store's user", store.username is not None),
        ("s3_access_key_id", "access key of the S3 endpoint", settings.object_store.endpoint is not None),
        ("s3_secret_access_key", "secret key of the S3 endpoint", settings.object_store.endpoint is not None),
    )
    return tuple(Secret(name=name, meaning=meaning, needed=needed) for name, meaning, needed in known)


def load_secrets(config: pulumi.Config, settings: Settings) -> Mapping[str, pulumi.Output[str]]:
    """The secrets that `settings` need, by name.

    Raises SettingsError naming every one that is missing, with the command that sets it.
    """
    needed = [secret for secret in catalogue(settings) if secret.needed]
    missing = [secret for secret in needed if config.get_secret(secret.name) is None]
    if missing:
        commands = "\n".join(f"  pulumi config set --secret {one.name} '<{one.meaning}>'" for one in missing)
        raise SettingsError(f"{len(missing)} secret(s) are not set; run:\n{commands}")
    return {secret.name: config.require_secret(secret.name) for secret in needed}
