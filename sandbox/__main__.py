"""python -m sandbox up | deploy | status | env | drill | preview | destroy | down | clean"""

import argparse
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from sandbox import aws, drills, machine, node, platform, sinks, stack
from sandbox import preview as previews
from sandbox.errors import SandboxError
from sandbox.node.layout import NODE_IP
from sandbox.paths import cache_dir, state_dir

LOOPBACK = "127.0.0.1"

console = Console(stderr=True, highlight=False)


def up(arguments: argparse.Namespace) -> None:
    """Boots what is not up: node, AWS, alert sinks, the platform to be observed."""
    simulated = arguments.node == "simulated"
    address = LOOPBACK if simulated else NODE_IP
    machine.check(simulated_node=simulated)
    _step("node", lambda: node.up(simulated))
    _step("local AWS and span store", lambda: aws.up(address))
    _step("alert sinks", lambda: sinks.up(address))
    _step("platform (nine services, PostgreSQL, Redis)", platform.up)


def deploy(_: argparse.Namespace) -> None:
    """`pulumi up` of stack sandbox, then where to look and how to log in."""
    _step("pulumi up", stack.up)
    _print_access()


def status(_: argparse.Namespace) -> None:
    """What is up, a line each."""
    lines = [node.status(), aws.status(), sinks.status(), platform.status()]
    print("\n".join(line for line in lines if line) or "nothing is up; start with: make up")


def env(_: argparse.Namespace) -> None:
    """Shell lines for `eval`: cluster, engine, AWS and tools of the running sandbox."""
    for name, value in stack.environment().items():
        print(f"export {name}={shlex.quote(value)}")


def preview(arguments: argparse.Namespace) -> None:
    """`pulumi preview` of any stack, on a fresh simulated cluster and the local AWS."""
    previews.preview(arguments.stack)


def drill(arguments: argparse.Namespace) -> None:
    """Breaks something, waits until everyone was told, mends it, waits again; without a name it lists what there is."""
    chosen = drills.DRILLS if arguments.names == ["all"] else [drills.get(name) for name in arguments.names]
    if not chosen:
        for each in drills.DRILLS:
            print(f"{each.name:<20}{each.what}")
        print(f"{'all':<20}every one of them, as many at a time as do not disturb each other")
        return
    played = drills.play(chosen, lambda line: console.print(line, markup=False, soft_wrap=True))
    failed = [str(outcome) for outcome in played.values() if isinstance(outcome, SandboxError)]
    if failed:
        raise SandboxError("\n".join(failed))


def destroy(_: argparse.Namespace) -> None:
    """`pulumi destroy` of stack sandbox; the sandbox itself stays up."""
    _step("pulumi destroy", stack.destroy)


def down(_: argparse.Namespace) -> None:
    """Ends everything; nothing stays behind but the cache."""
    for name, end in (("platform", platform.down), ("sinks", sinks.down), ("AWS", aws.down), ("node", node.down)):
        _step(f"end {name}", end)
    # At once: half of it, of a down that was interrupted, would be no state to go on with.
    gone = state_dir().with_suffix(".gone")
    shutil.rmtree(gone, ignore_errors=True)
    shutil.rmtree(state_dir().rename(gone))


def clean(arguments: argparse.Namespace) -> None:
    """As down, and removes the cache: the next `up` builds everything again."""
    down(arguments)
    shutil.rmtree(cache_dir())


def _print_access() -> None:
    outputs = stack.outputs()
    console.print("\n[bold]The stack is up.[/bold]")
    for name, url in sorted(outputs["urls"].items()):
        console.print(f"  {name:<14}{url}")
    if node.is_simulated():
        console.print("  The node is simulated: its pods do not run, so none of these answers. See: make up NODE=real")
        return
    console.print("  Grafana's user is admin; its password:")
    console.print('    eval "$(.venv/bin/python -m sandbox env)"', markup=False)
    console.print("    pulumi stack output grafana_admin_password --show-secrets")
    console.print("  Loki's user and password are LOKI_USERNAME and LOKI_PASSWORD there; logcli reads them itself.")


def _step(name: str, action: Callable[[], object]) -> None:
    started = time.monotonic()
    console.print(f"[bold]{name}[/bold] ...")
    action()
    console.print(f"{name}: done in {time.monotonic() - started:.0f} s")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for action in (up, deploy, status, env, drill, preview, destroy, down, clean):
        command = commands.add_parser(action.__name__, help=(action.__doc__ or "").strip().splitlines()[0])
        command.set_defaults(action=action)
        if action is up:
            command.add_argument("--node", choices=("real", "simulated"), default=os.environ.get("NODE") or "real")
        if action is drill:
            command.add_argument("names", nargs="*", metavar="NAME")
        if action is preview:
            command.add_argument("stack", choices=("sandbox", "staging", "prod"))
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a build that is told to end takes its compiler along
    try:
        arguments.action(arguments)
    except SandboxError as error:
        # As it is: brackets in what a tool said are no markup, and one line stays one.
        console.print(Text.assemble(("error:", "bold red"), f" {error}"), soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted; the same command goes on where it was")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
