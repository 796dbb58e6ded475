"""What a panel asks: PromQL, LogQL, or a search for traces."""

from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import loki, prometheus
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from rendering.datasources import JAEGER, LOKI, PROMETHEUS, Datasource

EVERY = "$__rate_interval"
"""The window of a rate: Grafana makes it the panel's step and a scrape more, and at least four scrapes."""


def ref(datasource: Datasource) -> DataSourceRef:
    """A reference by uid, the only kind that survives a datasource being renamed."""
    return DataSourceRef(type_val=datasource.type, uid=datasource.uid)


@dataclass(frozen=True)
class Promql:
    """A query of Prometheus. `legend` names its series: text with `{{label}}`, by default all labels that differ."""

    expr: str
    legend: str = "__auto"
    instant: bool = False
    """Only the value at the end of the range: for tables, and where the past does not matter."""
    exemplars: bool = False
    """Also fetch traces that stand for single requests; the expression must use a histogram's buckets directly."""
    heatmap: bool = False
    table: bool = False
    """All series in one frame, their labels as columns: what `listing` asks for. Elsewhere it would leave every other
    panel with a single value without labels."""

    @property
    def datasource(self) -> Datasource:
        return PROMETHEUS

    def build(self, ref_id: str) -> Builder[Dataquery]:
        query = prometheus.Dataquery().expr(self.expr).ref_id(ref_id).datasource(ref(PROMETHEUS))
        query = query.legend_format("{{le}}" if self.heatmap else self.legend)
        query = query.instant() if self.instant else query.range()
        if self.exemplars:
            query = query.exemplar(True)
        if self.heatmap:
            return query.format(PromQueryFormat.HEATMAP)
        return query.format(PromQueryFormat.TABLE if self.table else PromQueryFormat.TIME_SERIES)


def exemplars_of(buckets: str) -> Promql:
    """The traces that stand for single requests of `buckets`, a selector of a histogram: first of a panel's queries.

    Grafana knows no query for exemplars alone, and leaves them out when an earlier query of the panel has the metric's
    name in it. What is asked beside them never holds and is asked for one moment only, so that a long range costs
    nothing.
    """
    return Promql(f"sum({buckets}) < 0", instant=True, exemplars=True)


@dataclass(frozen=True)
class Logql:
    """A query of Loki: log lines, or a metric of them."""

    expr: str
    legend: str = ""
    instant: bool = False
    lines: int = 200
    """Most recent lines that are shown; means nothing for a metric query."""

    @property
    def datasource(self) -> Datasource:
        return LOKI

    def build(self, ref_id: str) -> Builder[Dataquery]:
        query = loki.Dataquery().expr(self.expr).ref_id(ref_id).datasource(ref(LOKI)).max_lines(self.lines)
        query = query.query_type("instant" if self.instant else "range")
        return query.legend_format(self.legend) if self.legend else query


class _JaegerQuery(Dataquery):
    """The SDK has no Jaeger query; this is what Grafana's plugin reads."""

    def __init__(self, payload: dict[str, Any]) -> None:
        self.payload = payload

    def to_json(self) -> dict[str, Any]:
        return self.payload


class _JaegerBuilder(Builder[Dataquery]):
    def __init__(self, payload: dict[str, Any]) -> None:
        self._query = _JaegerQuery(payload)

    def build(self) -> Dataquery:
        return self._query


@dataclass(frozen=True)
class Traces:
    """A search for traces of `service`, slowest and failed ones included."""

    service: str
    operation: str = ""
    min_duration: str = ""
    """Such as `500ms`; empty for any."""
    tags: str = ""
    """In logfmt: `error=true http.route="/api/v1/blueprints"`."""
    limit: int = 20

    @property
    def datasource(self) -> Datasource:
        return JAEGER

    def build(self, ref_id: str) -> Builder[Dataquery]:
        return _JaegerBuilder(
            {
                "refId": ref_id,
                "datasource": ref(JAEGER),
                "queryType": "search",
                "service": self.service,
                "operation": self.operation or None,
                "minDuration": self.min_duration or None,
                "tags": self.tags or None,
                "limit": self.limit,
            }
        )


Query = Promql | Logql | Traces


def where(*matchers: str) -> str:
    """A selector of those label matchers: `where('job="loki"', 'code=~"5.."')`."""
    return "{" + ", ".join(matchers) + "}"


def of_tool(tool: str) -> str:
    """The matcher of one of the stack's tools, and of its parts where they run apart, such as `jaeger-query`."""
    return f'service=~"{tool}(-.+)?"'
