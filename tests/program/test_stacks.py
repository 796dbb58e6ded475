"""What each stack file makes of the whole program: facts that no component can see alone."""

import json
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from typing import Any

import pytest
import yaml

from components.settings.secrets import catalogue
from sandbox.paths import repo_root
from tests.program.on_mocks import HIDDEN
from tests.stack_files import costs_of, settings_of

STACKS = ("prod", "sandbox", "staging")
MAY_HOLD_SECRETS = ("kubernetes:core/v1:Secret", "aws:opensearch/domain:Domain")
CONFIG_MAP_BYTES = 1024 * 1024
PODS = ("Deployment", "StatefulSet", "DaemonSet", "CronJob")

Resource = dict[str, Any]


@cache
def ran(stack: str, *changes: str) -> subprocess.CompletedProcess[str]:
    """On standard error is what the program warns of."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.program.on_mocks", stack, *changes],
        cwd=repo_root(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


@cache
def resources(stack: str, *changes: str) -> tuple[Resource, ...]:
    return tuple(json.loads(ran(stack, *changes).stdout))


def of_kind(stack: str, *kinds: str) -> list[Resource]:
    return [one for one in resources(stack) if one["type"].rsplit(":", 1)[1] in kinds]


def pods(stack: str) -> list[Resource]:
    """The pod specs of all workloads."""
    found = []
    for one in of_kind(stack, *PODS):
        spec = one["inputs"]["spec"]
        spec = spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec
        found.append(spec["template"]["spec"])
    return found


@pytest.mark.parametrize("stack", STACKS)
def test_the_program_runs(stack: str) -> None:
    tools = {one["type"].removeprefix("observability:index:") for one in resources(stack)}

    assert {"Prometheus", "Alertmanager", "Grafana", "Loki", "Promtail", "Jaeger", "Exporters"} <= tools


def test_where_alloy_collects_nothing_asks_promtail() -> None:
    found = resources("staging", json.dumps({"logs": {"collector": "alloy"}}))
    tools = {one["type"].removeprefix("observability:index:") for one in found}
    assert "Alloy" in tools
    assert "Promtail" not in tools
    texts = {
        f"{one['inputs']['metadata']['name']}/{name}": text
        for one in found
        if one["type"].endswith(":ConfigMap")
        for name, text in one["inputs"]["data"].items()
    }
    assert {"prometheus-rules/alerts-signals.yaml", "prometheus-config/prometheus.yml"} <= set(texts)
    own = "alloy-config/promtail.yaml"  # of the form that Alloy reads
    assert {name for name, text in texts.items() if re.search("promtail|logentry", text)} == {own}


@pytest.mark.parametrize("stack", STACKS)
def test_alerts_of_metrics_and_of_log_lines_lead_to_the_same_grafana(stack: str) -> None:
    links = {
        name: set(re.findall(r"dashboard_url: (\S+)/d/", text))
        for one in of_kind(stack, "ConfigMap")
        if one["inputs"]["metadata"]["name"] in ("prometheus-rules", "loki-rules")
        for name, text in one["inputs"]["data"].items()
        if name.startswith("alerts-")
    }

    assert links["alerts-logs.yaml"] == links["alerts-slo.yaml"]
    assert len(links["alerts-logs.yaml"]) == 1


@pytest.mark.parametrize(("stack", "watched"), [("prod", True), ("sandbox", True), ("staging", False)])
def test_whoever_has_no_heartbeat_is_warned_that_nobody_watches_the_watcher(stack: str, watched: bool) -> None:
    warning = "heartbeat_enabled is false: when Prometheus or Alertmanager dies, nobody is told"

    assert (warning in ran(stack).stderr) is not watched


@pytest.mark.parametrize(
    ("stack", "urls"),
    [
        ("prod", {"grafana": "grafana.dharma.example:3000", "jaeger": "jaeger.dharma.example:16686"}),
        ("staging", {"grafana": "grafana.staging.dharma.example:3000"}),
        ("sandbox", {}),
    ],
)
def test_the_certificates_of_the_span_store_and_of_what_people_open_are_watched(
    stack: str, urls: dict[str, str]
) -> None:
    data = {
        one["inputs"]["metadata"]["name"]: one["inputs"]["data"]
        for one in of_kind(stack, "ConfigMap")
        if one["inputs"]["metadata"]["name"].startswith("prometheus-")
    }
    [job] = [
        job
        for job in yaml.safe_load(data["prometheus-config"]["prometheus.yml"])["scrape_configs"]
        if job["job_name"] == "blackbox-certificates"
    ]
    [prometheus] = [one["inputs"] for one in of_kind(stack, "StatefulSet") if one["name"] == "prometheus"]
    [container] = prometheus["spec"]["template"]["spec"]["containers"]
    [folder] = [mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "targets"]

    assert {one["labels"]["of"]: one["targets"][0] for one in job["static_configs"]} == urls
    assert job["file_sd_configs"] == [{"files": [f"{folder}/{name}" for name in data["prometheus-targets"]]}]
    [text] = data["prometheus-targets"].values()
    assert json.loads(text) == [{"targets": ["vpc-spans.us-east-1.es.example:443"], "labels": {"of": "span-store"}}]


@pytest.mark.parametrize("stack", STACKS)
def test_too_many_series_is_what_the_memory_limit_does_not_bear(stack: str) -> None:
    limit_mib = settings_of(stack).prometheus.resources.memory_limit_mib
    [rules] = [
        one["inputs"]["data"]["alerts-stack.yaml"]
        for one in of_kind(stack, "ConfigMap")
        if one["inputs"]["metadata"]["name"] == "prometheus-rules"
    ]

    [series] = re.findall(r"prometheus_tsdb_head_series\S* > (\d+)", rules)
    assert 0.7 * limit_mib * 1024 < int(series) * 8 < 0.85 * limit_mib * 1024


@pytest.mark.parametrize("stack", STACKS)
def test_a_restart_forgets_no_alert_that_a_rule_of_the_stack_keeps_waiting(stack: str) -> None:
    """Prometheus restores only alerts whose `for` is no shorter than the grace period."""
    [prometheus] = [one["inputs"] for one in of_kind(stack, "StatefulSet") if one["name"] == "prometheus"]
    flags = " ".join(prometheus["spec"]["template"]["spec"]["containers"][0]["args"])
    [grace_seconds] = re.findall(r"--rules.alert.for-grace-period=(\d+)s", flags)
    [rules] = [
        one["inputs"]["data"]
        for one in of_kind(stack, "ConfigMap")
        if one["inputs"]["metadata"]["name"] == "prometheus-rules"
    ]
    durations = re.findall(r"\bfor: (\d+)([smh])", "\n".join(rules.values()))

    assert min(int(number) * {"s": 1, "m": 60, "h": 3600}[unit] for number, unit in durations) >= int(grace_seconds)


@pytest.mark.parametrize("stack", STACKS)
def test_every_container_that_stays_is_asked_whether_it_is_ready_and_alive(stack: str) -> None:
    staying = [
        (one["name"], container)
        for one in of_kind(stack, "Deployment", "StatefulSet", "DaemonSet")
        for container in one["inputs"]["spec"]["template"]["spec"]["containers"]
    ]
    assert len(staying) > 10
    probes = {"readinessProbe", "livenessProbe"}
    assert {name: probes - container.keys() for name, container in staying if probes - container.keys()} == {}


@pytest.mark.parametrize("stack", STACKS)
def test_no_object_is_made_twice(stack: str) -> None:
    objects = Counter(
        (one["type"], one["inputs"]["metadata"].get("namespace"), one["inputs"]["metadata"]["name"])
        for one in resources(stack)
        if "metadata" in one["inputs"]
    )

    assert [which for which, count in objects.items() if count > 1] == []


@pytest.mark.parametrize("stack", STACKS)
def test_secrets_are_in_secrets_only(stack: str) -> None:
    holders = {one["type"] for one in resources(stack) if HIDDEN in json.dumps(one["inputs"])}

    assert "kubernetes:core/v1:Secret" in holders
    assert holders <= set(MAY_HOLD_SECRETS)


@pytest.mark.parametrize("stack", STACKS)
def test_secrets_are_where_the_catalogue_says(stack: str) -> None:
    """So that whoever makes a Secret in the stack's place can go by the reference page."""
    said: dict[str, set[str]] = {}
    for secret in catalogue(settings_of(stack)):
        if secret.needed and secret.held_in:
            said.setdefault(secret.held_in, set()).add(secret.key)

    made = {one["inputs"]["metadata"]["name"]: keys_of(one["inputs"]["stringData"]) for one in of_kind(stack, "Secret")}

    assert {name: made[name] for name in said} == said


def keys_of(data: dict[str, Any]) -> set[str]:
    """Keys of a Secret, which the engine gets wrapped as a whole when a value in it is secret."""
    return set(data.get("value", data))


@pytest.mark.parametrize("stack", STACKS)
def test_every_config_map_fits(stack: str) -> None:
    sizes = {one["name"]: len(json.dumps(one["inputs"]["data"])) for one in of_kind(stack, "ConfigMap")}

    assert {name: size for name, size in sizes.items() if size > CONFIG_MAP_BYTES * 0.9} == {}


@pytest.mark.parametrize("stack", STACKS)
def test_every_config_map_and_secret_that_is_mounted_is_made(stack: str) -> None:
    made = {one["inputs"]["metadata"]["name"] for one in of_kind(stack, "ConfigMap", "Secret")}
    volumes = [volume for pod in pods(stack) for volume in pod.get("volumes", [])]

    mounted = {volume["configMap"]["name"] for volume in volumes if "configMap" in volume}
    mounted |= {volume["secret"]["secretName"] for volume in volumes if "secret" in volume}

    assert mounted
    assert mounted <= made


@pytest.mark.parametrize("stack", STACKS)
def test_every_image_is_in_the_catalogue(stack: str) -> None:
    images = yaml.safe_load((repo_root() / "configs" / "versions.yaml").read_text())["images"].values()
    known = {f"{one['image']}:{one[tag]}" for one in images for tag in ("tag", "sandbox_tag") if tag in one}

    containers = [one for pod in pods(stack) for one in (*pod["containers"], *pod.get("initContainers", []))]

    assert {container["image"] for container in containers} <= known


@pytest.mark.parametrize(("stack", "published"), [("prod", {"grafana", "jaeger-query"}), ("staging", {"grafana"})])
def test_only_these_are_published(stack: str, published: set[str]) -> None:
    services = [one["inputs"] for one in of_kind(stack, "Service")]
    balanced = [service for service in services if service["spec"].get("type") == "LoadBalancer"]

    assert {service["metadata"]["name"] for service in balanced} == published
    for service in balanced:
        assert service["spec"]["loadBalancerSourceRanges"]
        assert "0.0.0.0/0" not in service["spec"]["loadBalancerSourceRanges"]


@pytest.mark.parametrize("stack", STACKS)
def test_what_is_registered_is_what_its_cost_was_reckoned_with(stack: str) -> None:
    """A workload, a volume or a load balancer that components/cost.py does not know of is missing from the sum."""
    demand = costs_of(stack).demand
    claims = of_kind(stack, "PersistentVolumeClaim")
    cpu_millicores = memory_mib = 0
    for one in of_kind(stack, "Deployment", "StatefulSet", "DaemonSet"):
        spec = one["inputs"]["spec"]
        pod_count = demand.nodes if one["type"].endswith("DaemonSet") else spec["replicas"]
        for container in spec["template"]["spec"]["containers"]:
            requests = container["resources"]["requests"]
            cpu_millicores += pod_count * int(requests["cpu"].removesuffix("m"))
            memory_mib += pod_count * int(requests["memory"].removesuffix("Mi"))
    balanced = [one for one in of_kind(stack, "Service") if one["inputs"]["spec"].get("type") == "LoadBalancer"]
    volumes_gib = [int(one["inputs"]["spec"]["resources"]["requests"]["storage"].removesuffix("Gi")) for one in claims]

    assert sum(tool.cpu_millicores for tool in demand.footprints) == cpu_millicores
    assert sum(tool.memory_mib for tool in demand.footprints) == memory_mib
    assert sum(tool.volume_gib for tool in demand.footprints) == sum(volumes_gib)
    assert sum(tool.load_balancers for tool in demand.footprints) == len(balanced)
    assert (demand.domain is not None) == bool(of_kind(stack, "Domain"))
