"""Thresholds proposed from recorded traffic: over what stood, not over what peaked; silent where today's is fine."""

import pytest

from rendering.rules import load_rule_files
from rendering.tuning import RULES, Tunable, propose, report, tunables

STEP = 60


def tunable(threshold: float = 10, *, above: bool = True, unit: str = "requests per second") -> Tunable:
    return Tunable(alert="A", unit=unit, threshold=threshold, for_seconds=180, above=above, query="x")


def proposed(one: Tunable, *series: list[float]) -> float | None:
    proposal = propose(one, series, STEP)
    assert proposal is not None
    return proposal.threshold


def test_a_threshold_that_usual_traffic_crosses_is_raised_over_it() -> None:
    assert proposed(tunable(), [5, 20, 20, 20, 5]) == 26


def test_a_peak_shorter_than_the_alert_waits_is_nothing() -> None:
    proposal = propose(tunable(), [[5, 90, 90, 5, 5]], STEP)
    assert proposal is not None
    assert (proposal.extreme, proposal.crossed, proposal.threshold) == (5, 0, None)


def test_a_threshold_far_over_everything_is_lowered() -> None:
    assert proposed(tunable(1000), [8, 8, 8], [12, 12, 12]) == 16


def test_what_fires_below_is_judged_from_below() -> None:
    assert proposed(tunable(10, above=False), [4, 4, 4, 50]) == 3
    assert proposed(tunable(10, above=False), [30, 30, 30]) is None


def test_a_ratio_is_never_proposed_that_cannot_be_crossed() -> None:
    assert proposed(tunable(0.05, unit="ratio"), [0.9, 0.9, 0.9]) is None


def test_nothing_is_said_of_nothing() -> None:
    assert propose(tunable(), [], STEP) is None
    assert propose(tunable(), [[float("nan")] * 5, [1.0]], STEP) is None


def test_only_alerts_about_traffic_are_looked_at_each_with_its_other_conditions() -> None:
    found = {one.alert: one for one in tunables(load_rule_files(RULES))}
    assert {"HighErrorRate", "HighRequestRate", "LowBlueprintCreationRate", "SuspiciousActivity"} <= found.keys()
    assert (
        not {"HighMemoryUsage", "KubernetesPVCFull", "HighDatabaseConnections", "ServiceTrafficStopped"} & found.keys()
    )
    assert found["HighErrorRate"].query.strip() == "service:http_errors:ratio_rate5m > -1e300"
    assert found["LowBlueprintCreationRate"].query.strip() == "platform:blueprints_created:increase1h < 1e300"
    assert "and service_route:http_requests:rate5m > 0.1" in found["RouteErrorRateHigh"].query
    assert (found["HighErrorRate"].for_seconds, found["LowBlueprintCreationRate"].for_seconds) == (300, 7200)


def test_the_settings_can_be_pasted() -> None:
    proposal = propose(tunable(), [[20, 20, 20]], STEP)
    assert proposal is not None
    assert report([proposal], 24).endswith("observability-stack:prometheus:\n  alerts:\n    A: { threshold: 26 }")


@pytest.mark.parametrize(("usual", "threshold"), [(0.0123, 0.016), (123.0, 160), (999.0, 1300)])
def test_figures_are_round(usual: float, threshold: float) -> None:
    assert proposed(tunable(usual / 10), [usual] * 3) == threshold
