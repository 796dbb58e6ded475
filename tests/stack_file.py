"""The engine's own copy of the stack file: the secrets in it, and other settings for a while."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import yaml

from sandbox import stack
from sandbox.engine import Engine


@contextmanager
def configured(engine: Engine, key: str, value: object) -> Iterator[None]:
    """The stack file says so for a while. A mapping is laid over what is there, one level deep."""
    path = engine.config_file()
    before = path.read_text()
    document = yaml.safe_load(before)
    old = document["config"].get(key)
    document["config"][key] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    path.write_text(yaml.safe_dump(document))
    try:
        yield
    finally:
        path.write_text(before)


def secret_values() -> dict[str, str]:
    """The sandbox's secrets by name, those long enough to be told from other text."""
    shown = json.loads(stack.pulumi("config", "--json", "--show-secrets", capture=True))
    values = {name: entry["value"] for name, entry in shown.items() if entry["secret"]}
    assert values, "the sandbox has secrets; none found means this test looks at nothing"
    return {name: value for name, value in values.items() if value != "sandbox"}
