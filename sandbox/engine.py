"""The real Pulumi engine, driven on one stack; its state, its secrets and its config stay outside the clone."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from sandbox import aws, secret_file, toolchain
from sandbox.errors import SandboxError
from sandbox.paths import repo_root

PROJECT = "observability-stack"
_ENDPOINTS = "aws:endpoints"
_CONTEXT = f"{PROJECT}:kubernetes_context"
PROGRAMS = ("pulumi", "pulumi-language-python", "pulumi-resource-kubernetes", "kubectl")


class EngineError(SandboxError):
    """The engine refused or failed; `output` is what it printed, where that was captured."""

    def __init__(self, message: str, output: str) -> None:
        super().__init__(message)
        self.output = output


@dataclass(frozen=True)
class Engine:
    """Stack `stack` on the cluster of `kubeconfig`; everything of this run is kept in `folder`."""

    stack: str
    kubeconfig: Path
    folder: Path
    # Values that only this machine knows, laid over the stack's: group -> key -> value.
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # The AWS account, by the variables that every AWS client goes by.
    account: Mapping[str, str] = field(default_factory=aws.environment)
    # The clone whose program is run.
    program: Path = field(default_factory=repo_root)

    def environment(self) -> dict[str, str]:
        """What a shell needs to drive this stack by hand: cluster, engine, AWS, and the tools on PATH."""
        tools = [aws.provider_dir(), toolchain.bin_dir(), Path(sys.executable).parent]
        return {
            "KUBECONFIG": str(self.kubeconfig),
            "PATH": os.pathsep.join([*map(str, tools), os.environ["PATH"]]),
            # Without the checksum beside it that nobody reads, and that takes a quarter of the time of each save.
            "PULUMI_BACKEND_URL": f"file://{_made(self.folder / 'pulumi')}?metadata=skip",
            "PULUMI_HOME": str(self._home()),
            "PULUMI_STACK": self.stack,
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self._passphrase()),
            "PULUMI_OPTION_CONFIG_FILE": str(self.config_file()),
            # By default four steps a core; one that waits for pods to be Ready, or gone, holds up the others then.
            "PULUMI_PARALLEL": "64",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            **self.account,
        }

    def prepare(self, given: Mapping[str, str], own: Mapping[str, str] | None = None) -> None:
        """The stack exists and has the secrets of `given`; of `own` it gets what it lacks, what it had before stays.

        One that an older clone set, and that is not among them any more, goes: the program would refuse it.
        """
        values = {**(own or {}), **given}
        toolchain.ensure(PROGRAMS)
        # Making a stack writes into the stack file of the folder it is made from: never the clone's.
        shutil.copyfile(repo_root() / "Pulumi.yaml", self.folder / "Pulumi.yaml")
        self.config_file()
        self.run("stack", "select", self.stack, "--create", "--cwd", str(self.folder))
        known = json.loads(self.run("config", "--json", "--show-secrets", capture=True))
        for key, entry in known.items():
            if entry["secret"] and key.startswith(f"{PROJECT}:") and key.removeprefix(f"{PROJECT}:") not in values:
                self.run("config", "rm", key)
        for name, value in values.items():
            held = known.get(f"{PROJECT}:{name}")
            if held is None or (name in given and held["value"] != value):
                self.run("config", "set", "--secret", name, text=value)  # never among the arguments, which all can see

    def run(self, *arguments: str, capture: bool = False, text: str = "") -> str:
        """Runs the engine in the clone; gives what it printed when `capture` is set; `text` is what it reads.

        Raises EngineError when it fails.
        """
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.program,
            env={**os.environ, **self.environment()},
            input=text,
            stdout=subprocess.PIPE if capture else None,
            stderr=subprocess.PIPE if capture else None,
            text=True,
            check=False,
        )
        if done.returncode:
            output = f"{done.stdout or ''}{done.stderr or ''}"
            raise EngineError(f"pulumi {arguments[0]} failed:\n{output}" if capture else _SEE_ABOVE, output)
        return done.stdout or ""

    def unlock(self) -> None:
        """Takes away what locks the stack for an engine that was killed; one that still runs keeps its lock."""
        for lock in (self.folder / "pulumi" / ".pulumi" / "locks").rglob("*.json"):
            if not _is_engine(json.loads(lock.read_text())["pid"]):
                lock.unlink()

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets in plain: do not print it."""
        shown: dict[str, Any] = json.loads(self.run("stack", "output", "--json", "--show-secrets", capture=True))
        return shown

    def config_file(self) -> Path:
        """A copy of the stack's file that also holds the secrets made here, so that no run dirties the clone.

        Made afresh when the original changes; secrets, and the salt they are encrypted with, are carried over.
        """
        original, copy = repo_root() / f"Pulumi.{self.stack}.yaml", self.folder / f"Pulumi.{self.stack}.yaml"
        config = yaml.safe_load(original.read_text())["config"]
        for group, values in self.values.items():
            config[f"{PROJECT}:{group}"] = {**config[f"{PROJECT}:{group}"], **values}
        config.pop(_CONTEXT, None)  # that of the people's cluster; the one here has a kubeconfig to itself
        if _ENDPOINTS in config:  # the file names the bridge of a real node; beside a simulated one there is none
            [named] = config[_ENDPOINTS]
            config[_ENDPOINTS] = [dict.fromkeys(named, self.account["AWS_ENDPOINT_URL"])]
        wanted = yaml.safe_dump(config)
        if not copy.exists() or not self._stamp.exists() or self._stamp.read_text() != wanted:
            # Secrets of a real stack are encrypted with keys that only its own people have.
            merged = {"config": {key: value for key, value in config.items() if not _is_secret(value)}}
            if copy.exists():
                old = yaml.safe_load(copy.read_text())
                merged["config"] |= {key: value for key, value in old["config"].items() if _is_secret(value)}
                merged |= {key: value for key, value in old.items() if key != "config"}
            copy.write_text(yaml.safe_dump(merged, sort_keys=False))
            self._stamp.write_text(wanted)
        return copy

    def as_in_the_clone(self) -> None:
        """The next run makes its copy of the stack's file afresh: what was set in it by hand goes, secrets stay."""
        self._stamp.unlink(missing_ok=True)

    @property
    def _stamp(self) -> Path:
        return self.folder / f"Pulumi.{self.stack}.original.yaml"

    def _home(self) -> Path:
        """The engine's own folder. It logs each run at debug level there, which takes half of its processor time and
        has no switch: with a file where the logs' folder would be, it goes without.
        """
        home = _made(self.folder / "pulumi-home")
        (home / "logs").touch()
        return home

    def _passphrase(self) -> Path:
        path = self.folder / "pulumi-passphrase"
        secret_file.made_once(path, 24)
        return path


_SEE_ABOVE = "pulumi failed (its words are above); mend the cause and run the same command again"


def _is_engine(pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        return process.name() == "pulumi" and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _is_secret(value: object) -> bool:
    return isinstance(value, dict) and "secure" in value


def _made(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
