"""The rules as Prometheus gets them, for a platform of one service, so that a test sees only the series it made."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

from rendering import documents
from rendering.collectors import Collector
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
    """Write all rule files into `folder`, and into alloy.yaml the rules that are others where Alloy collects logs."""
    declared = render_declared(one_service(), EXPECTED_JOBS)
    alloys = documents.dump({"groups": [{"name": "alloy", "rules": alloys_rules()}]})
    for name, text in {**declared, **render_rules(load_rule_files(NATIVE), ARGS), "alloy.yaml": alloys}.items():
        (folder / name).write_text(text, encoding="utf-8")


def alloys_rules() -> list[documents.Document]:
    """The rules that are others where Alloy collects logs."""
    usual, alloys = (_rules(replace(ARGS, collector=collector)) for collector in get_args(Collector))
    return [rule for rule in alloys if rule not in usual]


def _rules(args: RulesArgs) -> list[documents.Document]:
    texts = render_rules(load_rule_files(NATIVE), args).values()
    return [rule for text in texts for group in documents.load_text(text)["groups"] for rule in group["rules"]]
