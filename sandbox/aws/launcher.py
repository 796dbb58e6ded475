"""Puts `pulumi-resource-aws` where the engine finds it: in a folder of the sandbox's state, to be put on PATH."""

import shlex
import sys
from pathlib import Path

from sandbox import paths

_NAME = "pulumi-resource-aws"


def folder() -> Path:
    """The folder that holds the executable, which is made when it is not there or no longer fits."""
    made = paths.state_dir() / "provider"
    made.mkdir(exist_ok=True)
    launcher = made / _NAME
    # The engine starts it by name; which Python has the packages is known here only.
    script = (
        "#!/bin/sh\n"
        f"PYTHONPATH={shlex.quote(str(paths.repo_root()))}${{PYTHONPATH:+:$PYTHONPATH}}\n"
        "export PYTHONPATH\n"
        f'exec {shlex.quote(sys.executable)} -m sandbox.aws.provider "$@"\n'
    )
    if not launcher.exists() or launcher.read_text() != script:
        fresh = made / f".{_NAME}"
        fresh.write_text(script)
        fresh.chmod(0o755)
        fresh.replace(launcher)
    return made
