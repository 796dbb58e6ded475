"""The public list prices that costs are reckoned with, and what is known of a signal's size: configs/cost.yaml."""

from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from rendering.documents import load as load_document


class CostError(ValueError):
    """A stack that cannot be priced; the message says what to write where."""


class _Listed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Priced(_Listed):
    source: str
    as_of: str
    read_in: str


class Nodes(_Priced):
    instance_type: str
    usd_per_hour: float
    allocatable_cpu_millicores: int
    allocatable_memory_mib: int


class Volumes(_Priced):
    usd_per_gib_month: float


class SharedVolumes(_Priced):
    usd_per_gib_month: float


class Objects(_Priced):
    standard_usd_per_gb_month: float
    infrequent_usd_per_gb_month: float
    infrequent_least_days: int
    write_usd_per_1000: float
    read_usd_per_1000: float
    transition_usd_per_1000: float


class Search(_Priced):
    instance_usd_per_hour: dict[str, float]
    volume_usd_per_gib_month: float


class Balancers(_Priced):
    usd_per_hour: float
    capacity_usd_per_hour: float
    address_usd_per_hour: float


class Traffic(_Priced):
    usd_per_gb: float


class Keys(_Priced):
    usd_per_month: float


class Measured(_Listed):
    as_of: date
    bytes_per_line: float
    bytes_per_span: float
    log_compression: float
    bytes_per_sample_scraped: float
    index_writes_per_hour: float
    reads_per_hour: float
    services_series_share: float
    recorded_series: int
    recorded_samples_ratio: float


class Assumed(_Listed):
    entered_by: str
    spans_per_request: float
    bytes_per_span_sent: float
    own_traces_per_second: float
    spans_per_own_trace: float
    pods_per_service: int
    probes_per_pod_per_second: float
    debug_line_share: float
    ui_gb_per_month: float
    users: int


class Datadog(_Priced):
    title: str
    host_usd: float
    apm_host_usd: float
    custom_metrics_usd_per_100: float
    custom_metrics_included_per_host: int
    log_usd_per_gb: float
    log_usd_per_million_lines: float


class GrafanaCloud(_Priced):
    title: str
    platform_usd: float
    series_usd_per_1000: float
    series_included: int
    log_usd_per_gb: float
    trace_usd_per_gb: float
    gb_included: float
    user_usd: float
    users_included: int


class NewRelic(_Priced):
    title: str
    gb_usd: float
    gb_included: float
    user_usd: float
    full_users: int


class Hosted(_Listed):
    datadog: Datadog
    grafana_cloud: GrafanaCloud
    new_relic: NewRelic


class Prices(_Listed):
    """configs/cost.yaml."""

    currency: str
    region: str
    hours_per_month: int
    nodes: Nodes
    volumes: Volumes
    shared_volumes: SharedVolumes
    objects: Objects
    search: Search
    balancers: Balancers
    traffic: Traffic
    keys: Keys
    measured: Measured
    assumed: Assumed
    hosted: Hosted

    @property
    def node_usd(self) -> float:
        """One node, one month."""
        return self.nodes.usd_per_hour * self.hours_per_month


def load_prices(path: Path) -> Prices:
    """Read configs/cost.yaml. Raises CostError, naming the field, for anything missing, misspelt or of another kind."""
    try:
        return Prices.model_validate(load_document(path))
    except ValidationError as error:
        problems = (f"{path.name}: {'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise CostError("\n".join(problems)) from None
