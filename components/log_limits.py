"""What the agents let through has to be what Loki takes in, and both are settings of their own."""

from typing import Any

from components import loki, promtail
from components.settings import Settings, SettingsError
from rendering.loki import LokiValues
from rendering.promtail import PromtailValues


def check_log_limits(settings: Settings, *, services: int) -> None:
    """Raises SettingsError, with the field and what to set, where they do not fit. services: how many are declared."""
    where: dict[str, Any] = {"cluster": settings.cluster, "environment": settings.environment}
    agents = promtail.bounded(settings.logs, settings.loki)
    store = loki.bounded(settings.loki, services=services, nodes=settings.load.nodes)
    try:
        PromtailValues(services=(), **agents, **where)
        LokiValues(bucket=settings.object_store.bucket, region="", **store, **where)
    except ValueError as error:
        raise SettingsError(str(error)) from None
