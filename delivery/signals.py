"""What Prometheus and Alertmanager know about one service."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from delivery.decision import Alert, Poll, Seen, Unseen
from delivery.errors import GateError, worded

WATCHDOG = "Watchdog"
"""Always fires. Where Alertmanager does not hold it, the absence of other alerts means nothing."""


class Unanswered(Exception):
    """Prometheus or Alertmanager did not answer, or not with what was asked for."""


@dataclass(frozen=True)
class Signals:
    """Asks for the signals of one service. `http` needs a timeout of its own."""

    http: httpx.Client
    prometheus: str
    alertmanager: str
    service: str
    namespace: str

    def objectives(self) -> tuple[str, ...]:
        """Names of the service's objectives, such as `availability`."""
        found = self._query(f"service_slo:objective:ratio{{{self._who}}}")
        return tuple(sorted(series["metric"]["slo"] for series in found))

    def burn(self, at: datetime | None = None) -> dict[str, float]:
        """Burn rate over five minutes by objective: 1 spends the budget of 30 days in exactly 30 days."""
        found = self._query(
            f"service_slo:error:ratio_rate5m{{{self._who}}}"
            " / on (service, namespace, slo) group_left () (1 - service_slo:objective:ratio)",
            at,
        )
        return {series["metric"]["slo"]: float(series["value"][1]) for series in found}

    def poll(self, at: datetime, replica_set: str, rollout_began: datetime) -> Poll:
        """All of it, now. What keeps it from being seen is the answer then, never an exception."""
        try:
            return Seen(at=at, alerts=self.alerts(rollout_began), burn=self.burn(), requests=self.requests(replica_set))
        except Unanswered as error:
            return Unseen(at=at, reason=str(error))

    def requests(self, replica_set: str) -> float:
        """Requests answered by the pods of a ReplicaSet: their counters began at zero with the rollout."""
        pods = f'job="services", {self._who}, pod=~"{replica_set}-.+"'
        found = self._query(f"sum(http_requests_total{{{pods}}})")
        return float(found[0]["value"][1]) if found else 0.0

    def alerts(self, rollout_began: datetime) -> tuple[Alert, ...]:
        """Alerts of the service that fire and are not silenced, from metrics and from log lines.

        Raises Unanswered when alerts do not get from Prometheus to Alertmanager: then none is not good news.
        """
        # Prometheus is asked for one thing: since when a condition stands. Alertmanager knows since when it fires.
        conditions = [
            (alert["labels"], alert["activeAt"])
            for alert in self._get(self.prometheus, "/api/v1/alerts")["data"]["alerts"]
        ]
        held = self._alertmanager()
        if WATCHDOG not in (alert["labels"]["alertname"] for alert in held):
            raise Unanswered(f"alerts do not reach Alertmanager ({self.alertmanager} holds no {WATCHDOG})")
        found = []
        for alert in held:
            labels = alert["labels"]
            if not self._is_ours(labels) or alert["status"]["silencedBy"]:
                continue
            # On their way to Alertmanager alerts get the stack's own labels beside theirs.
            since = next((began for own, began in conditions if own.items() <= labels.items()), alert["startsAt"])
            summary = alert["annotations"].get("summary", labels["alertname"])
            stood_before = datetime.fromisoformat(since) < rollout_began
            found.append(Alert(labels["alertname"], labels.get("severity", ""), summary, stood_before))
        return tuple(sorted(found, key=lambda alert: (alert.stood_before, alert.name)))

    def environment(self) -> str:
        """What the stack calls its environment, from the labels it gives every alert; empty where it has none."""
        return next(
            (
                str(alert["labels"].get("environment", ""))
                for alert in self._alertmanager()
                if alert["labels"]["alertname"] == WATCHDOG
            ),
            "",
        )

    @property
    def _who(self) -> str:
        return f'service="{self.service}", namespace="{self.namespace}"'

    def _is_ours(self, labels: Mapping[str, str]) -> bool:
        return labels.get("service") == self.service and labels.get("namespace", self.namespace) == self.namespace

    def _query(self, expression: str, at: datetime | None = None) -> list[dict[str, Any]]:
        parameters = {"query": expression} | ({"time": str(at.timestamp())} if at else {})
        found: list[dict[str, Any]] = self._get(self.prometheus, "/api/v1/query", parameters)["data"]["result"]
        return found

    def _alertmanager(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._get(self.alertmanager, "/api/v2/alerts")
        return found

    def _get(self, base: str, path: str, parameters: Mapping[str, str] | None = None) -> Any:
        return get(self.http, base, path, parameters)


def namespace_of(http: httpx.Client, prometheus: str, service: str, namespace: str | None) -> str:
    """The namespace that the running stack declares for a service.

    Raises GateError when Prometheus does not answer, or knows no such service.
    """
    try:
        declared = get(http, prometheus, "/api/v1/query", {"query": "platform:service:info"})["data"]["result"]
    except Unanswered as error:
        raise GateError(f"{error}; give the address of the stack's Prometheus with --prometheus-url") from None
    known = [(each["metric"]["service"], each["metric"]["namespace"]) for each in declared]
    found = [space for name, space in known if name == service and namespace in (None, space)]
    if len(found) == 1:
        return str(found[0])
    if found:
        raise GateError(f"--service is '{service}', which {' and '.join(found)} have; say which with --namespace")
    raise GateError(
        f"--service is '{service}'{f' in namespace {namespace}' if namespace else ''}, which the stack at {prometheus} "
        f"does not watch; {_instead(service, [name for name, _ in known])}"
    )


def get(http: httpx.Client, base: str, path: str, parameters: Mapping[str, str] | None = None) -> Any:
    """The JSON that a tool answers. Raises Unanswered."""
    try:
        return http.get(f"{base}{path}", params=parameters).raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:
        raise Unanswered(f"{base} does not answer as it should: {worded(error)}") from error


def _instead(service: str, known: list[str]) -> str:
    if not known:
        return "it watches no service at all: is it the stack's Prometheus, and are its rules loaded?"
    nearest = difflib.get_close_matches(service, known, n=1)
    return f"did you mean '{nearest[0]}'?" if nearest else f"write one of {', '.join(sorted(known))}"
