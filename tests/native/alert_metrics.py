"""Names of the metrics that alerts read, to be compared with what the running binaries emit."""

import re
from pathlib import Path

import httpx
import yaml

RULES = Path(__file__).resolve().parents[2] / "configs" / "prometheus" / "rules"


def read_by_alerts(job: str) -> set[str]:
    """Every metric that a native alert selects with `job="<job>"` (or a pattern that begins with it)."""
    selector = re.compile(rf'\b([a-zA-Z_:][\w:]*)\{{[^}}]*job=~?"{job}(?:\.\*)?"')
    return {
        name
        for path in RULES.glob("alerts-*.yaml")
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
        for name in selector.findall(rule["expr"])
        if name != "up"
    }


def emitted(url: str) -> set[str]:
    """Names of all series at a metrics page."""
    lines = httpx.get(url).text.splitlines()
    return {re.split(r"[{ ]", line, maxsplit=1)[0] for line in lines if line and not line.startswith("#")}
