"""Who may collect logs, and what Alloy calls what Promtail counts.

Rules and dashboards are written in Promtail's names, valid as they stand. Alloy's parts are Promtail's and count the
same, each under the name of its component; so one table says all of it in Alloy's names.
"""

import re
from collections.abc import Mapping
from typing import Literal

Collector = Literal["promtail", "alloy"]

JOB: Collector = "promtail"
"""Of the two, whose names rules and dashboards have: as scrape job, as `service` of its own log, in metrics."""

ALLOYS_METRICS: Mapping[str, str] = {
    "promtail_read_lines_total": "loki_source_file_read_lines_total",
    "promtail_read_bytes_total": "loki_source_file_read_bytes_total",
    "promtail_file_bytes_total": "loki_source_file_file_bytes_total",
    "promtail_files_active_total": "loki_source_file_files_active_total",
    "promtail_sent_entries_total": "loki_write_sent_entries_total",
    "promtail_sent_bytes_total": "loki_write_sent_bytes_total",
    "promtail_dropped_entries_total": "loki_write_dropped_entries_total",
    "promtail_batch_retries_total": "loki_write_batch_retries_total",
    "promtail_request_duration_seconds": "loki_write_request_duration_seconds",
    "logentry_dropped_lines_total": "loki_process_dropped_lines_total",
    "logentry_dropped_lines_by_label_total": "loki_process_dropped_lines_by_label_total",
}

_ALLOYS = {JOB: "alloy", **ALLOYS_METRICS}
# In a link, the quotation mark before a name is %22.
_NAME = re.compile(
    r"(?:\b|(?<=%[0-9A-F]{2}))(?P<name>promtail|(?:promtail|logentry)_\w+?)(?P<part>_bucket|_count|_sum)?\b"
)


def in_names_of(collector: Collector, text: str) -> str:
    """A rule or dashboard, written in Promtail's names, in those of `collector`.

    Raises ValueError for a metric of Promtail's that has no counterpart here.
    """
    return text if collector == JOB else _NAME.sub(_in_alloys, text)


def metric_of(collector: Collector, metric: str) -> str:
    """What `collector` calls the metric that Promtail calls `metric`."""
    return metric if collector == JOB else ALLOYS_METRICS[metric]


def _in_alloys(found: re.Match[str]) -> str:
    name = found["name"]
    if name not in _ALLOYS:
        raise ValueError(f"{name} is a metric of Promtail's alone; write Alloy's beside it in rendering/collectors.py")
    return _ALLOYS[name] + (found["part"] or "")
