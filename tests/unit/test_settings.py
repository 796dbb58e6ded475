"""Is the input understood? Minimal, full, and each kind of bad value with what the person who wrote it is told."""

from typing import Any

import pytest

from components.settings import parse
from tests.unit.settings_values import Values, changed, minimal, refusal, without

TLS: Values = {
    "type": "LoadBalancer",
    "url": "https://ui.example.com",
    "source_ranges": ["203.0.113.0/24"],
    "certificate_arn": "arn:aws:acm:us-east-1:111122223333:certificate/0a1b2c3d",
}


def test_minimal_settings_have_the_figures_the_task_asks_for() -> None:
    settings = parse(minimal())

    assert settings.prometheus.retention_days == 30
    assert settings.prometheus.scrape_interval_seconds == 15
    assert settings.loki.retention_days == 30
    assert settings.loki.per_stream_rate_mib == 5
    assert settings.loki.results_cache_mib == 512
    assert settings.loki.max_entries_per_query == 10_000
    assert settings.logs.lines_per_second == 1000
    assert settings.logs.burst_lines == 2000
    assert settings.jaeger.retention_hours == 72


def test_minimal_settings_publish_nothing_and_protect_data() -> None:
    settings = parse(minimal())

    tools = (settings.grafana, settings.jaeger, settings.prometheus, settings.alertmanager, settings.loki)
    assert {tool.exposure.type for tool in tools} == {"ClusterIP"}
    assert settings.protect_data


def test_full_settings_are_taken_as_written() -> None:
    values = minimal() | {
        "profile": "sandbox",
        "protect_data": False,
        "namespaces": {"mode": "existing", "monitoring": "obs", "agents": "obs-agents"},
        "images": {"registry_prefix": "mirror.example.com", "pull_secrets": ["mirror"], "tags": {"loki": "3.6.4"}},
        "span_store": {
            "mode": "managed",
            "vpc_id": "vpc-0a1b2c3d4e5f60718",
            "subnet_ids": ["subnet-a", "subnet-b"],
            "client_cidrs": ["10.0.0.0/16"],
            "instance_count": 2,
            "username": "jaeger",
            "master_username": "administrator",
        },
        "grafana": {"exposure": TLS},
        "jaeger": {"layout": "split", "exposure": TLS},
        "exporters": {
            "postgresql": {"address": "db.example.com:5432/app?sslmode=require", "user": "observer"},
            "redis": {"address": "rediss://cache.example.com:6379", "login": True},
        },
    }
    values["prometheus"] |= {"alerts": {"HighErrorRate": {"threshold": 0.02, "for": "10m", "severity": "critical"}}}

    settings = parse(values)

    assert settings.span_store.subnet_ids == ("subnet-a", "subnet-b")
    assert settings.prometheus.alerts["HighErrorRate"].for_ == "10m"
    assert settings.grafana.exposure.certificate_arn == TLS["certificate_arn"]
    assert settings.exporters.absent_jobs == frozenset()


def test_settings_cannot_be_changed_afterwards() -> None:
    settings = parse(minimal())

    with pytest.raises(ValueError, match="frozen"):
        settings.environment = "prod"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("prometheus.retention_days", 0, "prometheus.retention_days is 0; set 1 or more"),
        ("loki.retention_days", 99999, "loki.retention_days is 99999; set 3650 or less"),
        ("jaeger.retention_hours", 1, "jaeger.retention_hours is 1; set 24 or more"),
        ("prometheus.scrape_interval_seconds", 1, "prometheus.scrape_interval_seconds is 1; set 5 or more"),
        ("loki.storage", {"size_gib": -1}, "loki.storage.size_gib is -1; set more than 0"),
        ("prometheus.replicas", 0, "prometheus.replicas is 0; set 1 or more"),
    ],
)
def test_out_of_range(path: str, value: Any, message: str) -> None:
    assert refusal(changed(path, value)) == message


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("prometheus.retention_days", "30", 'prometheus.retention_days is "30"; write a whole number, without quotes'),
        ("protect_data", "yes", 'protect_data is "yes"; write true or false, without quotes'),
        (
            "grafana",
            "big",
            'grafana is "big"; write a group of settings: replicas, database, storage, resources, exposure, oidc',
        ),
        ("loki.storage", 5, "loki.storage is 5; write a group of settings: size_gib, storage_class"),
        ("environment", 5, "environment is 5; write text, in quotes where YAML would read something else"),
        ("span_store.subnet_ids", "subnet-a", 'span_store.subnet_ids is "subnet-a"; write a list'),
        ("prometheus.alerts", [], "prometheus.alerts is []; write a map"),
    ],
)
def test_wrong_type(path: str, value: Any, message: str) -> None:
    assert refusal(changed(path, value)) == message


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("promtheus", "did you mean prometheus?"),
        ("loki.retention_day", "did you mean loki.retention_days?"),
        ("grafana.exposure.sourceranges", "did you mean grafana.exposure.source_ranges?"),
        ("exporters.mongodb", "known: postgresql, redis"),
        ("prometheus.alerts.HighErrorRate.treshold", "did you mean prometheus.alerts.HighErrorRate.threshold?"),
    ],
)
def test_misspelt_key(path: str, hint: str) -> None:
    assert refusal(changed(path, 1)) == f"{path} is not a setting; {hint}"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("cluster", "cluster is not set; set it: label of every metric, log, span, message"),
        ("object_store.bucket", "object_store.bucket is not set; set it: globally unique bucket name"),
        ("object_store", "object_store is not set; set it: its `bucket` at least"),
        (
            "prometheus.runbook_base_url",
            "prometheus.runbook_base_url is not set; set it: where docs/runbooks is published; "
            "an alert links to <it>/<Alert>.md",
        ),
    ],
)
def test_missing(path: str, message: str) -> None:
    assert refusal(without(path)) == message


def test_every_fault_is_told_at_once() -> None:
    values = changed("prometheus.retention_days", 0) | {"protect_data": "no"}

    assert refusal(values).splitlines() == [
        'protect_data is "no"; write true or false, without quotes',
        "prometheus.retention_days is 0; set 1 or more",
    ]


@pytest.mark.parametrize(
    ("path", "value", "hint"),
    [
        ("profile", "gke", "write 'eks' or 'sandbox'"),
        ("jaeger.layout", "both", "write 'all-in-one' or 'split'"),
        ("environment", "Prod!", "write something like prod"),
        ("object_store.bucket", "Logs", "write something like acme-prod-observability-logs"),
        ("object_store.endpoint", "s3.local", "write a whole URL such as https://grafana.example.com"),
        ("prometheus.alerts.HighErrorRate.for", "soon", "write something like 10m"),
    ],
)
def test_not_one_of_what_is_possible(path: str, value: str, hint: str) -> None:
    assert refusal(changed(path, value)) == f'{path} is "{value}"; {hint}'


@pytest.mark.parametrize(
    ("left_out", "message"),
    [
        ("url", "type is LoadBalancer but url is not set; write the URL that people will open"),
        ("source_ranges", "type is LoadBalancer but source_ranges is empty; list the ranges that may connect"),
        (
            "certificate_arn",
            "type is LoadBalancer but certificate_arn is not set; a login must not travel in clear text",
        ),
    ],
)
def test_load_balancer_needs_all_of(left_out: str, message: str) -> None:
    exposure = {key: value for key, value in TLS.items() if key != left_out}

    assert refusal(changed("grafana.exposure", exposure)) == f"grafana.exposure: {message}"


def test_load_balancer_with_a_certificate_is_opened_by_https() -> None:
    message = refusal(changed("grafana.exposure", TLS | {"url": "http://ui.example.com"}))

    assert message == (
        "grafana.exposure: type is LoadBalancer with a certificate but url is http://ui.example.com; "
        "write its https:// URL"
    )


@pytest.mark.parametrize("tool", ["prometheus", "alertmanager", "loki", "jaeger"])
@pytest.mark.parametrize("everyone", ["0.0.0.0/0", "::/0"])
def test_a_ui_without_login_is_never_open_to_everyone(tool: str, everyone: str) -> None:
    message = refusal(changed(f"{tool}.exposure", TLS | {"source_ranges": ["10.0.0.0/8", everyone]}))

    assert message == f"{tool}: exposure.source_ranges admits everyone, and this UI has no login; list your own ranges"


def test_grafana_has_a_login_so_it_may_be_open() -> None:
    settings = parse(changed("grafana.exposure", TLS | {"source_ranges": ["0.0.0.0/0"]}))

    assert settings.grafana.exposure.open_to_everyone


def test_source_range_that_is_none() -> None:
    message = refusal(changed("jaeger.exposure", TLS | {"source_ranges": ["10.0.0/8"]}))

    assert message == 'jaeger.exposure.source_ranges.0 is "10.0.0/8"; write an address range such as 203.0.113.0/24'


def test_node_port_and_ingress_are_whole() -> None:
    node_port = refusal(changed("grafana.exposure", {"type": "NodePort", "url": "http://10.0.0.1:30300"}))
    ingress = refusal(changed("grafana.exposure", {"type": "Ingress", "url": "https://ui.example.com"}))

    assert node_port == "grafana.exposure: type is NodePort but node_port is not set; choose one from 30000 to 32767"
    assert ingress == (
        "grafana.exposure: type is Ingress; set ingress_class and tls_secret (the Secret with its certificate)"
    )


def test_traces_are_not_decided_on_where_nobody_sees_them_whole() -> None:
    split = {"layout": "split", "tail_sampling": {"share": 0.05}}

    assert refusal(changed("jaeger", split | {"collector_replicas": 2})) == (
        "jaeger: tail_sampling is set with layout split and collector_replicas 2: a trace's spans reach several "
        "collectors and none sees all; set collector_replicas to 1, or leave it out"
    )
    assert parse(changed("jaeger", split)).jaeger.tail_sampling is not None


def test_limits_are_no_less_than_requests() -> None:
    resources = {"cpu_millicores": 500, "memory_mib": 512, "cpu_limit_millicores": 200, "memory_limit_mib": 512}

    assert refusal(changed("loki.resources", resources)) == (
        "loki.resources: cpu_limit_millicores is 200, less than the 500 requested; raise the limit or lower "
        "cpu_millicores"
    )


def test_a_disabled_alert_says_why() -> None:
    message = refusal(changed("prometheus.alerts", {"HighLatency": {"disabled": True}}))

    assert message == (
        "prometheus.alerts.HighLatency: disabled is true but reason is not set; say why, for whoever asks at night"
    )


def test_mail_has_a_sender() -> None:
    message = refusal(changed("alertmanager", {"smtp_smarthost": "smtp.example.com:587"}))

    assert message == "alertmanager: smtp_smarthost is set but smtp_from is not; write the sender's address"


def test_a_mail_server_has_a_port() -> None:
    message = refusal(changed("alertmanager", {"smtp_smarthost": "mail", "smtp_from": "alerts@example.com"}))

    assert message == 'alertmanager.smtp_smarthost is "mail"; write something like smtp.example.com:587'


def test_a_volume_too_small_for_its_retention_is_refused_with_the_size_that_is_enough() -> None:
    message = refusal(changed("prometheus.expected_series", 100_000))

    assert message.startswith("prometheus: storage.size_gib is 10; set 36 or more: 100,000 series every 15 s for 30")


def test_fewer_days_need_a_smaller_volume() -> None:
    values = changed("prometheus.storage", {"size_gib": 4})
    assert "storage.size_gib is 4" in refusal(values)

    values["prometheus"]["retention_days"] = 7
    assert parse(values).prometheus.storage.size_gib == 4


def test_agents_have_a_namespace_of_their_own() -> None:
    message = refusal(changed("namespaces", {"monitoring": "obs", "agents": "obs"}))

    assert message == (
        "namespaces.agents is obs, the same as namespaces.monitoring; node agents need a privileged namespace of "
        "their own"
    )


def test_a_server_that_is_watched_twice_is_refused() -> None:
    servers = {"address": "db-1:5432/app", "replica_addresses": ["db-2:5432/app", "db-2:5432/other"]}
    message = refusal(changed("exporters.postgresql", {**servers, "user": "observer"}))

    assert message == (
        "exporters.postgresql: address and replica_addresses name db-2:5432 twice; write each server once, replicas by "
        "addresses of their own"
    )


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("exporters.redis.address", "redis://:hunter2@redis:6379"),
        ("exporters.postgresql.address", "app:hunter2@db:5432/app"),
    ],
)
def test_a_password_in_an_address_is_refused_and_not_repeated(path: str, value: str) -> None:
    message = refusal(changed(path, value))

    assert f"{path} is " in message
    assert "hunter2" not in message
