"""Promtail: the objects it asks for."""

from pathlib import Path
from typing import Any

import yaml

from components.promtail import Promtail, PromtailArgs
from components.settings.loki import LokiSettings
from components.settings.tools import LogsSettings
from components.shared import Endpoint
from rendering.declarations import load_services
from rendering.promtail import PODS_JOB
from tests.components.recording import Recording, environment, pod, record, shared

SERVICES = load_services(Path(__file__).resolve().parents[2] / "configs" / "services.yaml")


def promtail(settings: LogsSettings | None = None, **limits: Any) -> Recording:
    args = PromtailArgs(
        shared=shared(),
        settings=settings or LogsSettings(),
        image="promtail:1",
        services=SERVICES,
        loki=Endpoint(name="loki", namespace="monitoring", port=3100),
        limits=LokiSettings.model_validate(limits),
    )
    return record(lambda: Promtail("promtail", args))


def test_it_runs_on_every_node_in_the_namespace_of_agents() -> None:
    agent = promtail().only("DaemonSet")
    assert agent["metadata"]["namespace"] == "monitoring-agents"
    assert pod(agent)["tolerations"] == [{"operator": "Exists"}]


def test_it_may_see_pods_and_nothing_else() -> None:
    recorded = promtail()
    [rule] = recorded.only("ClusterRole")["rules"]
    assert (rule["resources"], rule["verbs"]) == (["pods"], ["get", "list", "watch"])
    [subject] = recorded.only("ClusterRoleBinding")["subjects"]
    assert (subject["name"], subject["namespace"]) == ("promtail", "monitoring-agents")


def test_its_lines_are_the_environments_where_loki_has_tenants() -> None:
    def client(**limits: Any) -> dict[str, Any]:
        text = promtail(**limits).only("ConfigMap")["data"]["promtail.yaml"]
        [found] = yaml.safe_load(text)["clients"]
        return dict(found)

    assert client(tenants=("team-a",))["tenant_id"] == "test"
    assert "tenant_id" not in client()


def test_what_was_read_is_recorded_on_the_node_and_the_logs_are_only_read() -> None:
    spec = pod(promtail().only("DaemonSet"))
    mounts = {one["name"]: one for one in spec["containers"][0]["volumeMounts"]}
    paths = {one["name"]: one["hostPath"]["path"] for one in spec["volumes"] if "hostPath" in one}
    assert mounts["positions"]["mountPath"] == "/var/lib/promtail"
    assert paths["positions"].startswith("/var/lib/observability-stack-test-")  # not another stack's
    assert mounts["logs"]["readOnly"] is True


def test_further_files_of_the_node_are_read_where_they_are_and_only_their_folders_are_seen() -> None:
    files = ("/srv/app/*/out.log", "/srv/app/x.log", "/var/log/app/*.log", "/opt/{a,b}/y.log")
    spec = pod(promtail(LogsSettings(extra_node_files=files)).only("DaemonSet"))
    mounts = {one["mountPath"]: one for one in spec["containers"][0]["volumeMounts"] if one["name"].startswith("logs")}
    paths = {one["name"]: one["hostPath"]["path"] for one in spec["volumes"] if "hostPath" in one}
    assert set(mounts) == {"/var/log", "/var/log/journal", "/srv/app", "/opt"}
    for folder, mount in mounts.items():
        assert paths[mount["name"]] == folder
        assert mount["readOnly"] is True


def test_a_node_without_a_journal_gets_an_empty_one_for_the_agent_would_not_start() -> None:
    types = {
        one["hostPath"]["path"]: one["hostPath"]["type"]
        for one in pod(promtail().only("DaemonSet"))["volumes"]
        if "hostPath" in one
    }
    assert (types["/var/log"], types["/var/log/journal"]) == ("Directory", "DirectoryOrCreate")


def test_its_name_for_the_node_is_the_nodes_name() -> None:
    container = pod(promtail().only("DaemonSet"))["containers"][0]
    assert environment(container)["HOSTNAME"] == {"fieldRef": {"fieldPath": "spec.nodeName"}}
    assert "-client.external-labels=node=$(HOSTNAME)" in container["args"]


def test_its_one_capability_is_to_read_what_is_not_its_own() -> None:
    context = pod(promtail().only("DaemonSet"))["containers"][0]["securityContext"]
    assert context["capabilities"] == {"drop": ["ALL"], "add": ["DAC_READ_SEARCH"]}
    assert context["allowPrivilegeEscalation"] is False


def test_what_loki_takes_of_a_stream_is_what_it_sends_of_a_service() -> None:
    text = promtail(per_stream_rate_mib=10, per_stream_burst_mib=30).only("ConfigMap")["data"]["promtail.yaml"]
    double = [limit["rate"] for limit in limits_of_long_lines(text)]
    usual = [limit["rate"] for limit in limits_of_long_lines(promtail().only("ConfigMap")["data"]["promtail.yaml"])]
    assert [rate // 2 for rate in double] == usual


def limits_of_long_lines(text: str) -> list[dict[str, Any]]:
    [of_pods] = [job for job in yaml.safe_load(text)["scrape_configs"] if job["job_name"] == PODS_JOB]
    [long] = [
        one["match"] for one in of_pods["pipeline_stages"] if "[0-9]+" in one.get("match", {}).get("selector", "")
    ]
    return [one["match"]["stages"][0]["limit"] for one in long["stages"]]
