"""`python -m sandbox.toolchain [program...]` builds all programs or those named; `--lock group...` renews go.sum."""

import argparse
import signal
import sys

from sandbox import toolchain
from sandbox.errors import SandboxError
from sandbox.toolchain.lock import lock


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.toolchain", description=__doc__)
    parser.add_argument("names", nargs="*", help="programs to build (default: all usual ones); with --lock: groups")
    parser.add_argument("--lock", action="store_true", help="rewrite go.mod and go.sum of these groups")
    arguments = parser.parse_args()
    # A plain kill ends the compiler too, as an interrupt from the keyboard does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if arguments.lock:
            for name in arguments.names:
                lock(name)
                print(f"locked {name}", flush=True)
        else:
            for name, path in toolchain.ensure(arguments.names or toolchain.usual_programs()).items():
                print(f"{name}: {path}")
    except SandboxError as error:
        print(f"sandbox.toolchain: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
