"""`pulumi preview` of any stack where nothing of it exists: a fresh simulated cluster and a fresh local AWS."""

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.settings.reference import example
from components.settings.secrets import catalogue
from sandbox import node
from sandbox.aws import moto
from sandbox.engine import Engine


@contextmanager
def fresh(stack: str) -> Iterator[Engine]:
    """An engine for `stack` without state, with a cluster and an account of its own; all of it is gone afterwards."""
    secrets = [secret.name for secret in catalogue(example())]
    with (
        node.simulated_cluster(f"preview-{stack}") as kubeconfig,
        moto.account() as address,
        tempfile.TemporaryDirectory() as folder,
    ):
        moto.furnish(address)
        engine = Engine(stack, kubeconfig, Path(folder), account=moto.environment(address))
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
