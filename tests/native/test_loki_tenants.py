"""A real Loki with tenants: whose a line is decides who finds it, and nobody asks without a name."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from components.loki import chunk_prefixes
from components.settings.loki import LokiSettings
from rendering.datasources import LOKI
from tests.native.grafana_process import NOWHERE, running_grafana
from tests.native.loki_process import LokiClient, running_loki
from tests.native.test_loki import HEALTHY, SERVICE, lines, rules
from tests.waiting import eventually

pytestmark = pytest.mark.full

OWN, OTHER = "prod", "team-a"
HERE = '{pod="here"}'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("loki")


@pytest.fixture(scope="module")
def loki(folder: Path) -> Iterator[LokiClient]:
    """The platform's own client, of a Loki that holds ten lines of its own and five of another tenant."""
    with running_loki(folder, tenant=OWN) as client:
        client.push({**SERVICE, "pod": "here"}, lines(time.time(), 10, 1, HEALTHY))
        replace(client, tenant=OTHER).push({**SERVICE, "pod": "here"}, lines(time.time(), 5, 1, HEALTHY))
        yield client


@pytest.mark.parametrize(("tenant", "count"), [(OWN, 10), (OTHER, 5), ("team-b", 0)])
def test_each_finds_its_own_lines_only(loki: LokiClient, tenant: str, count: int) -> None:
    now = time.time_ns()
    assert len(replace(loki, tenant=tenant).entries(HERE, now - 600 * 10**9, now)) == count


@pytest.mark.parametrize("path", ["/loki/api/v1/labels", f"/loki/api/v1/query_range?query={HERE}"])
def test_who_names_no_tenant_is_told_nothing(loki: LokiClient, path: str) -> None:
    assert httpx.get(f"{loki.url}{path}").status_code == 401


def test_who_names_no_tenant_leaves_no_line(loki: LokiClient) -> None:
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        replace(loki, tenant=None).push(SERVICE, lines(time.time(), 1, 1, HEALTHY))


def test_the_rules_are_the_platforms_own_and_nobody_elses(loki: LokiClient) -> None:
    def loaded(client: LokiClient) -> set[str]:
        return {rule["name"] for group in client.rule_groups() for rule in group["rules"]}

    eventually(lambda: set(rules()) <= loaded(loki), 90, 0.5)
    assert loaded(replace(loki, tenant=OTHER)) == set()


@pytest.mark.parametrize("path", ["/ready", "/loki/api/v1/status/buildinfo", "/metrics"])
def test_probes_and_prometheus_need_no_tenant(loki: LokiClient, path: str) -> None:
    assert httpx.get(f"{loki.url}{path}").status_code == 200


def test_grafana_asks_as_the_platforms_own(loki: LokiClient, tmp_path: Path) -> None:
    datasources = replace(NOWHERE, loki=loki.url, loki_tenant=OWN)
    with running_grafana(tmp_path, datasources=datasources) as grafana:
        path = f"/api/datasources/proxy/uid/{LOKI.uid}/loki/api/v1/query_range"
        answer = grafana.api.get(path, params={"query": HERE}).raise_for_status()
    [stream] = answer.json()["data"]["result"]
    assert len(stream["values"]) == 10


def test_a_lifecycle_of_the_bucket_reaches_the_chunks_of_every_tenant(loki: LokiClient, folder: Path) -> None:
    loki.flush()
    written = {f"{path.name}/" for path in (folder / "chunks").iterdir() if path.name in (OWN, OTHER, "fake")}
    assert written == {f"{OWN}/", f"{OTHER}/"}
    assert written <= set(chunk_prefixes(LokiSettings(tenants=(OTHER,)), OWN))
