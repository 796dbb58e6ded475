"""Last of all: what the whole run left in the logs, a volume that grows, and what `pulumi destroy` leaves behind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox import stack
from sandbox.engine import EngineError
from tests.secret_forms import revealed
from tests.stack_file import configured, secret_values
from tests.waiting import eventually

GRAFANA = "observability-stack:grafana"
CLAIM = "data-grafana-0"
NAMESPACES = {"monitoring", "monitoring-agents"}


@pytest.mark.real_node
def test_no_tool_wrote_a_secret_into_its_log(deployed: dict[str, Any]) -> None:
    """After all that the tests before did with them."""
    secrets = secret_values()
    logs = [log for log in Path("/var/log/pods").glob("monitoring*/*/*.log") if log.stat().st_size]
    assert {log.parent.name for log in logs} >= {"alertmanager", "grafana", "loki"}
    assert [(log.parent.name, name) for log in logs for name in revealed(log.read_text(), secrets)] == []


def test_a_volume_grows_in_place_and_never_shrinks(deployed: dict[str, Any], kubectl: Any) -> None:
    def claim() -> Any:
        return kubectl("get", "pvc", CLAIM, "-n", deployed["namespace"])

    def size_gib() -> int:
        return int(claim()["status"]["capacity"]["storage"].removesuffix("Gi"))

    before, volume = size_gib(), claim()["spec"]["volumeName"]
    with configured(stack.engine(), GRAFANA, {"storage": {"size_gib": before + 1}}):
        stack.pulumi("up", "--yes", "--skip-preview")
    eventually(lambda: size_gib() == before + 1, 60)
    assert claim()["spec"]["volumeName"] == volume
    with pytest.raises(EngineError) as refused:
        stack.pulumi("preview", capture=True)
    assert f"has {before + 1} GiB and no volume can shrink; set storage.size_gib to {before + 1} or more" in (
        refused.value.output
    )


def test_destroy_leaves_nothing_of_the_stack(
    deployed: dict[str, Any], kubectl: Any, aws_client: Callable[[str], Any]
) -> None:
    def on_aws() -> dict[str, list[str]]:
        return {
            "buckets": [bucket["Name"] for bucket in aws_client("s3").list_buckets()["Buckets"]],
            "roles": [role["RoleName"] for role in aws_client("iam").list_roles()["Roles"]],
            "domains": [domain["DomainName"] for domain in aws_client("opensearch").list_domain_names()["DomainNames"]],
        }

    def volumes() -> list[str]:
        return [
            volume["metadata"]["name"]
            for volume in kubectl("get", "persistentvolumes")["items"]
            if volume["spec"]["claimRef"]["namespace"] in NAMESPACES
        ]

    assert all(on_aws().values())
    assert volumes()

    stack.destroy()

    names = {item["metadata"]["name"] for item in kubectl("get", "namespaces")["items"]}
    assert not names & NAMESPACES
    ours = ("-l", "app.kubernetes.io/part-of=observability-stack")
    assert kubectl("get", "clusterroles,clusterrolebindings", *ours)["items"] == []
    assert on_aws() == {"buckets": [], "roles": [], "domains": []}
    eventually(lambda: volumes() == [], 60)  # the provisioner takes them away a moment after their claims
