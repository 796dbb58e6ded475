"""The benchmark of dashboards: what is asked, with which series, and what counts as passed."""

import pytest

from bench import blocks, dashboards, synthetic, without_rules
from rendering.dashboards.links import Uid
from rendering.declarations import load_platform
from sandbox.paths import repo_root

PLATFORM = load_platform(repo_root() / "configs" / "services.yaml")


def selector(name: str, *matchers: tuple[str, str, str]) -> synthetic.Tree:
    """As Prometheus parses it."""
    named = [{"name": "__name__", "type": "=", "value": name}]
    return {
        "type": "vectorSelector",
        "name": name,
        "matchers": named + [{"name": label, "type": kind, "value": value} for label, kind, value in matchers],
    }


def test_every_dashboard_that_asks_prometheus_is_measured() -> None:
    loads = dashboards.loads(PLATFORM.services)
    assert set(loads) == set(Uid) - {Uid.LOGS}
    assert all(loads.values())


def test_those_that_read_recorded_series_are_compared() -> None:
    defined = without_rules.definitions(repo_root() / "configs" / "prometheus" / "rules")
    loads = dashboards.loads(PLATFORM.services)
    compared = {uid for uid, load in loads.items() if dashboards.reads_recorded(load, defined)}
    of_services = {Uid.OVERVIEW, Uid.SERVICE, Uid.SLOS, Uid.BUSINESS, Uid.USAGE}
    of_nodes = {Uid.NODES, Uid.WORKLOADS}
    # of their processes, against limits; of logs, percentiles too
    of_tools = {Uid.PROMETHEUS, Uid.ALERTMANAGER, Uid.GRAFANA, Uid.LOKI, Uid.S3, Uid.COLLECTOR, Uid.JAEGER}
    assert compared == of_services | of_nodes | of_tools


def test_recorded_buckets_are_as_many_as_the_rule_makes() -> None:
    made = blocks.recorded(PLATFORM, ["service_le:http_request_duration_seconds_bucket:rate5m"], steps={})
    assert len(made) == len(PLATFORM.services) * (len(PLATFORM.latency_buckets_ms) + 1)
    assert len({line.series for line in made}) == len(made)


def test_recorded_series_have_a_sample_as_often_as_their_group_is_evaluated() -> None:
    steps = without_rules.steps(dashboards.RULES)
    each_5m, each_15s = "service_slo:error_budget:remaining_ratio", "service:http_requests:rate5m"
    made = blocks.recorded(PLATFORM, [each_5m, each_15s], steps)
    assert {(line.series.split("{")[0], line.step_seconds) for line in made} == {(each_5m, 300), (each_15s, 15)}


def test_what_a_log_panel_chooses_is_there_recorded_and_on_raw_series() -> None:
    asked = 'route:loki_request_duration_seconds:p50_rate5m{route="loki_api_v1_push"}'
    made = [line.series for line in blocks.recorded(PLATFORM, [asked.split("{", maxsplit=1)[0]], {})]
    assert asked in made
    assert len(set(made)) == len(made)
    text = without_rules.inlined(asked, without_rules.definitions(dashboards.RULES))
    assert 'loki_request_duration_seconds_bucket{job="loki", route="loki_api_v1_push"}[5m]' in text


def test_only_metrics_that_are_read_are_made() -> None:
    tree = {"type": "aggregation", "grouping": [], "without": False, "expr": selector("asked"), "param": None}
    assert synthetic.names([tree, selector("up")]) == {"asked", "up"}


@pytest.mark.parametrize(
    ("matcher", "label"),
    [
        (("job", "=", "loki"), 'job="loki"'),
        (("status_code", "=~", "5.."), 'status_code="5'),
        (("operation", "=~", "S3.(PutObject|List)"), 'operation="S3.PutObject"'),
        (("job", "=~", "jaeger.*|loki"), 'job="jaeger'),
        (("namespace", "=~", ".*"), 'namespace="x"'),
        (("address", "!=", ""), 'address="x"'),
    ],
)
def test_a_series_is_what_the_query_asks_for(matcher: tuple[str, str, str], label: str) -> None:
    made = synthetic.lines([selector("asked_total", matcher)], known=())
    assert len(made) == synthetic.COPIES
    assert all(label in line.series for line in made)


def test_results_are_told_apart_by_what_the_query_groups_by() -> None:
    tree = {"type": "aggregation", "grouping": ["node"], "without": False, "expr": selector("asked"), "param": None}
    assert all('node="x"' in line.series for line in synthetic.lines([tree], known=()))


def test_what_is_made_elsewhere_is_not_made_twice() -> None:
    assert synthetic.lines([selector("up"), selector("up", ("job", "=", "services"))], known={"up"}) == []
    assert synthetic.lines([selector("up", ("job", "=", "loki"))], known={"up"}) != []


def test_a_recorded_series_of_the_past_is_asked_of_the_past_without_rules_too() -> None:
    defined = {"platform:asked:rate1h": "sum(rate(asked_total[1h]))"}
    found = without_rules.inlined("3 * platform:asked:rate1h offset 1w", defined)
    assert found == "3 * last_over_time((sum(rate(asked_total[1h])))[1m:1m] offset 1w)"


def test_the_aims_are_twenty_times_faster_and_each_panel_under_a_second() -> None:
    quick, slow = {"a": [0.25] * 5, "b": [0.25] * 5}, {"a": [0.2] * 5, "b": [0.3, 0.3, 0.3, 0.3, 1.1]}
    in_time, faster = "each panel under a second", "twenty times faster than raw"
    assert dashboards.judged(quick, raw_p95=10.0)["aims"] == {in_time: True, faster: True}
    assert dashboards.judged(quick, raw_p95=9.0)["aims"] == {in_time: True, faster: False}
    assert dashboards.judged(quick, raw_p95=None)["aims"] == {in_time: True}
    assert dashboards.judged(quick, raw_p95=0.9)["aims"] == {in_time: True}
    found = dashboards.judged(slow, raw_p95=100.0)
    assert found["aims"] == {in_time: False, faster: True}
    assert found["panels_too_slow"] == {"b": 1.1}
