"""Would Prometheus and Loki accept every query of every dashboard?"""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from rendering.dashboards import all_dashboards
from rendering.dashboards.gates import expressions
from rendering.declarations import load_services
from sandbox.toolchain import binary
from tests.stack_files import costs_of

ROOT = Path(__file__).resolve().parents[2]
# What Grafana puts in place of its own variables; those of the dashboards stand inside strings.
MACROS = {"$__rate_interval": "1m", "$__interval": "15s", "$__range": "1h", "$__auto": "1m"}


@pytest.fixture(scope="module")
def dashboards() -> dict[str, dict[str, Any]]:
    services = load_services(ROOT / "configs/services.yaml")
    rendered = all_dashboards(
        services,
        runbook_base_url="https://example.org",
        team_directory=ROOT / "configs/grafana/dashboards",
        costs=costs_of("prod"),
    )
    return {uid: json.loads(text) for folder in rendered.values() for uid, text in folder.items()}


def filled(expression: str) -> str:
    """The expression as Grafana sends it, as far as parsing is concerned."""
    for macro, value in MACROS.items():
        expression = expression.replace(macro, value)
    return re.sub(r"\$\{?\w+(:\w+)?\}?", "x", expression)


def test_every_promql_expression_parses(dashboards: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    found = [(uid, each) for uid, document in dashboards.items() for each in expressions(document, "prometheus")]
    rules = [
        {"record": f"panel:{uid.replace('-', '_')}:query{number}", "expr": filled(each)}
        for number, (uid, each) in enumerate(found)
    ]
    path = tmp_path / "panels.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run([binary("promtool"), "check", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(found) > 200
    assert f"{len(found)} rules found" in done.stdout


def test_every_logql_expression_parses(dashboards: dict[str, dict[str, Any]]) -> None:
    found = {filled(each) for document in dashboards.values() for each in expressions(document, "loki")}
    refused = {}
    for expression in found:
        done = subprocess.run([binary("logcli"), "fmt"], input=expression, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            refused[expression] = done.stderr
    assert refused == {}
    assert len(found) > 15
