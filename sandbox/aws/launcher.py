"""Puts `pulumi-resource-aws` where the engine finds it: in a folder of the sandbox's state, to be put on PATH."""

import hashlib
import shlex
import sys
import tempfile
from pathlib import Path

from sandbox import paths

_NAME = "pulumi-resource-aws"


def folder() -> Path:
    """The folder that holds this clone's executable, which is made when it is not there."""
    # The engine starts it by name; which Python has the packages is known here only.
    script = (
        "#!/bin/sh\n"
        f"PYTHONPATH={shlex.quote(str(paths.repo_root()))}${{PYTHONPATH:+:$PYTHONPATH}}\n"
        "export PYTHONPATH\n"
        f'exec {shlex.quote(sys.executable)} -m sandbox.aws.provider "$@"\n'
    )
    # Of each clone one, for two may be at work at once; made whole, for so may two runs of one.
    made = paths.state_dir() / "provider" / hashlib.sha256(script.encode()).hexdigest()[:12]
    if not (made / _NAME).exists():
        made.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=made)) / _NAME
        fresh.write_text(script)
        fresh.chmod(0o755)
        fresh.replace(made / _NAME)
        fresh.parent.rmdir()
    return made
