"""Settings as they come out of a stack file, and what is said of those that are refused."""

from typing import Any

import pytest

from components.settings import SettingsError, parse

Values = dict[str, Any]


def minimal() -> Values:
    return {
        "environment": "dev",
        "cluster": "dev",
        "object_store": {"bucket": "dev-logs"},
        "span_store": {"mode": "external", "url": "https://spans.example.com:9200"},
        "prometheus": {"runbook_base_url": "https://example.com/runbooks"},
    }


def changed(path: str, value: Any) -> Values:
    """The minimal settings with one more or another value; `path` is dotted."""
    values = minimal()
    *groups, key = path.split(".")
    group = values
    for name in groups:
        group = group.setdefault(name, {})
    group[key] = value
    return values


def without(path: str) -> Values:
    values = changed(path, None)
    *groups, key = path.split(".")
    group = values
    for name in groups:
        group = group[name]
    del group[key]
    return values


def refusal(values: Values) -> str:
    with pytest.raises(SettingsError) as refused:
        parse(values)
    return str(refused.value)
