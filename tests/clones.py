"""A clone for a test to write into: in this one others read meanwhile."""

import shutil
import subprocess
import sys
from pathlib import Path

from sandbox.paths import repo_root


def copy(folder: Path) -> Path:
    """Makes it in `folder`, with the packages that `make` has installed in this one."""
    clone = folder / "observability-stack"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=repo_root(), check=True, capture_output=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(repo_root() / name, clone / name)
    (clone / ".venv").symlink_to(sys.prefix)
    return clone
