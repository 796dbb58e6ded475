"""The store that runs in the cluster: three nodes find each other, let Jaeger write, bear a loss, have snapshots."""

import shlex
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest

from components.opensearch import PORT, READY
from jobs import span_store
from rendering.jaeger import Role
from rendering.span_store import render_role
from tests.native.jaeger_process import JaegerClient
from tests.native.opensearch_cluster_process import Node, running_nodes
from tests.native.span_store_process import MASTER, MASTER_PASSWORD, PASSWORD, PREFIX, RunningStore, jaeger_on
from tests.native.spans import call, read_whole, send, written_and_read
from tests.pages import ROOT, inline_commands
from tests.waiting import eventually

pytestmark = pytest.mark.full

START_SECONDS = 240


@dataclass(frozen=True)
class Cluster:
    nodes: Sequence[Node]
    store: RunningStore

    def health(self) -> tuple[str, int]:
        answer = self.store.administrator.get("/_cluster/health").raise_for_status().json()
        return answer["status"], answer["number_of_nodes"]

    def ask(self, node: Node, path: str = "/", login: tuple[str, str] | None = None) -> httpx.Response:
        url = f"https://{node.host}:{PORT}{path}"
        return httpx.get(url, auth=login, verify=self.store.trust(), trust_env=False)

    def ready(self, node: Node) -> bool:
        """What its pod's readiness probe says."""
        return self.ask(node, READY).is_success


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
            for node in nodes:
                eventually(partial(found.ready, node), START_SECONDS)  # as the job waits for the StatefulSet
            made = found.store.run("users")
            assert made.returncode == 0, made.stderr
            yield found


@pytest.fixture(scope="module")
def jaeger(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JaegerClient]:
    with jaeger_on(cluster.store, tmp_path_factory.mktemp("jaeger"), Role.ALL_IN_ONE, replicas=1) as client:
        yield client


def test_every_node_asks_for_a_login_and_knows_the_demonstration_users_not(cluster: Cluster) -> None:
    for node in cluster.nodes:
        for login, status in (
            (None, 401),
            (("admin", "admin"), 401),
            (("jaeger", PASSWORD), 200),
            ((MASTER, MASTER_PASSWORD), 200),
        ):
            answer = cluster.ask(node, login=login)
            assert answer.status_code == status, f"{answer.url} says {answer.status_code}: {answer.text}"


def test_jaegers_spans_are_read_while_a_node_is_away(cluster: Cluster, jaeger: JaegerClient) -> None:
    written_and_read(jaeger, "front", "back")
    eventually(lambda: cluster.health() == ("green", 3), 60)
    cluster.nodes[2].stop()
    try:
        eventually(lambda: cluster.health() == ("yellow", 2), 60)
        written_and_read(jaeger, "front", "back")
    finally:
        cluster.nodes[2].start()
    eventually(lambda: cluster.ready(cluster.nodes[2]), START_SECONDS)
    answer = cluster.ask(cluster.nodes[2], login=("jaeger", PASSWORD))
    assert answer.is_success, f"ready, but says {answer.status_code}: {answer.text}"
    eventually(lambda: cluster.health() == ("green", 3), START_SECONDS)


def snapshots(cluster: Cluster) -> dict[str, dict[str, Any]]:
    answer = cluster.store.administrator.get("/_snapshot/spans/_all").raise_for_status().json()
    return {one["snapshot"]: one for one in answer["snapshots"]}


def taken(cluster: Cluster) -> str:
    """The name of the snapshot that the job has taken, as its CronJob runs it."""
    done = cluster.store.run("snapshot", SPAN_STORE_RETENTION_HOURS="72")
    assert done.returncode == 0, done.stdout + done.stderr
    name = done.stdout.split()[1]
    assert snapshots(cluster)[name]["state"] == "SUCCESS"
    return name


def typed(cluster: Cluster, command: str, **names: str) -> str:
    """What it answers to a command of docs/operations.md, typed as the administrator."""
    trust, login = cluster.store.files / "ca" / "ca.crt", f"{MASTER}:{MASTER_PASSWORD}"
    given = f'store() {{ curl -sf --cacert {trust} -u {shlex.quote(login)} "$@"; }}; url={cluster.store.url}; '
    for name, value in names.items():
        command = command.replace(f"<{name}>", value)
    done = subprocess.run(["bash", "-c", given + command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def test_a_days_spans_that_were_deleted_are_found_again_after_what_the_page_says(
    cluster: Cluster, jaeger: JaegerClient
) -> None:
    trace_id, spans = call("front", "back")
    send(jaeger, spans)
    read_whole(jaeger, trace_id, len(spans))
    index = f"{PREFIX}-jaeger-span-{datetime.now(UTC):%Y-%m-%d}"
    names = {"repository": "spans", "snapshot": taken(cluster), "index": index}

    page = ROOT / "docs" / "operations.md"
    look, delete, restore = (text for where, text in inline_commands() if where == page and text.startswith("store "))
    assert names["snapshot"] in typed(cluster, look, **names)
    typed(cluster, delete, **names)
    assert cluster.store.administrator.head(f"/{index}").status_code == 404
    typed(cluster, restore, **names)

    eventually(lambda: cluster.health()[0] == "green", 60)
    read_whole(jaeger, trace_id, len(spans))
    written_and_read(jaeger, "front", "back")


def test_a_snapshot_holds_the_environments_indices_and_nothing_else(cluster: Cluster, jaeger: JaegerClient) -> None:
    written_and_read(jaeger, "front")
    cluster.store.administrator.put("/orders-2020-01-01").raise_for_status()
    name = taken(cluster)
    found = snapshots(cluster)[name]
    assert found["indices"]
    assert all(index.startswith(f"{PREFIX}-jaeger-") for index in found["indices"])
    assert found["include_global_state"] is False


def test_a_snapshot_goes_when_its_youngest_span_is_72_hours_old(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPAN_STORE_URL", cluster.store.url)
    monkeypatch.setattr(span_store, "FILES", cluster.store.files)
    master = span_store.Store(MASTER, cluster.store.files / "master" / "password")
    taken_at, hours, second = datetime(2020, 3, 8, 13, 30, tzinfo=UTC), timedelta(hours=72), timedelta(seconds=1)
    name = span_store.snapshot_name(PREFIX, taken_at)
    others = {"by-hand", span_store.snapshot_name("other-environment", taken_at)}

    def left(now: datetime) -> set[str]:
        span_store.take_snapshot(master, PREFIX, hours, now)
        return snapshots(cluster).keys() & {name, *others}

    assert left(taken_at) == {name}
    for other in others:
        cluster.store.administrator.put(f"/_snapshot/spans/{other}?wait_for_completion=true").raise_for_status()
    assert left(taken_at + hours - second) == {name, *others}
    assert left(taken_at + hours) == others


def test_a_snapshot_that_lacks_an_index_fails_its_run_and_has_the_others(cluster: Cluster) -> None:
    taken(cluster)
    known, lost = snapshots(cluster).keys(), f"{PREFIX}-jaeger-span-2020-01-01"
    nowhere = {"settings": {"index.routing.allocation.require._name": "nowhere"}}
    cluster.store.administrator.put(f"/{lost}?wait_for_active_shards=0", json=nowhere).raise_for_status()
    try:
        done = cluster.store.run("snapshot", SPAN_STORE_RETENTION_HOURS="0")
    finally:
        cluster.store.administrator.delete(f"/{lost}").raise_for_status()
    [name] = snapshots(cluster).keys() - known
    assert done.returncode == 1
    assert f"snapshot {name} is PARTIAL" in done.stderr
    assert known < snapshots(cluster).keys()  # nothing is deleted for one that is not whole
    assert {failed["index"] for failed in snapshots(cluster)[name]["failures"]} == {lost}
