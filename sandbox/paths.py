"""Where the sandbox keeps things: nothing of it is inside the clone."""

import os
from pathlib import Path

_NAME = "observability-stack"


def repo_root() -> Path:
    """The clone this code runs from."""
    return Path(__file__).resolve().parent.parent


def cache_dir() -> Path:
    """What is slow to make and the same for every run: programs, images, packages. `make clean` removes it."""
    return _made(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / _NAME)


def state_dir() -> Path:
    """What belongs to the sandbox that is running: cluster, volumes, logs, process ids. `make down` removes it."""
    return _made(Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / _NAME / "sandbox")


def _made(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
