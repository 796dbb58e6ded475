"""Every metric that a runbook's query names is one that Prometheus has: asked after faults, which make some of them."""

from collections.abc import Callable

import httpx
import pytest

from tests.e2e.test_7_alerts import NOT_YET, selectors
from tests.pages import RUNBOOKS, Block, blocks

pytestmark = pytest.mark.real_node

# What runbooks ask for beyond what alerts do (NOT_YET), and cannot be on a healthy sandbox.
NOT_HERE = {
    "alertmanager_cluster_messages_received_total": "one replica here; production has peers",
    "coredns_proxy_healthcheck_failures_total": "made when the first resolver fails to answer",
    "kube_cronjob_status_last_successful_time": "made when a CronJob first succeeds",
    "kube_pod_container_status_last_terminated_exitcode": "made when a container is started again",
    "loki_boltdb_shipper_compact_tables_operation_total": "made by the first compaction",
    "otelcol_processor_tail_sampling_new_trace_id_received_total": "the sandbox decides where traces start",
}


@pytest.fixture(scope="module")
def there(urls: dict[str, str]) -> set[str]:
    """The names of all metrics that Prometheus has, and of those that it records."""
    assert all(any(name in block.text for block in blocks("promql", *RUNBOOKS)) for name in NOT_HERE)
    names = httpx.get(f"{urls['prometheus']}/api/v1/label/__name__/values").raise_for_status().json()["data"]
    rules = httpx.get(f"{urls['prometheus']}/api/v1/rules", params={"type": "record"}).raise_for_status().json()
    return {*names, *(rule["name"] for group in rules["data"]["groups"] for rule in group["rules"])}


@pytest.mark.parametrize("block", blocks("promql", *RUNBOOKS), ids=str)
def test_a_runbooks_query_names_what_prometheus_has(
    block: Block, urls: dict[str, str], filled: Callable[[str], str], there: set[str]
) -> None:
    query = {"query": filled(block.text)}
    answer = httpx.post(f"{urls['prometheus']}/api/v1/parse_query", data=query).raise_for_status()

    assert sorted({*selectors(answer.json()["data"])} - there - NOT_YET.keys() - NOT_HERE.keys()) == []
