"""The stack comes up from nothing, stays as it is, and shows no secret."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from sandbox import stack
from sandbox.paths import state_dir
from sandbox.platform.cluster import kubectl as on_node
from tests.secret_forms import revealed
from tests.stack_file import secret_values
from tests.waiting import eventually

Kubectl = Callable[..., Any]
STACK_NAMESPACES = ("monitoring", "monitoring-agents")


@pytest.mark.real_node
def test_every_workload_is_ready_without_a_restart(deployed: dict[str, Any], kubectl: Kubectl) -> None:
    pods = [pod for namespace in STACK_NAMESPACES for pod in kubectl("get", "pods", "-n", namespace)["items"]]
    running = [pod for pod in pods if pod["status"]["phase"] != "Succeeded"]
    apps = {pod["metadata"]["labels"]["app"] for pod in running}
    assert {"prometheus", "grafana", "alertmanager", "loki", "promtail", "jaeger"} <= apps
    statuses = [
        (pod["metadata"]["name"], container["ready"], container["restartCount"])
        for pod in running
        for container in pod["status"]["containerStatuses"]
    ]
    assert [status for status in statuses if status[1:] != (True, 0)] == []


def test_a_second_up_changes_nothing(deployed: dict[str, Any]) -> None:
    stack.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes")


def test_a_refresh_finds_nothing_changed(deployed: dict[str, Any]) -> None:
    stack.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")


def test_only_the_agents_wait_for_lokis_pods(deployed: dict[str, Any]) -> None:
    """At a destroy they go first, for they hand over what they have read. A first up is held up by nothing else."""
    resources = json.loads(stack.pulumi("stack", "export", capture=True))["deployment"]["resources"]
    [loki] = [one["urn"] for one in resources if one["urn"].endswith("kubernetes:apps/v1:StatefulSet::loki")]
    waiting = {one["urn"].split("::")[2].split("$")[0] for one in resources if loki in one.get("dependencies", [])}
    assert waiting == {"observability:index:Promtail"}


def test_the_bucket_is_private_versioned_and_encrypted(deployed: dict[str, Any], s3: Any) -> None:
    bucket = deployed["bucket"]
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    encryption = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert encryption[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    rules = {rule["ID"]: rule for rule in s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]}
    expiring = [rule["Filter"]["Prefix"] for rule in rules.values() if "Days" in rule.get("Expiration", {})]
    assert expiring == ["fake/", "backups/"]
    assert rules["leftovers"]["NoncurrentVersionExpiration"]["NoncurrentDays"] == 7
    assert rules["leftovers"]["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] == 1


def test_no_secret_is_readable_in_state_config_maps_preview_or_what_up_printed(
    deployed: dict[str, Any], kubectl: Kubectl, said_by_up: str
) -> None:
    secrets = secret_values()
    state = "".join(path.read_text() for path in (state_dir() / "pulumi").rglob("*.json"))
    config_maps = json.dumps([kubectl("get", "configmaps", "-n", namespace) for namespace in STACK_NAMESPACES])
    preview = stack.pulumi("preview", "--diff", "--json", capture=True)
    assert "The stack is up." in said_by_up
    for place, text in (("state", state), ("ConfigMaps", config_maps), ("preview", preview), ("up", said_by_up)):
        assert revealed(text, secrets) == [], f"readable in: {place}"


@pytest.mark.real_node
def test_the_urls_answer(urls: dict[str, str], http: Any) -> None:
    pages = {
        "grafana": "/api/health",
        "prometheus": "/-/ready",
        "alertmanager": "/-/ready",
        "loki": "/ready",
        "jaeger": "/",
    }
    assert urls.keys() == pages.keys()
    for tool, page in pages.items():
        eventually(lambda url=urls[tool] + page: http.get(url).status_code == 200, 60)  # type: ignore[misc]


@pytest.mark.real_node
def test_the_in_cluster_endpoints_resolve_and_accept(deployed: dict[str, Any]) -> None:
    addresses = [*deployed["endpoints"].values(), deployed["otlp_endpoint"], deployed["sampling_endpoint"]]
    hosts = [address.split("//", 1)[1].rsplit(":", 1) for address in addresses]
    checks = " && ".join(f"timeout 5 bash -c '</dev/tcp/{host}/{port}'" for host, port in hosts)
    on_node("exec", "-n", "dharma", "deploy/api-gateway", "--", "bash", "-c", checks, timeout_seconds=120)
