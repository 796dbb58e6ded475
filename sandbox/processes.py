"""Programs that run beside the cluster (kubelet, moto, OpenSearch, ...): started once, found again, stopped whole.

A process is remembered by its id and its time of creation, so that an id which the system has given to
somebody else is never taken for ours, and never signalled.
"""

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import httpx
import psutil

from sandbox.errors import SandboxError
from sandbox.paths import state_dir

_STOP_SECONDS = 20
_STARTED: dict[str, subprocess.Popen[bytes]] = {}  # by this very process: held, since they outlive it on purpose


def start(
    name: str,
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: int | str | None = None,
) -> None:
    """Starts `argv` in a session of its own, its output appended to `log_path(name)`; does nothing while it is alive.

    `env` is added to this process's environment. `user` is a uid or a user name (needs root).
    Raises SandboxError when the program cannot be executed.
    """
    if alive(name):
        return
    with log_path(name).open("ab") as log:
        try:
            child = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                user=user,
                extra_groups=[] if user is not None else None,
                start_new_session=True,
            )
        except OSError as error:
            raise SandboxError(f"{name} cannot be started: {error}") from error
    _STARTED[name] = child
    created = psutil.Process(child.pid).create_time()
    _pidfile(name).write_text(json.dumps({"pid": child.pid, "created": created}))


def alive(name: str) -> bool:
    """True while the process that `start` made is running."""
    return _find(name) is not None


def stop(name: str) -> None:
    """Ends the process and all its children, first politely, then for certain."""
    process = _find(name)
    if process is not None:
        family = [*process.children(recursive=True), process]
        for member in family:
            _signal(member.terminate)
        _, stubborn = psutil.wait_procs(family, timeout=_STOP_SECONDS)
        for member in stubborn:
            _signal(member.kill)
        psutil.wait_procs(stubborn, timeout=_STOP_SECONDS)
    if name in _STARTED:
        _STARTED.pop(name).wait()
    _pidfile(name).unlink(missing_ok=True)


def log_path(name: str) -> Path:
    """The file with everything that `name` has printed."""
    folder = state_dir() / "logs"
    folder.mkdir(exist_ok=True)
    return folder / f"{name}.log"


def wait_http(url: str, timeout_seconds: float, name: str) -> None:
    """Waits until `url` answers with a status below 500.

    Raises SandboxError with the end of the log when the process dies or the time is over.
    """
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        try:
            if httpx.get(url, timeout=5, trust_env=False).status_code < 500:
                return
        except httpx.HTTPError:
            pass
        if not alive(name):
            raise SandboxError(f"{name} ended while it was starting; its log says:\n{_log_end(name)}")
        time.sleep(0.3)
    raise SandboxError(
        f"{name} did not answer at {url} within {timeout_seconds:.0f} s; its log says:\n{_log_end(name)}"
    )


def _find(name: str) -> psutil.Process | None:
    try:
        known = json.loads(_pidfile(name).read_text())
        process = psutil.Process(known["pid"])
        same = abs(process.create_time() - known["created"]) < 1
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, psutil.Error):
        return None


def _signal(send: Callable[[], None]) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        send()


def _pidfile(name: str) -> Path:
    folder = state_dir() / "processes"
    folder.mkdir(exist_ok=True)
    return folder / f"{name}.json"


def _log_end(name: str, lines: int = 15) -> str:
    return "\n".join(log_path(name).read_text(errors="replace").splitlines()[-lines:])
