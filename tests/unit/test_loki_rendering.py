"""Loki's configuration: limits that fit what is declared, retention said once, no secret in the text."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from rendering import documents
from rendering.loki import LokiValues, render_loki, stream_budget, tenant_rate_mib
from rendering.promtail import STREAM_LABELS

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "loki"


def values(**overrides: Any) -> LokiValues:
    minimal: dict[str, Any] = {
        "bucket": "logs",
        "region": "eu-west-1",
        "cluster": "c",
        "environment": "test",
        "service_count": 9,
    }
    return LokiValues(**{**minimal, **overrides})


def rendered(**overrides: Any) -> dict[str, Any]:
    text = render_loki(documents.load(CONFIGS / "loki.yaml"), values(**overrides))
    document: dict[str, Any] = yaml.safe_load(text)
    return document


def test_the_tasks_figures_are_the_defaults() -> None:
    document = rendered()
    limits = document["limits_config"]
    assert limits["retention_period"] == "720h"
    assert limits["max_entries_limit_per_query"] == 10_000
    assert limits["per_stream_rate_limit"] == "5MB"
    assert document["compactor"]["compaction_interval"] == "10m"
    assert document["query_range"]["results_cache"]["cache"]["embedded_cache"]["max_size_mb"] == 512
    assert document["ingester"]["chunk_encoding"] != "none"


def test_one_retention_decides_deletion_lookback_and_the_age_of_accepted_lines() -> None:
    limits = rendered(retention_days=2)["limits_config"]
    assert limits["retention_period"] == limits["max_query_lookback"] == "48h"
    assert limits["reject_old_samples_max_age"] == "48h"


def test_the_tenant_may_send_what_all_streams_of_the_declared_services_may_on_every_node() -> None:
    limits = rendered(service_count=20, max_nodes=3)["limits_config"]
    assert limits["ingestion_rate_mb"] >= 20 * 5 * 3
    assert limits["ingestion_burst_size_mb"] >= limits["ingestion_rate_mb"]
    assert limits["ingestion_burst_size_mb"] >= 20 * 15 * 3


def test_a_stream_is_never_split_in_shards_that_may_each_send_the_full_rate() -> None:
    assert rendered()["limits_config"]["shard_streams"]["enabled"] is False


def test_every_label_of_the_agents_fits_and_room_is_left_for_lokis_own() -> None:
    assert rendered()["limits_config"]["max_label_names_per_series"] == len(STREAM_LABELS) + 2


def test_more_nodes_may_have_more_streams() -> None:
    assert stream_budget(values(max_nodes=10)) > stream_budget(values(max_nodes=1)) >= 110


def test_more_services_may_have_more_streams() -> None:
    assert stream_budget(values(service_count=30)) > stream_budget(values(service_count=9))


def test_a_given_tenant_rate_is_taken_as_it_is() -> None:
    assert tenant_rate_mib(values(ingestion_rate_mib=80, max_nodes=1)) == 80


def test_an_s3_of_ones_own_is_spoken_to_as_its_url_says() -> None:
    s3 = rendered(s3_endpoint="http://10.0.0.1:5000", s3_path_style=True)["common"]["storage"]["s3"]
    assert (s3["endpoint"], s3["insecure"], s3["s3forcepathstyle"]) == ("http://10.0.0.1:5000", True, True)


def test_aws_is_found_by_region_and_over_tls() -> None:
    s3 = rendered()["common"]["storage"]["s3"]
    assert "endpoint" not in s3
    assert s3["insecure"] is False


def test_no_credential_is_in_the_text() -> None:
    text = documents.dump(rendered())
    for key in ("access_key_id", "secret_access_key", "password"):
        assert key not in text


def test_with_replicas_every_line_is_kept_three_times_and_a_rule_evaluated_once() -> None:
    document = rendered(replicas=3)
    assert document["common"]["replication_factor"] == 3
    assert document["common"]["ring"]["kvstore"]["store"] == "memberlist"
    assert "instance_addr" not in document["common"]  # loopback is nobody's address to the others
    assert document["ruler"]["enable_sharding"] is True
    assert "memberlist" not in rendered()


def test_a_whole_process_asks_its_own_scheduler_and_replicas_share_theirs() -> None:
    alone, together = rendered(), rendered(replicas=3)
    own = f"127.0.0.1:{alone['server']['grpc_listen_port']}"
    assert alone["frontend"]["scheduler_address"] == alone["frontend_worker"]["scheduler_address"] == own
    assert own not in documents.dump(together)


def test_rules_are_written_to_prometheus_unless_switched_off() -> None:
    assert rendered()["ruler"]["remote_write"]["enabled"] is True
    assert rendered(prometheus_write_url=None)["ruler"]["remote_write"]["enabled"] is False


def test_rendering_the_same_twice_gives_the_same_text() -> None:
    base = documents.load(CONFIGS / "loki.yaml")
    assert render_loki(base, values()) == render_loki(base, values())


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"bucket": ""}, "loki.bucket is empty; set the name of the S3 bucket that holds the logs"),
        ({"retention_days": 0}, "loki.retention_days is 0; set 1 or more (days before Loki deletes a line)"),
        ({"stream_burst_mib": 4}, "loki.per_stream_burst_mib is 4; set 5 or more (the rate itself)"),
        (
            {"ingestion_rate_mib": 99, "max_nodes": 2},
            "loki.ingestion_rate_mib is 99, less than the agents may send; set 100 or more (9 services and the rest at "
            "5 MiB/s, on 2 node(s)), or leave it out to have it computed",
        ),
        ({"service_count": 0}, "loki.service_count is 0; declare a service in configs/services.yaml"),
    ],
)
def test_a_bad_value_is_refused_with_what_to_write_instead(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="loki") as refused:
        values(**overrides)
    assert str(refused.value) == message


RULES = [
    rule
    for path in (CONFIGS / "rules").glob("*.yaml")
    for group in documents.load(path)["groups"]
    for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}


def test_every_alert_from_logs_says_whose_it_is() -> None:
    assert len(ALERTS) >= 6
    for name, alert in ALERTS.items():
        # The team is the rule's own, or the stream's.
        assert "team" in alert["labels"] or "team" in alert["expr"].split("(")[1], name


def test_every_alert_from_logs_has_its_page() -> None:
    pages = Path(__file__).resolve().parents[2] / "docs" / "runbooks"
    for name in ALERTS:
        assert (pages / f"{name}.md").is_file(), name


def test_no_rule_that_looks_for_words_reads_lokis_own_log_of_queries() -> None:
    looking = [rule for rule in RULES if "|~" in rule["expr"] and "kubernetes-pods" in rule["expr"]]
    assert looking
    for rule in looking:
        assert 'service!~"loki(-.+)?"' in rule["expr"], rule.get("alert")
