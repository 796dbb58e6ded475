"""What the deploy gate decides by: what undoes a rollout, what does not, and that nothing unseen passes."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from delivery.decision import Alert, Limits, Poll, Seen, Unseen, faults, verdict

BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)
OBJECTIVES = ("availability", "errors", "latency")
WELL = {"availability": 0.0, "errors": 0.0, "latency": 0.5}
LIMITS = Limits(burn_rate=14.4, burn_seconds=30, requests=10)
CRITICAL = Alert("CriticalErrorRate", "critical", "api-gateway answers 40% of requests with an error", False)


def seen(number: int, burn: Mapping[str, float] = WELL, alerts: tuple[Alert, ...] = (), requests: float = 50) -> Seen:
    return Seen(at=BEGAN + timedelta(seconds=15 * number), alerts=alerts, burn=burn, requests=requests)


def unseen(number: int) -> Unseen:
    return Unseen(at=BEGAN + timedelta(seconds=15 * number), reason="http://prometheus does not answer")


def test_a_quiet_watch_passes() -> None:
    polls = [seen(number) for number in range(10)]

    assert faults(polls, WELL, LIMITS) == ()
    assert verdict(polls, OBJECTIVES, WELL, LIMITS).healthy is True


def test_a_new_critical_alert_undoes_it_at_once() -> None:
    assert faults([seen(0), seen(1, alerts=(CRITICAL,))], WELL, LIMITS) == (
        "CriticalErrorRate fires: api-gateway answers 40% of requests with an error",
    )


@pytest.mark.parametrize(
    "alert",
    [
        Alert("HighErrorRate", "warning", "", False),
        Alert("CriticalErrorRate", "critical", "", True),
    ],
    ids=["a warning", "one that stood before"],
)
def test_other_alerts_undo_nothing(alert: Alert) -> None:
    assert faults([seen(0, alerts=(alert,))], WELL, LIMITS) == ()


def test_an_alert_that_stood_before_is_no_health_either() -> None:
    found = verdict([seen(0, alerts=(Alert("ServiceDown", "critical", "", True),))], OBJECTIVES, WELL, LIMITS)

    assert found.healthy is None
    assert found.reasons == ("ServiceDown fires since before the rollout",)


def test_a_burn_undoes_it_once_it_has_stood() -> None:
    burning = {**WELL, "errors": 20.0}
    polls: list[Poll] = [seen(0), seen(1, burning), seen(2, burning)]

    assert faults(polls, WELL, LIMITS) == ()
    assert faults([*polls, seen(3, burning)], WELL, LIMITS) == (
        "the errors budget burns 20 times too fast (limit 14.4)",
    )


def test_a_burn_that_pauses_starts_anew() -> None:
    burning = {**WELL, "errors": 20.0}
    polls = [seen(0, burning), seen(1, burning), seen(2), seen(3, burning), seen(4, burning)]

    assert faults(polls, WELL, LIMITS) == ()


def test_what_burnt_before_must_burn_twice_as_fast() -> None:
    before = {**WELL, "errors": 20.0}

    same = [seen(number, {**WELL, "errors": 25.0}) for number in range(5)]
    worse = [seen(number, {**WELL, "errors": 41.0}) for number in range(5)]

    assert faults(same, before, LIMITS) == ()
    assert verdict(same, OBJECTIVES, before, LIMITS).healthy is None
    assert faults(worse, before, LIMITS) != ()


def test_a_burn_at_the_last_moment_does_not_pass() -> None:
    polls = [*(seen(number) for number in range(9)), seen(9, {**WELL, "latency": 19.0})]

    assert verdict(polls, OBJECTIVES, WELL, LIMITS).healthy is None


@pytest.mark.parametrize(
    ("polls", "reason"),
    [
        ([], "0 of 0 polls went unanswered"),
        ([unseen(0), unseen(1)], "2 of 2 polls went unanswered: http://prometheus does not answer"),
        ([seen(0), seen(1), unseen(2), seen(3)], "1 of 4 polls"),
        ([*(seen(number) for number in range(20)), unseen(20)], "1 of 21 polls"),
        ([seen(0, burn={"availability": 0.0})], "no errors to measure: no requests within five minutes"),
        ([seen(0, burn={})], "no availability to measure"),
        ([seen(0, requests=0)], "the new revision answered 0 requests; at least 10 are needed"),
        ([seen(0, requests=9)], "the new revision answered 9 requests"),
    ],
    ids=["no poll", "none answered", "too few answered", "the last unanswered", "no requests", "no data", "none by the "
         "new revision", "too few by the new revision"],
)  # fmt: skip
def test_what_was_not_seen_does_not_pass(polls: list[Poll], reason: str) -> None:
    found = verdict(polls, OBJECTIVES, WELL, LIMITS)

    assert found.healthy is None
    assert found.reasons[0].startswith(reason)


def test_a_poll_that_went_unanswered_does_not_hide_a_burn() -> None:
    burning = {**WELL, "availability": 100.0}

    assert faults([seen(0, burning), unseen(1), seen(2, burning)], WELL, LIMITS) != ()
