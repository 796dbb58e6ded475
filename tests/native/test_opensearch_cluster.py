"""The store that runs in the cluster: three nodes find each other, let Jaeger write, and bear the loss of one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import httpx
import pytest

from rendering.jaeger import Role
from rendering.span_store import render_role
from tests.native.jaeger_process import JaegerClient
from tests.native.opensearch_cluster_process import Node, running_nodes
from tests.native.span_store_process import MASTER, MASTER_PASSWORD, PASSWORD, PREFIX, RunningStore, jaeger_on
from tests.native.spans import written_and_read
from tests.waiting import eventually

START_SECONDS = 240


@dataclass(frozen=True)
class Cluster:
    nodes: Sequence[Node]
    store: RunningStore

    def health(self) -> tuple[str, int]:
        answer = self.store.administrator.get("/_cluster/health").raise_for_status().json()
        return answer["status"], answer["number_of_nodes"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    certificates, files, master = folder / "certificates", folder / "mounted", (MASTER, MASTER_PASSWORD)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        with running_nodes(folder, certificates, master) as nodes, nodes[0].client(certificates, master) as first:
            for name, text in {
                "login/password": PASSWORD,
                "master/password": MASTER_PASSWORD,
                "ca/ca.crt": (certificates / "ca.pem").read_text(),
                "users/role.json": render_role("test", PREFIX),
            }.items():
                (files / name).parent.mkdir(parents=True)
                (files / name).write_text(text)
            url = str(first.base_url).rstrip("/")
            found = Cluster(nodes, RunningStore("opensearch", url, files, first, nodes[0].start, nodes[0].stop))
            eventually(lambda: found.health()[1] == len(nodes), START_SECONDS)
            made = found.store.run("users")
            assert made.returncode == 0, made.stderr
            yield found


@pytest.fixture(scope="module")
def jaeger(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JaegerClient]:
    with jaeger_on(cluster.store, tmp_path_factory.mktemp("jaeger"), Role.ALL_IN_ONE, replicas=1) as client:
        yield client


def test_every_node_asks_for_a_login_and_knows_the_demonstration_users_not(cluster: Cluster) -> None:
    for node in cluster.nodes:
        url, trust = f"https://{node.host}:9200", cluster.store.trust()
        for login, status in (
            (None, 401),
            (("admin", "admin"), 401),
            (("jaeger", PASSWORD), 200),
            ((MASTER, MASTER_PASSWORD), 200),
        ):
            assert httpx.get(url, auth=login, verify=trust, trust_env=False).status_code == status, (node.name, login)


def test_jaegers_spans_are_read_while_a_node_is_away(cluster: Cluster, jaeger: JaegerClient) -> None:
    written_and_read(jaeger, "front", "back")
    eventually(lambda: cluster.health() == ("green", 3), 60)
    cluster.nodes[2].stop()
    try:
        eventually(lambda: cluster.health() == ("yellow", 2), 60)
        written_and_read(jaeger, "front", "back")
    finally:
        cluster.nodes[2].start()
    eventually(lambda: cluster.health() == ("green", 3), START_SECONDS)
