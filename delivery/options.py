"""What a pipeline says: the command line, the stack's outputs, and the secrets in the environment."""

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delivery.decision import Limits
from delivery.errors import GateError

GRAFANA_TOKEN = "GRAFANA_TOKEN"
WEBHOOK_URL = "SLACK_WEBHOOK_URL"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


@dataclass(frozen=True, kw_only=True)
class Options:
    """One call of the gate, checked."""

    service: str
    namespace: str | None
    deployment: str
    watch_seconds: float
    rollout_seconds: float
    poll_seconds: float
    limits: Limits
    may_roll_back: bool
    oldest_rollout_seconds: float
    prometheus: str
    alertmanager: str
    grafana: str
    otlp: str
    grafana_link: str
    """Grafana as people open it."""
    jaeger_link: str | None
    """Jaeger as people open it."""
    run_url: str | None
    grafana_token: str
    webhook: str


def parse(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Options:
    """Raises GateError for what cannot be used, naming the option, the value seen and what to write."""
    given = _parser().parse_args(arguments)
    outputs = _outputs(given.stack_outputs)
    urls = outputs.get("urls", {})

    def address(option: str, from_outputs: str | None) -> str:
        value = getattr(given, option) or from_outputs
        flag = f"--{option.replace('_', '-')}"
        if not value:
            raise GateError(f"{flag} is not set; write it, or give --stack-outputs (pulumi stack output --json)")
        if not re.match(r"https?://[^/\s]+", value):
            raise GateError(f"{flag} is '{value}'; write an http:// or https:// address")
        return str(value).rstrip("/")

    def secret(name: str, what: str) -> str:
        if not environment.get(name):
            raise GateError(f"the environment variable {name} is not set; put {what} there")
        return environment[name]

    for flag, name in (
        ("--service", given.service),
        ("--namespace", given.namespace),
        ("--deployment", given.deployment),
    ):
        if name is not None and not _NAME.fullmatch(name):
            raise GateError(f"{flag} is '{name}'; write a Kubernetes name: lower-case letters, digits and hyphens")
    grafana = address("grafana_url", urls.get("grafana"))
    return Options(
        service=given.service,
        namespace=given.namespace,
        deployment=given.deployment or given.service,
        watch_seconds=given.minutes * 60,
        rollout_seconds=given.rollout_minutes * 60,
        poll_seconds=given.poll_seconds,
        limits=Limits(burn_rate=given.burn_rate, burn_seconds=given.burn_seconds, requests=given.min_requests),
        may_roll_back=not given.no_rollback,
        oldest_rollout_seconds=given.max_age_minutes * 60,
        prometheus=address("prometheus_url", urls.get("prometheus")),
        alertmanager=address("alertmanager_url", urls.get("alertmanager")),
        grafana=grafana,
        otlp=address("otlp_endpoint", outputs.get("otlp_endpoint")),
        grafana_link=given.grafana_link or urls.get("grafana") or grafana,
        jaeger_link=given.jaeger_link or urls.get("jaeger"),
        run_url=given.run_url,
        grafana_token=secret(GRAFANA_TOKEN, "a token of a Grafana service account with role Editor"),
        webhook=secret(WEBHOOK_URL, "the address of an incoming webhook (Slack's format)"),
    )


def _outputs(path: str | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        found = json.loads(sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise GateError(
            f"--stack-outputs is '{path}': {error}; write what `pulumi stack output --json` prints"
        ) from None
    if not isinstance(found, dict):
        raise GateError(
            f"--stack-outputs is '{path}', which holds no JSON object; write what `pulumi stack output --json` prints"
        )
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m delivery",
        description="Watches a service after a rollout and rolls back what harms it.",
        epilog=f"Environment: {GRAFANA_TOKEN}, {WEBHOOK_URL} (secrets), KUBECONFIG, TRACEPARENT (a trace to join). "
        "Exit code: 0 passed; 2 could not start, nothing was changed; 3 no verdict, too little to judge by; "
        "4 failed and rolled back; 5 failed and not rolled back.",
    )
    watch = parser.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "watch", help="watch the newest rollout of a service", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    what = watch.add_argument_group("what to watch")
    what.add_argument("--service", required=True, help="as in services.yaml")
    what.add_argument("--namespace", help="of the service; found by itself unless two have a service of this name")
    what.add_argument("--deployment", help="name of its Deployment, where it is not the service's")
    how = watch.add_argument_group("how long, how strictly")
    how.add_argument("--minutes", type=_number(0), default=10, help="how long to watch once it is rolled out")
    how.add_argument(
        "--rollout-minutes", type=_number(0), default=10, help="how long the rollout, and the way back, may take"
    )
    how.add_argument("--poll-seconds", type=_number(1), default=15, help="time between two looks")
    how.add_argument(
        "--burn-rate", type=_number(0), default=Limits.burn_rate, help="fastest allowed burn of an error budget"
    )
    how.add_argument(
        "--burn-seconds", type=_number(0), default=Limits.burn_seconds, help="how long a faster burn is borne"
    )
    how.add_argument("--min-requests", type=int, default=Limits.requests, help="answered by the new revision, to pass")
    how.add_argument("--no-rollback", action="store_true", help="only tell; for a cluster that a GitOps tool writes to")
    how.add_argument("--max-age-minutes", type=_number(0), default=60, help="a rollout older than this is not undone")
    where = watch.add_argument_group("where the tools are")
    where.add_argument("--stack-outputs", metavar="FILE", help="what `pulumi stack output --json` printed; - is stdin")
    for tool in ("prometheus", "alertmanager", "grafana"):
        where.add_argument(
            f"--{tool}-url", metavar="URL", help="where the gate reaches it; else from the stack's outputs"
        )
    where.add_argument("--otlp-endpoint", metavar="URL", help="OTLP over gRPC; else from the stack's outputs")
    where.add_argument("--grafana-link", metavar="URL", help="Grafana as people open it; else from the stack's outputs")
    where.add_argument("--jaeger-link", metavar="URL", help="Jaeger as people open it; else from the stack's outputs")
    where.add_argument("--run-url", metavar="URL", help="the pipeline's run, for the message")
    return parser


def _number(least: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = float(text)
        if not least < value < 10_000 and value != least:
            raise argparse.ArgumentTypeError(f"{text} is out of range; write {least:g} or more")
        return value

    return number
