"""Promtail's configuration: what becomes a label, what is dropped, and that nothing is given up."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from rendering import documents
from rendering.declarations import LogFormat, load_services
from rendering.promtail import (
    FILES_JOB,
    FRESH_SECONDS,
    JOURNAL_JOB,
    LONG_LINES_KIB,
    METADATA_KIB,
    PODS_JOB,
    STREAM_LABELS,
    PromtailValues,
    render_promtail,
    team_relabelings,
)

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SERVICES = load_services(CONFIGS / "services.yaml")

# Of one line; a label of that name would make a stream of each value.
PER_LINE = {"trace_id", "span_id", "level", "stream", "unit", "identifier"}


def values(**overrides: Any) -> PromtailValues:
    return PromtailValues(**{"cluster": "c", "environment": "test", "services": SERVICES, **overrides})


def rendered(**overrides: Any) -> dict[str, Any]:
    text = render_promtail(documents.load(CONFIGS / "promtail" / "promtail.yaml"), values(**overrides))
    document: dict[str, Any] = yaml.safe_load(text)
    return document


def scrape(document: dict[str, Any], job: str) -> dict[str, Any]:
    [found] = [config for config in document["scrape_configs"] if config["job_name"] == job]
    return dict(found)


def stages(document: dict[str, Any], job: str) -> list[dict[str, Any]]:
    """All stages of a job, those inside a match included."""
    flat: list[dict[str, Any]] = []
    todo = list(scrape(document, job)["pipeline_stages"])
    while todo:
        stage = todo.pop(0)
        flat.append(stage)
        todo = list(stage.get("match", {}).get("stages", [])) + todo
    return flat


def final_labels(document: dict[str, Any], job: str) -> set[str]:
    """Labels that leave the pipeline of `job`."""
    config = scrape(document, job)
    labels = set(document["clients"][0]["external_labels"]) | {"node"}  # node: from the command line
    labels |= {rule["target_label"] for rule in config.get("relabel_configs", [])}
    labels |= set(config.get("journal", {}).get("labels", {}))
    for static in config.get("static_configs", []):
        labels |= set(static["labels"])
    for stage in stages(document, job):
        labels |= set(stage.get("labels", {}))
        labels -= set(stage.get("structured_metadata", {}))
        labels -= set(stage.get("labeldrop", []))
    return {label for label in labels if not label.startswith("__")}


@pytest.mark.parametrize("job", [PODS_JOB, JOURNAL_JOB, FILES_JOB])
def test_what_differs_from_line_to_line_is_never_a_label(job: str) -> None:
    assert not final_labels(rendered(), job) & PER_LINE


@pytest.mark.parametrize("job", [PODS_JOB, JOURNAL_JOB, FILES_JOB])
def test_streams_carry_only_the_labels_of_the_contract(job: str) -> None:
    assert final_labels(rendered(), job) <= set(STREAM_LABELS)


def test_trace_id_and_level_of_a_line_are_structured_metadata() -> None:
    kept = [
        set(stage["structured_metadata"]) for stage in stages(rendered(), PODS_JOB) if "structured_metadata" in stage
    ]
    assert {"trace_id", "level", "span_id"} <= kept[0]


def test_while_loki_is_away_nothing_is_given_up() -> None:
    [client] = rendered()["clients"]
    assert client["backoff_config"]["max_retries"] == 0  # without end
    assert client["drop_rate_limited_batches"] is False


def limits(document: dict[str, Any], job: str) -> list[dict[str, Any]]:
    return [stage["limit"] for stage in stages(document, job) if "limit" in stage]


def limits_of_lines(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Those of pods that all lines pass; the others are of long lines."""
    of_long = [limit for _, limit in limits_of_long_lines(document)]
    return [limit for limit in limits(document, PODS_JOB) if limit not in of_long]


def limits_of_long_lines(document: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """Longest line in KiB, and the limit."""
    matches = [stage["match"] for stage in stages(document, PODS_JOB) if "match" in stage]
    return [
        (LONG_LINES_KIB[match["pipeline_name"]], match["stages"][0]["limit"])
        for match in matches
        if match.get("pipeline_name") in LONG_LINES_KIB
    ]


def test_each_service_has_a_rate_of_its_own_and_what_was_kept_waiting_is_never_dropped() -> None:
    [of_a_service, of_late_lines] = limits_of_lines(rendered())
    assert (of_a_service["rate"], of_a_service["burst"], of_a_service["by_label_name"]) == (1000, 2000, "service")
    assert of_a_service["drop"] is True  # Promtail limits by label in no other way
    assert of_late_lines["drop"] is False


def test_a_service_of_long_lines_is_let_through_what_loki_takes_of_a_stream_and_no_more() -> None:
    found = limits_of_long_lines(rendered(stream_rate_mib=5, stream_burst_mib=15))
    assert [kib for kib, _ in found] == [8, 16, 32, 64, 128, 256]  # 256: a longer one is cut
    for kib, limit in found:
        assert 4.7 < limit["rate"] * (kib + METADATA_KIB) / 1024 <= 5
        assert limit["burst"] * kib / 1024 <= 10
        assert (limit["drop"], limit["by_label_name"]) == (True, "service")


def test_the_native_files_figures_for_long_lines_are_those_of_the_defaults() -> None:
    native = documents.load(CONFIGS / "promtail" / "promtail.yaml")
    assert limits_of_long_lines(native) == limits_of_long_lines(rendered())


@pytest.mark.parametrize("job", [JOURNAL_JOB, FILES_JOB])
def test_lines_of_the_node_are_slowed_down_and_never_dropped(job: str) -> None:
    assert [limit["drop"] for limit in limits(rendered(), job)] == [False]


def test_rates_are_settings() -> None:
    [of_a_service, _] = limits_of_lines(rendered(lines_per_second=5, burst_lines=70))
    assert (of_a_service["rate"], of_a_service["burst"]) == (5, 70)


def test_a_line_is_fresh_as_long_as_the_burst_lasts() -> None:
    [pace] = [
        s["template"]["template"] for s in stages(rendered(), PODS_JOB) if s.get("template", {}).get("source") == "pace"
    ]
    assert f") {FRESH_SECONDS} -}}}}late" in pace


def reasons(document: dict[str, Any]) -> set[str]:
    return {s["drop"]["drop_counter_reason"] for s in stages(document, PODS_JOB) if "drop" in s}


def test_only_named_kinds_of_lines_are_dropped_and_debug_only_where_wanted() -> None:
    assert reasons(rendered(drop_debug=True)) == {"health_check", "debug_line"}
    assert reasons(rendered(drop_debug=False)) == {"health_check"}


def test_addresses_of_people_are_masked_where_wanted() -> None:
    def named(document: dict[str, Any]) -> set[str]:
        return {s["match"].get("pipeline_name") for s in stages(document, PODS_JOB) if "match" in s}

    assert "mask_emails" in named(rendered(mask_emails=True))
    assert "mask_emails" not in named(rendered())
    assert "mask_credentials" in named(rendered())


@pytest.mark.parametrize("job", [PODS_JOB, JOURNAL_JOB, FILES_JOB])
def test_secrets_are_masked_in_every_job(job: str) -> None:
    masks = [stage for stage in stages(rendered(), job) if stage.get("replace", {}).get("replace") == "[MASKED]"]
    assert len(masks) >= 8


def test_every_declared_service_belongs_to_its_team() -> None:
    teams = {rule["replacement"]: rule["regex"].split("|") for rule in team_relabelings(SERVICES)}
    for service in SERVICES:
        assert f"{service.namespace}/{service.name}" in teams[service.team]


def test_declared_teams_come_after_the_general_ones_and_so_win() -> None:
    rules = [rule for rule in scrape(rendered(), PODS_JOB)["relabel_configs"] if rule["target_label"] == "team"]
    assert [rule["replacement"] for rule in rules[:2]] == ["infrastructure", "database"]
    assert {rule["replacement"] for rule in rules[2:]} == {service.team for service in SERVICES}


def test_a_tenant_is_sent_only_where_loki_has_tenants() -> None:
    assert "tenant_id" not in rendered()["clients"][0]
    assert rendered(tenant_id="dharma")["clients"][0]["tenant_id"] == "dharma"


def test_further_files_of_the_node_are_read_with_the_labels_of_the_others() -> None:
    [ours, more] = scrape(rendered(extra_node_files=("/srv/log/*.log",)), FILES_JOB)["static_configs"]
    assert more["labels"]["__path__"] == "/srv/log/*.log"
    assert {**more["labels"], "__path__": ""} == {**ours["labels"], "__path__": ""}


def test_a_services_own_stage_sees_its_own_lines_and_its_levels_are_spelt_as_all_are() -> None:
    form = LogFormat(expression=r"^(?P<level>\w+)!", fields={"trace_id": "ctx.trace"})
    service = SERVICES[0].model_copy(update={"log": form})
    before = scrape(rendered(), PODS_JOB)["pipeline_stages"]
    pipeline = scrape(rendered(services=(service, *SERVICES[1:])), PODS_JOB)["pipeline_stages"]
    [own] = [stage for stage in pipeline if stage not in before]
    assert own["match"]["selector"] == f'{{namespace="dharma", service="{service.name}"}}'
    assert own["match"]["stages"] == [
        {"json": {"expressions": {"trace_id": "ctx.trace"}}},
        {"regex": {"expression": r"^(?P<level>\w+)!"}},
    ]
    assert pipeline[pipeline.index(own) + 1]["template"]["source"] == "level"


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({}, "finds nothing; write expression, fields or both"),
        ({"expression": "("}, "no regular expression"),
        (
            {"expression": "(?P<user>.*)"},
            "name at least one, each of ['level', 'path', 'span_id', 'status', 'trace_id']",
        ),
        ({"fields": {"user": "u"}}, "user"),
    ],
)
def test_a_form_of_lines_that_finds_nothing_is_refused(form: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="LogFormat") as refused:
        LogFormat.model_validate(form)
    assert message in str(refused.value)


def test_the_base_is_left_as_it_was() -> None:
    base = documents.load(CONFIGS / "promtail" / "promtail.yaml")
    before = documents.dump(base)
    render_promtail(base, values(drop_debug=False))
    assert documents.dump(base) == before


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"lines_per_second": 0}, "logs.lines_per_second is 0; set 1 or more (the task's is 1000)"),
        (
            {"burst_lines": 10},
            "logs.burst_lines is 10; set 2000 or more (2 seconds of the rate: what may be read at once and still be "
            "fresh)",
        ),
        (
            {"lines_per_second": 2000, "burst_lines": 4000},
            "logs.lines_per_second is 2000; set 1204 or less (Loki takes 5 MiB/s of a stream, at lines of 4 KiB), or "
            "raise loki.per_stream_rate_mib",
        ),
        (
            {"burst_lines": 3000},
            "logs.burst_lines is 3000; set 2409 or less (Loki takes 15 MiB of a stream at once, at lines of 4 KiB), or "
            "raise loki.per_stream_burst_mib",
        ),
        (
            {"extra_node_files": ("/*.log",)},
            "logs.extra_node_files holds '/*.log'; name files in a folder (the agents see that folder, not the whole "
            "node)",
        ),
        ({"extra_node_files": ("x.log",)}, "logs.extra_node_files holds 'x.log'; write an absolute path"),
    ],
)
def test_a_bad_value_is_refused_with_what_to_write_instead(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="logs") as refused:
        values(**overrides)
    assert str(refused.value) == message
