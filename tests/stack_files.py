"""The stack files in the repository, as settings and as what they cost."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from components import cost, settings
from rendering.cost import Figures
from rendering.declarations import load_platform

ROOT = Path(__file__).resolve().parents[1]
PROJECT = "observability-stack"


def config_of(stack: str) -> Mapping[str, Any]:
    """All that stands there in plain: whoever has deployed has encrypted secrets beside it."""
    config: dict[str, Any] = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    return {key: value for key, value in config.items() if not (isinstance(value, dict) and "secure" in value)}


def settings_of(stack: str) -> settings.Settings:
    return settings.of_stack_file(ROOT / f"Pulumi.{stack}.yaml")


@cache
def costs_of(stack: str) -> Figures:
    return cost.figures(settings_of(stack), load_platform(ROOT / "configs" / "services.yaml"))
