"""The rules as Prometheus gets them, for a platform of one service, so that a test sees only the series it made."""

from pathlib import Path

from rendering.declarations import Platform, load_platform
from rendering.rules import RulesArgs, load_rule_files, render_rules
from rendering.slo import render_declared

REPOSITORY = Path(__file__).resolve().parents[2]
NATIVE = REPOSITORY / "configs" / "prometheus" / "rules"

ARGS = RulesArgs(runbook_base_url="https://runbooks.example", grafana_url="https://grafana.example")
EXPECTED_JOBS = ("services", "loki")


def one_service() -> Platform:
    """The platform with api-gateway alone, as it is declared."""
    platform = load_platform(REPOSITORY / "configs" / "services.yaml")
    services = tuple(service for service in platform.services if service.name == "api-gateway")
    return platform.model_copy(update={"services": services})


def write(folder: Path) -> None:
    """Write all rule files into `folder`."""
    declared = render_declared(one_service(), EXPECTED_JOBS)
    for name, text in {**declared, **render_rules(load_rule_files(NATIVE), ARGS)}.items():
        (folder / name).write_text(text, encoding="utf-8")
