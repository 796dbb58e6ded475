"""`python -m tests.program.on_mocks <stack> [<changes>]`: the program with a stack file's values, on Pulumi's mocks.

Prints a JSON list of what it registers: type, name, inputs. A process of its own, since Pulumi's runtime is global.
`changes` to the values are JSON, by section.
"""

import json
import runpy
import sys
from typing import Any

import pulumi
import yaml

from components import guards
from components.settings.reference import example
from components.settings.secrets import catalogue
from rendering.documents import overlay
from sandbox.paths import repo_root

PROJECT = "observability-stack"
HIDDEN = "hidden-value-of-"  # begins every secret's value, to be looked for where it must not be


class Recorder(pulumi.runtime.Mocks):
    def __init__(self) -> None:
        self.registered: list[dict[str, Any]] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.registered.append({"type": args.typ, "name": args.name, "inputs": args.inputs})
        made_by_aws = {"arn": f"arn:aws:made-up:::{args.name}", "endpoint": "vpc-spans.us-east-1.es.example"}
        return f"{args.name}-id", made_by_aws | args.inputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"unexpected call of {args.token}")


def _no_cluster(stack: str, context: str | None) -> None:
    """There is none to ask; the end-to-end tests have one."""


def main(stack: str, changes: str = "{}") -> None:
    config = yaml.safe_load((repo_root() / f"Pulumi.{stack}.yaml").read_text())["config"]
    config = overlay(config, {f"{PROJECT}:{section}": values for section, values in json.loads(changes).items()})
    values = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    secrets = {f"{PROJECT}:{name}": f"{HIDDEN}{name}" for name in (one.name for one in catalogue(example()))}
    recorder = Recorder()
    pulumi.runtime.set_mocks(recorder, project=PROJECT, stack=stack)
    pulumi.runtime.set_all_config(values | secrets, list(secrets))
    guards.guard_cluster = _no_cluster
    pulumi.runtime.test(lambda: runpy.run_path(str(repo_root() / "__main__.py"), run_name="__main__"))()  # type: ignore[no-untyped-call]
    print(json.dumps(recorder.registered))


if __name__ == "__main__":
    main(*sys.argv[1:])
