"""The Kubernetes objects of the running stack as plain manifests: what `kubectl apply` would be given."""

import json
from typing import Any

from sandbox.engine import Engine

_SECRET_SIGNATURE = "4dabf18193072939515e22adb298388d"  # Pulumi's mark of an encrypted value in a stack's export


def of(engine: Engine) -> list[dict[str, Any]]:
    """Every Kubernetes object in the engine's state, namespaces first."""
    state = json.loads(engine.run("stack", "export", "--show-secrets", capture=True))
    found = [
        _plain(resource["inputs"])
        for resource in state["deployment"]["resources"]
        if resource["type"].startswith("kubernetes:")
    ]
    return sorted(found, key=lambda manifest: manifest["kind"] != "Namespace")


def _plain(value: Any) -> Any:
    match value:
        case dict() if _SECRET_SIGNATURE in value:
            return json.loads(value["plaintext"])
        case dict():
            return {key: _plain(each) for key, each in value.items() if not key.startswith("__")}
        case list():
            return [_plain(each) for each in value]
        case _:
            return value
