"""Drives the real Pulumi engine on stack `sandbox`: its state, its secrets and its config stay outside the clone."""

import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from sandbox import aws, node, platform, sinks, toolchain
from sandbox.errors import SandboxError
from sandbox.paths import repo_root, state_dir

STACK = "sandbox"
PROGRAMS = ("pulumi", "pulumi-language-python", "pulumi-resource-kubernetes", "kubectl")


def environment() -> dict[str, str]:
    """What a shell needs to drive the running sandbox by hand: cluster, engine, AWS, and the tools on PATH."""
    folders = [aws.provider_dir(), toolchain.bin_dir(), Path(sys.executable).parent]
    return {
        "KUBECONFIG": str(node.kubeconfig()),
        "PATH": os.pathsep.join([*map(str, folders), os.environ["PATH"]]),
        "PULUMI_BACKEND_URL": f"file://{_made(state_dir() / 'pulumi')}",
        "PULUMI_HOME": str(_made(state_dir() / "pulumi-home")),
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(_passphrase()),
        "PULUMI_OPTION_CONFIG_FILE": str(config_file()),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        **aws.environment(),
    }


def pulumi(*arguments: str, capture: bool = False) -> str:
    """Runs the engine in the clone. Raises SandboxError when it fails; its own words are on the terminal by then."""
    done = subprocess.run(
        ["pulumi", *arguments, "--non-interactive"],
        cwd=repo_root(),
        env={**os.environ, **environment()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if capture else None,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SandboxError(f"pulumi {arguments[0]} failed (see above); mend the cause and run `make up` again")
    return done.stdout or ""


def up() -> None:
    """`pulumi up` of stack sandbox; its secrets are made on the first run. Waits until every workload is Ready."""
    prepare()
    pulumi("up", "--yes", "--skip-preview", "--suppress-permalink=true")


def prepare() -> None:
    """Stack, config copy and secrets exist."""
    toolchain.ensure(PROGRAMS)
    pulumi("stack", "select", STACK, "--create")
    known = json.loads(pulumi("config", "--json", capture=True))
    for name, value in _secret_values().items():
        if f"observability-stack:{name}" not in known:
            pulumi("config", "set", "--secret", name, value)


def destroy() -> None:
    """`pulumi destroy` of stack sandbox, where there is one."""
    if (state_dir() / "pulumi" / ".pulumi" / "stacks").exists():
        pulumi("destroy", "--yes", "--skip-preview", "--suppress-permalink=true")


def outputs() -> dict[str, Any]:
    """The stack's outputs, secrets in plain: do not print it."""
    shown: dict[str, Any] = json.loads(pulumi("stack", "output", "--json", "--show-secrets", capture=True))
    return shown


def config_file() -> Path:
    """A copy of Pulumi.sandbox.yaml that holds this sandbox's secrets, so that no run dirties the clone.

    Made afresh when the original changes; the secrets and the salt they are encrypted with are carried over.
    """
    original, copy = repo_root() / f"Pulumi.{STACK}.yaml", state_dir() / f"Pulumi.{STACK}.yaml"
    stamp = state_dir() / "Pulumi.sandbox.original.yaml"
    if not copy.exists() or not stamp.exists() or stamp.read_bytes() != original.read_bytes():
        _merge(original, copy)
        shutil.copyfile(original, stamp)
    return copy


def _merge(original: Path, copy: Path) -> None:
    fresh = yaml.safe_load(original.read_text())
    if copy.exists():
        old = yaml.safe_load(copy.read_text())
        kept = {key: value for key, value in old["config"].items() if isinstance(value, dict) and "secure" in value}
        fresh["config"] |= kept
        fresh |= {key: value for key, value in old.items() if key != "config"}
    copy.write_text(yaml.safe_dump(fresh, sort_keys=False))


def _secret_values() -> dict[str, str]:
    """What this sandbox uses where production has real accounts: local sinks, and passwords made here."""
    return {
        "grafana_admin_password": secrets.token_urlsafe(18),
        "slack_api_url": sinks.slack_url(),
        "pagerduty_routing_key": secrets.token_hex(16),
        "postgresql_password": platform.postgres_password(),
        "s3_access_key_id": "sandbox",
        "s3_secret_access_key": "sandbox",
    }


def _passphrase() -> Path:
    path = state_dir() / "pulumi-passphrase"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(24))
    return path


def _made(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
