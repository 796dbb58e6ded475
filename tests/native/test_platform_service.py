"""The services' program passes its own Go tests."""

import subprocess

from sandbox.platform.program import SOURCE
from sandbox.toolchain import golang


def test_go_tests_of_the_services_pass() -> None:
    golang.require_go(SOURCE)
    done = subprocess.run(["go", "test", "./..."], cwd=SOURCE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
