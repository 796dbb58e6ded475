"""What `make down` leaves of the sandbox, and the stack on a node that is only simulated. Last: the sandbox goes."""

import os

import psutil

from sandbox import node
from sandbox.paths import state_dir
from tests.shell import typed


def printed(command: str) -> str:
    """What it prints on both streams."""
    done = typed(command, os.environ)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def status() -> str:
    return printed(".venv/bin/python -m sandbox status")


def processes_left() -> list[str]:
    """What runs of the sandbox beside the node. The span store sees its folder elsewhere: it goes by its own name."""
    marks = (
        str(state_dir()),
        "moto.server",
        "moto_server",
        "sandbox.sink_server",
        "sandbox.aws.provider",
        "org.opensearch.bootstrap.OpenSearch",
    )
    commands = (" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"]))
    return [command for command in commands if any(mark in command for mark in marks)]


def test_down_leaves_nothing() -> None:
    assert processes_left()
    printed("make down")
    assert node.leftovers() == []
    assert processes_left() == []
    assert "nothing is up" in status()


def test_the_stack_comes_up_on_a_simulated_node_and_goes() -> None:
    said = printed("make up NODE=simulated")
    assert "The stack is up." in said
    assert "its pods do not run" in said
    assert "simulated node (kwok): ready" in status()

    printed("make down")

    assert processes_left() == []
    assert "nothing is up" in status()
