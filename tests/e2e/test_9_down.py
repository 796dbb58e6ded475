"""What `make down` leaves of the sandbox, and the stack on a node that is only simulated. Last: the sandbox goes."""

import os

from sandbox import node
from tests.shell import typed


def printed(command: str) -> str:
    """What it prints on both streams; typed in a shell of its own, not in the `make test` that this is a part of."""
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "NODE")}
    done = typed(command, environment)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def status() -> str:
    return printed(".venv/bin/python -m sandbox status")


def test_down_leaves_nothing() -> None:
    printed("make down")
    assert node.leftovers() == []
    assert "nothing is up" in status()


def test_the_stack_comes_up_on_a_simulated_node_and_goes() -> None:
    said = printed("make up NODE=simulated")
    assert "The stack is up." in said
    assert "its pods do not run" in said
    assert "simulated node (kwok): ready" in status()

    printed("make down")

    assert "nothing is up" in status()
