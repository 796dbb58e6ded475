"""The declarations in `configs/services.yaml` and `configs/teams.yaml`, read and checked.

Everything that differs per service or per team is said there once; scrape jobs, rules, routes, sampling and dashboards
take it from the values returned here. All problems of a file are reported at once, each with its field, the value seen
and what to write instead.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from rendering.datasources import Folder

DnsLabel = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
SlackChannel = Annotated[str, StringConstraints(pattern=r"^#[a-z0-9_-]{1,79}$")]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
UrlPath = Annotated[str, StringConstraints(pattern=r"^/\S*$")]
Share = Annotated[float, Field(ge=0, le=1)]
# What is known of a line beside its text; path and status tell an answered health check.
LogField = Literal["level", "trace_id", "span_id", "path", "status"]
LOG_FIELDS: frozenset[str] = frozenset(get_args(LogField))


class DeclarationError(ValueError):
    """A declaration file that cannot be used; the message names file, field, value seen and what to write instead."""


class Declaration(BaseModel):
    """Base of everything declared: frozen, and an unknown key is an error instead of being ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


T = TypeVar("T", bound=Declaration)


class Tier(StrEnum):
    """How much hangs on a service; a warning that stands on a critical one escalates."""

    CRITICAL = "critical"
    STANDARD = "standard"


class Severity(StrEnum):
    """Of an alert. `none` is for signals that are not a problem (Watchdog)."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"
    NONE = "none"


class Slo(Declaration):
    """The objectives of one service."""

    availability_percent: float = Field(ge=50, lt=100)
    """Share of good time."""
    latency_percentile: float = Field(ge=50, lt=100)
    latency_ms: int = Field(gt=0)
    """`latency_percentile` of the requests are answered within this time."""
    error_percent: float = Field(gt=0, lt=100)
    """Share of requests answered 5xx stays under this."""

    @property
    def latency_seconds(self) -> float:
        return self.latency_ms / 1000


class LogFormat(Declaration):
    """How a service writes its lines, where that is neither JSON with the usual names nor `level=... trace_id=...`."""

    expression: str | None = None
    """RE2 with groups named like LOG_FIELDS, for lines of text."""
    fields: dict[LogField, str] = {}
    """LOG_FIELDS by where a line of JSON has them (JMESPath)."""

    @model_validator(mode="after")
    def _finds_something(self) -> "LogFormat":
        if self.expression is None and not self.fields:
            raise ValueError("finds nothing; write expression, fields or both")
        if self.expression is not None:
            try:
                groups = set(re.compile(self.expression).groupindex)
            except re.error as error:
                raise ValueError(f"expression is {self.expression!r}, no regular expression: {error}") from None
            if not groups or groups - LOG_FIELDS:
                raise ValueError(
                    f"expression has the groups {sorted(groups)}; name at least one, each of {sorted(LOG_FIELDS)}"
                )
        return self


class Service(Declaration):
    """One service of the platform. Pods carry the label `app: <name>`; metrics and health are served on `port`."""

    name: DnsLabel
    port: int = Field(ge=1, le=65535)
    team: DnsLabel
    tier: Tier
    sampling_share: Share
    """Share of the traces started by this service that are kept."""
    namespace: DnsLabel
    metrics_path: UrlPath
    health_path: UrlPath
    slo: Slo
    log: LogFormat | None = None

    @property
    def host(self) -> str:
        """In-cluster name and port of its Service."""
        return f"{self.name}.{self.namespace}.svc:{self.port}"

    @property
    def health_url(self) -> str:
        return f"http://{self.host}{self.health_path}"


class HealthChecks(Declaration):
    """Requests that are not users': sampled alike for every service."""

    paths: tuple[UrlPath, ...]
    sampling_share: Share


class Platform(Declaration):
    """`services.yaml` as a whole, the defaults already merged into each service."""

    services: tuple[Service, ...] = Field(min_length=1)
    health_checks: HealthChecks
    latency_buckets_ms: tuple[int, ...]

    @model_validator(mode="after")
    def _consistent(self) -> "Platform":
        _no_duplicates("services: name", (service.name for service in self.services))
        if list(self.latency_buckets_ms) != sorted(set(self.latency_buckets_ms)):
            raise ValueError(f"latency_buckets_ms is {list(self.latency_buckets_ms)}; write each bound once, ascending")
        for service in self.services:
            if service.slo.latency_ms not in self.latency_buckets_ms:
                raise ValueError(
                    f"services: {service.name}: slo.latency_ms is {service.slo.latency_ms}; write one of "
                    f"{list(self.latency_buckets_ms)} (a bucket of its histogram: nothing between two can be measured)"
                )
        return self

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Namespaces that hold services, each once, in order of first mention."""
        return tuple(dict.fromkeys(service.namespace for service in self.services))


class SeverityChannel(Declaration):
    """Where alerts of one severity go."""

    slack: SlackChannel
    pages: bool = False
    """Also to PagerDuty and the incident webhook."""
    repeat_hours: int = Field(ge=1, le=120)
    """An alert that still stands is sent again after this long; Alertmanager forgets what it sent after 120 hours."""


class Topic(Declaration):
    """A Slack channel that claims alerts by category or condition, whoever owns them."""

    name: DnsLabel
    slack: SlackChannel
    categories: tuple[DnsLabel, ...] = ()
    conditions: tuple[DnsLabel, ...] = ()
    business_hours_only: bool = False
    """Outside business hours, alerts that are not critical wait."""

    @model_validator(mode="after")
    def _claims_something(self) -> "Topic":
        if not self.categories and not self.conditions:
            raise ValueError("claims nothing; write at least one of categories, conditions")
        return self


class Team(Declaration):
    """Owner of alerts: what carries its name in the label `team`. Also a team in Grafana."""

    name: DnsLabel
    email: Email
    slack: SlackChannel | None = None
    edits: tuple[Folder, ...] = ()
    """Grafana's folders that its members may put dashboards into."""
    members: tuple[str, ...] | None = None
    """Logins or e-mail addresses in Grafana, these and no others; None leaves it to people."""


class BusinessHours(Declaration):
    """When people are at work; Alertmanager's own notation for weekdays and times."""

    timezone: str
    weekdays: tuple[str, ...] = Field(min_length=1)
    start: str
    end: str

    @field_validator("start", "end")
    @classmethod
    def _clock(cls, value: str) -> str:
        if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d|24:00", value):
            raise ValueError("write a time of day as HH:MM, 00:00 to 24:00")
        return value

    @model_validator(mode="after")
    def _forward(self) -> "BusinessHours":
        if self.start >= self.end:
            raise ValueError(f"start is {self.start} and end is {self.end}; write a start before the end")
        return self


class Teams(Declaration):
    """`teams.yaml` as a whole."""

    catch_all: SlackChannel
    severities: dict[Severity, SeverityChannel]
    topics: tuple[Topic, ...]
    teams: tuple[Team, ...] = Field(min_length=1)
    business_hours: BusinessHours

    @model_validator(mode="after")
    def _consistent(self) -> "Teams":
        _no_duplicates("teams: name", (team.name for team in self.teams))
        _no_duplicates("topics: name", (topic.name for topic in self.topics))
        missing = [s.value for s in (Severity.CRITICAL, Severity.WARNING, Severity.INFO) if s not in self.severities]
        if missing:
            raise ValueError(
                f"severities: {', '.join(missing)} missing; write a slack channel and repeat_hours for each"
            )
        return self

    def team(self, name: str) -> Team:
        """The team of that name. Raises KeyError for one that is not declared."""
        return next(team for team in self.teams if team.name == name)


def load_platform(path: Path) -> Platform:
    """Read `services.yaml`. Raises DeclarationError for anything that is missing, misspelt or out of range."""
    document = _document(path)
    defaults = document.pop("defaults", {})
    services = document.get("services")
    if isinstance(services, list) and isinstance(defaults, dict):
        document["services"] = [_merged(defaults, entry) for entry in services]
    return _validated(Platform, document, path)


def load_services(path: Path) -> tuple[Service, ...]:
    """The services of `services.yaml`, in file order. Raises DeclarationError like `load_platform`."""
    return load_platform(path).services


def load_teams(path: Path) -> Teams:
    """Read `teams.yaml`. Raises DeclarationError for anything that is missing, misspelt or out of range."""
    return _validated(Teams, _document(path), path)


def check_owners(platform: Platform, teams: Teams) -> None:
    """Raise DeclarationError when a service belongs to a team that `teams.yaml` does not know: nobody would be told."""
    known = [team.name for team in teams.teams]
    for service in platform.services:
        if service.team not in known:
            raise DeclarationError(
                f"services: {service.name}: team is '{service.team}'; write one of {known} or add it to teams.yaml"
            )


def _merged(defaults: Any, entry: Any) -> Any:
    """`entry` over `defaults`, maps merged key by key; anything else is replaced."""
    if isinstance(defaults, dict) and isinstance(entry, dict):
        return {key: _merged(defaults.get(key), entry.get(key, defaults.get(key))) for key in defaults | entry}
    return entry


def _document(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DeclarationError(f"{path.name}: cannot be read ({error.strerror}); write it at {path}") from error
    except yaml.YAMLError as error:
        raise DeclarationError(f"{path.name}: not valid YAML: {error}") from error
    if not isinstance(document, dict):
        raise DeclarationError(f"{path.name}: holds {type(document).__name__}; write a map of keys and values")
    return document


def _validated(model: type[T], document: dict[str, Any], path: Path) -> T:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise DeclarationError("\n".join(f"{path.name}: {line}" for line in _lines(error, document))) from error


def _lines(error: ValidationError, document: dict[str, Any]) -> Iterable[str]:
    """One line per problem: where (a list entry by its name), the value seen, what to write."""
    for problem in error.errors():
        where = _where(problem["loc"], document)
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "missing":
            yield f"{where} is missing; write it"
        elif problem["type"] == "extra_forbidden":
            yield f"{where} is not a known key; remove it or mend its spelling"
        elif isinstance(problem["input"], (str, int, float)):
            yield f"{where} is {problem['input']!r}; {message[0].lower()}{message[1:]}"
        else:
            yield f"{where}: {message}" if where else message


def _where(location: tuple[int | str, ...], document: Any) -> str:
    parts: list[str] = []
    here = document
    for step in location:
        try:
            here = here[step]
        except (KeyError, IndexError, TypeError):
            here = None
        named = isinstance(step, int) and isinstance(here, dict) and "name" in here
        parts.append(f"{here['name']}" if named and isinstance(here, dict) else str(step))
    return ".".join(parts)


def _no_duplicates(what: str, values: Iterable[str]) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{what}: '{value}' occurs twice; write each once")
        seen.add(value)
