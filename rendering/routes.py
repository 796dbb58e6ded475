"""`alertmanager.yml`, compiled from `configs/teams.yaml`: who is told what, when, and what stays silent.

Every route hands an alert on (`continue`), since it can concern several: the one who is on call, the team that owns it,
the channel of its topic. What nobody claims lands in the catch-all at the root.
"""

from collections.abc import Iterable
from typing import Any

from rendering import documents
from rendering.declarations import Severity, SeverityChannel, Teams, Topic
from rendering.documents import Document
from rendering.receivers import Channels, email, global_section, heartbeat, pagerduty, receiver, slack, webhook

TEMPLATES = "/etc/alertmanager/config/*.tmpl"
OFF_HOURS = "outside-business-hours"
NOBODY = "nobody"
# Of the two minutes within which someone is paged; enough for the pods of one service to come in one message.
SERVICE_DOWN_WAIT_SECONDS = 10
GROUP_INTERVAL_MINUTES = 5

# What makes two alerts the same thing at two severities, beside their condition. A label both lack counts as equal.
SAME_THING = (
    "service",
    "namespace",
    "pod",
    "node",
    "instance",
    "mountpoint",
    "persistentvolumeclaim",
    "datname",
    "job",
    "slo",
    "name",
)


def render_alertmanager_config(
    teams: Teams,
    channels: Channels,
    *,
    templates: str = TEMPLATES,
    group_interval_minutes: int = GROUP_INTERVAL_MINUTES,
) -> str:
    """`alertmanager.yml` as text. `templates` is where its templates are mounted (a glob)."""
    return documents.dump(
        alertmanager_config(teams, channels, templates=templates, group_interval_minutes=group_interval_minutes)
    )


def alertmanager_config(
    teams: Teams,
    channels: Channels,
    *,
    templates: str = TEMPLATES,
    group_interval_minutes: int = GROUP_INTERVAL_MINUTES,
) -> Document:
    """`alertmanager.yml` as a document."""
    return {
        "global": global_section(channels),
        "templates": [templates],
        "route": _root(teams, channels, group_interval_minutes),
        "inhibit_rules": inhibit_rules(),
        "receivers": _receivers(teams, channels),
        "time_intervals": [{"name": OFF_HOURS, "time_intervals": _off_hours(teams)}],
    }


def inhibit_rules() -> list[Document]:
    """What follows from something already told is not told again."""
    return [
        {  # two severities of one condition; names differ (HighErrorRate, CriticalErrorRate), `condition` does not
            "source_matchers": ['severity="critical"', 'condition!=""'],
            "target_matchers": ['severity=~"warning|info"', 'condition!=""'],
            "equal": ["condition", *SAME_THING],
        },
        {  # a warning that became critical has told what it was
            "source_matchers": ['alertname="WarningEscalated"'],
            "target_matchers": ['severity="warning"', 'service!=""'],
            "equal": ["condition", "service", "namespace"],
        },
        {  # a service that is down has no other news but an attack, which may be why, or go on at other replicas
            "source_matchers": ['alertname="ServiceDown"'],
            "target_matchers": ['alertname!="ServiceDown"', 'service!=""', 'category!="security"'],
            "equal": ["service", "namespace"],
        },
        {  # nor has what runs on a node that is gone
            "source_matchers": ['alertname="KubernetesNodeNotReady"'],
            "target_matchers": ['alertname!="KubernetesNodeNotReady"', 'node!=""'],
            "equal": ["node"],
        },
    ]


def _root(teams: Teams, channels: Channels, group_interval_minutes: int) -> Document:
    return {
        "receiver": "catch-all",
        # one message per alert and service, however many pods it concerns; what has no service is of a node or a job
        "group_by": ["alertname", "service", "namespace", "severity", "node", "job", "escalated"],
        "group_wait": "30s",
        "group_interval": f"{group_interval_minutes}m",
        "repeat_interval": f"{teams.severities[Severity.WARNING].repeat_hours}h",
        "routes": [
            _watchdog(channels),
            *_paging(teams),
            *_by_team(teams, channels),
            *_by_topic(teams),
            *_by_severity(teams),
        ],
    }


def _watchdog(channels: Channels) -> Document:
    """To the heartbeat once a minute; nowhere else, for it is not news."""
    return {
        "receiver": "heartbeat" if channels.heartbeat else NOBODY,
        "matchers": ['alertname="Watchdog"'],
        "group_wait": "0s",
        "group_interval": "1m",
        # less than the interval: after a whole minute, a beat that comes a moment early is held for a repetition
        "repeat_interval": "50s",
    }


def _paging(teams: Teams) -> Iterable[Document]:
    """Severities that page: at once when a service is down, so that the page is there within two minutes."""
    for severity, place in teams.severities.items():
        if place.pages:
            yield {
                "receiver": f"severity-{severity.value}",
                "matchers": [_is("severity", severity.value)],
                "continue": True,
                "repeat_interval": f"{place.repeat_hours}h",
                "group_wait": "15s",
                "routes": [{"matchers": ['alertname="ServiceDown"'], "group_wait": f"{SERVICE_DOWN_WAIT_SECONDS}s"}],
            }


def _by_team(teams: Teams, channels: Channels) -> Iterable[Document]:
    for team in teams.teams:
        if channels.smtp is not None or (channels.slack and team.slack is not None):
            yield {
                "receiver": f"team-{team.name}",
                "matchers": [_is("team", team.name)],
                "continue": True,
                "routes": [*_until_morning(teams), *_repeats(teams)],
            }


def _until_morning(teams: Teams) -> Iterable[Document]:
    """Sub-routes of an owner, for mail and channel: what a topic keeps for business hours wakes nobody here either."""
    for topic in teams.topics:
        if topic.business_hours_only:
            for matchers in _claims(topic):
                for sub in _repeats(teams):
                    if sub["matchers"] != [_is("severity", Severity.CRITICAL.value)]:
                        yield sub | {
                            "matchers": [*matchers, *sub["matchers"]],
                            "mute_time_intervals": [OFF_HOURS],
                        }


def _by_topic(teams: Teams) -> Iterable[Document]:
    for topic in teams.topics:
        for matchers in _claims(topic):
            route: Document = {"receiver": f"topic-{topic.name}", "matchers": matchers, "continue": True}
            repeats = _repeats(teams)
            if topic.business_hours_only:
                # the mute is the route's own: its sub-route for critical alerts does not inherit it
                route["mute_time_intervals"] = [OFF_HOURS]
                for sub in repeats:
                    if sub["matchers"] != [_is("severity", Severity.CRITICAL.value)]:
                        sub["mute_time_intervals"] = [OFF_HOURS]
            yield route | {"routes": repeats}


def _by_severity(teams: Teams) -> Iterable[Document]:
    """The channel of what does not page and that no team's or topic's channel has taken."""
    taken = [_not_any("team", [team.name for team in teams.teams if team.slack is not None])]
    taken.append(_not_any("category", [category for topic in teams.topics for category in topic.categories]))
    taken.append(_not_any("condition", [condition for topic in teams.topics for condition in topic.conditions]))
    for severity, place in teams.severities.items():
        if not place.pages:
            yield {
                "receiver": f"severity-{severity.value}",
                "matchers": [_is("severity", severity.value), *(matcher for matcher in taken if matcher)],
                "continue": True,
                "repeat_interval": f"{place.repeat_hours}h",
            }


def _repeats(teams: Teams) -> list[Document]:
    """Sub-routes that repeat as often as the severity asks."""
    return [
        {"matchers": [_is("severity", severity.value)], "repeat_interval": f"{place.repeat_hours}h"}
        for severity, place in teams.severities.items()
    ]


def _claims(topic: Topic) -> Iterable[list[str]]:
    """The matchers of a topic. Disjoint, so that an alert claimed twice is sent once."""
    if topic.categories:
        yield [_any("category", topic.categories)]
    if topic.conditions:
        without = [_not_any("category", topic.categories)] if topic.categories else []
        yield [_any("condition", topic.conditions), *without]


def _receivers(teams: Teams, channels: Channels) -> list[Document]:
    receivers = [
        receiver("catch-all", slack(channels, teams.catch_all)),
        receiver("heartbeat", heartbeat(channels)) if channels.heartbeat else receiver(NOBODY),
    ]
    for severity, place in teams.severities.items():
        receivers.append(_severity_receiver(severity, place, channels))
    for team in teams.teams:
        receivers.append(receiver(f"team-{team.name}", slack(channels, team.slack), email(channels, team)))
    for topic in teams.topics:
        receivers.append(receiver(f"topic-{topic.name}", slack(channels, topic.slack)))
    return receivers


def _severity_receiver(severity: Severity, place: SeverityChannel, channels: Channels) -> Document:
    pages = (pagerduty(channels), webhook(channels)) if place.pages else ()
    return receiver(f"severity-{severity.value}", slack(channels, place.slack), *pages)


def _off_hours(teams: Teams) -> list[dict[str, Any]]:
    """The complement of business hours: the nights of working days, and the other days whole."""
    hours = teams.business_hours
    night = [("00:00", hours.start), (hours.end, "24:00")]
    times = [{"start_time": start, "end_time": end} for start, end in night if start != end]
    others = _other_days(hours.weekdays)
    intervals: list[dict[str, Any]] = []
    if times:
        intervals.append({"times": times, "weekdays": list(hours.weekdays), "location": hours.timezone})
    if others:
        intervals.append({"weekdays": others, "location": hours.timezone})
    return intervals


_WEEK = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")


def _other_days(weekdays: tuple[str, ...]) -> list[str]:
    worked: set[str] = set()
    for entry in weekdays:
        first, _, last = entry.partition(":")
        worked.update(_WEEK[_WEEK.index(first) : _WEEK.index(last or first) + 1])
    return [day for day in _WEEK if day not in worked]


def _is(label: str, value: str) -> str:
    return f'{label}="{value}"'


def _any(label: str, values: Iterable[str]) -> str:
    return f'{label}=~"{"|".join(values)}"'


def _not_any(label: str, values: Iterable[str]) -> str:
    joined = "|".join(values)
    return f'{label}!~"{joined}"' if joined else ""
