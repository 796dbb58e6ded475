"""The same queries as one would write them without recording rules: recorded names replaced by what they stand for."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rendering import documents

RECORDED = re.compile(
    r"(?P<name>\b[a-z][a-z0-9_]*(?::[a-z0-9_]+)+)\s*(?P<matchers>\{[^{}]*\})?(?P<range>\[[^\]]+\])?"
    r"(?:\s*\b(?P<offset>offset \w+))?"
)
RAW = re.compile(
    r"(?<![:\w])(?P<name>http_request\w*|container_\w+|kube_pod\w+|up|loki_s3_request\w*|loki_request\w*|loki_logql\w*"
    r"|promtail_request\w*)(?![:\w]|\s*\()\s*(?P<matchers>\{[^{}]*\})?"
)
MATCHER = re.compile(r'(?P<label>\w+)\s*(?:=~|!=|!~|=)\s*"[^"]*"')
# Which of a query's matchers a raw series knows; the others are labels that only rules add.
OF_A_SERVICE = frozenset({"namespace", "service", "pod", "route", "method", "status", "le"})
OF_A_POD = frozenset({"namespace", "pod"})
OF_LOGS = frozenset({"route", "operation", "type", "node"})
OF_A_DECLARATION = frozenset({"namespace", "service"})
KNOWN = {"container_": OF_A_POD, "kube_": OF_A_POD, "loki_": OF_LOGS, "promtail_": OF_LOGS}

# The share of failed requests over a window, straight from the counters. Rules do it by averaging short windows; done
# like that without rules it would be dearer still.
SHARE = (
    'label_replace(sum by (service, namespace) (rate(http_requests_total{{job="services", status=~"5.."}}[{window}]))'
    ' / sum by (service, namespace) (rate(http_requests_total{{job="services"}}[{window}])), "slo", "errors", "", "")'
)
ALLOWED = "on (service, namespace, slo) group_left () (1 - service_slo:objective:ratio)"
OBJECTIVES = {
    **{
        f"service_slo:error:ratio_rate{window}": SHARE.format(window=window)
        for window in ("1h", "6h", "1d", "3d", "30d")
    },
    "service_slo:burn_rate:ratio1h": f"({SHARE.format(window='1h')}) / {ALLOWED}",
    "service_slo:error_budget:remaining_ratio": f"1 - ({SHARE.format(window='30d')}) / {ALLOWED}",
    "service_slo:error_budget:remaining_minutes": f"(1 - ({SHARE.format(window='30d')}) / {ALLOWED}) * 43.2",
}
# Said, not computed: no raw series is behind them. Those of a band would need weeks of past; they are left as they are.
KEPT = re.compile(
    r"platform:service:info|service_slo:objective:ratio|service:slo_\w+:\w+|service_signal:.*|namespace_pod:.*"
)


def definitions(folder: Path) -> dict[str, str]:
    """Recorded name -> expression, of the native rule files; several rules of one name are joined by `or`."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.glob("recording-*.yaml")):
        rules: Iterable[Mapping[str, Any]] = (r for group in documents.load(path)["groups"] for r in group["rules"])
        for rule in rules:
            found.setdefault(rule["record"], []).append(f"({rule['expr'].strip()})")
    return {name: " or ".join(expressions) for name, expressions in found.items()} | OBJECTIVES


def steps(folder: Path) -> dict[str, int]:
    """Recorded name -> seconds from sample to sample, of the groups that have an interval of their own."""
    groups = [group for path in sorted(folder.glob("recording-*.yaml")) for group in documents.load(path)["groups"]]
    return {
        rule["record"]: int(group["interval"].removesuffix("m")) * 60
        for group in groups
        if "interval" in group
        for rule in group["rules"]
    }


def inlined(expression: str, defined: Mapping[str, str], outer: tuple[str, ...] = ()) -> str:
    """`expression` on raw series only; `outer` are matchers of whatever it stands in for."""

    def recorded(match: re.Match[str]) -> str:
        name, matchers = match["name"], (*_matchers(match["matchers"]), *outer)
        if name not in defined or KEPT.fullmatch(name):
            own = f"{name}{{{', '.join(_narrowed(match['matchers'], outer, OF_A_DECLARATION))}}}"
            return own + (match["range"] or "") + (f" {match['offset']}" if match["offset"] else "")
        text = f"({inlined(defined[name], defined, matchers)})"
        if match["range"]:
            return f"{text}{match['range'][:-1]}:1m] {match['offset'] or ''}".rstrip()
        # only a selector or a subquery has an offset
        return f"last_over_time({text}[1m:1m] {match['offset']})" if match["offset"] else text

    def raw(match: re.Match[str]) -> str:
        known = next((labels for start, labels in KNOWN.items() if match["name"].startswith(start)), OF_A_SERVICE)
        return f"{match['name']}{{{', '.join(_narrowed(match['matchers'], outer, known))}}}"

    # raw names first: what is put in place of recorded ones has been seen to already
    return RECORDED.sub(recorded, RAW.sub(raw, expression))


def _narrowed(braces: str | None, outer: tuple[str, ...], known: frozenset[str]) -> list[str]:
    return [*_matchers(braces), *(each for each in outer if re.split(r"\W", each)[0] in known)]


def _matchers(braces: str | None) -> tuple[str, ...]:
    return tuple(match.group(0) for match in MATCHER.finditer(braces or ""))
