"""`pulumi preview` of any stack where nothing of it exists: a fresh simulated cluster and the local AWS."""

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.settings.reference import example
from components.settings.secrets import catalogue
from sandbox import aws, node
from sandbox.engine import Engine
from sandbox.stack import STACK


@contextmanager
def fresh(stack: str) -> Iterator[Engine]:
    """An engine for `stack` with no state, a cluster of its own, and made-up secrets; all gone afterwards.

    Bucket names are everyone's: the running stack of the sandbox has the one of its stack file.
    """
    secrets = [secret.name for secret in catalogue(example())]
    if aws.status() is None:
        aws.up("127.0.0.1", span_store=False)
    with node.simulated_cluster(f"preview-{stack}") as kubeconfig, tempfile.TemporaryDirectory() as folder:
        values = {"object_store": {"bucket": "preview-observability-logs"}} if stack == STACK else {}
        engine = Engine(stack, kubeconfig, Path(folder), values)
        engine.prepare({name: f"https://made-up.example/{name}" for name in secrets})
        yield engine


def preview(stack: str) -> None:
    """Shows what `pulumi up` would create. Raises EngineError when the engine refuses it."""
    with fresh(stack) as engine:
        engine.run("preview", "--diff=false")


def summary(engine: Engine) -> str:
    """What would be created, as sorted lines `type  name`: what a golden file holds."""
    steps = json.loads(engine.run("preview", "--json", capture=True))["steps"]
    lines = [f"{step['newState']['type']}  {step['urn'].rsplit('::', 1)[1]}" for step in steps]
    counts = Counter(step["op"] for step in steps)
    return "\n".join([f"# {', '.join(f'{op}: {count}' for op, count in sorted(counts.items()))}", *sorted(lines), ""])
