"""The cases notice when a rule is wrong: each rule is changed in one place at a time."""

import pytest

from tests.rules import mutation

BURN = """\
service_slo:error:ratio_rate1h > on (service) group_left () (14.4 * (1 - service_slo:objective:ratio))
and platform:violations:rate1h > 3 * (platform:violations:rate1h offset 1w)
and predict_linear(available[6h], 4 * 86400) < 0
or baseline + 5 * deviation > 0.1 * baseline
or 2 * baseline
"""


def test_every_threshold_and_factor_of_a_rule_is_changed_both_ways() -> None:
    document = {"groups": [{"name": "g", "rules": [{"alert": "A", "expr": BURN}]}]}
    changes = [mutant.change for mutant in mutation.mutants("f", document)]
    assert [change for change in changes if change.startswith(("threshold", "factor"))] == [
        "threshold, line 2: 3 -> 3.9",
        "threshold, line 2: 3 -> 2.1",
        "threshold, line 4: 0.1 -> 0.13",
        "threshold, line 4: 0.1 -> 0.07",
        "factor, line 1: 14.4 -> 18.72",
        "factor, line 1: 14.4 -> 10.08",
        "factor, line 3: 4 -> 5.2",
        "factor, line 3: 4 -> 2.8",
        "factor, line 4: 5 -> 6.5",
        "factor, line 4: 5 -> 3.5",
        "factor, line 5: 2 -> 2.6",
        "factor, line 5: 2 -> 1.4",
    ]


@pytest.mark.full
def test_the_cases_notice_nearly_every_change() -> None:
    share, text = mutation.report(set())
    print(text)
    assert share >= mutation.LEAST_NOTICED, text
