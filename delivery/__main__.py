"""python -m delivery watch --service api-gateway --minutes 10 --stack-outputs outputs.json"""

import json
import logging
import signal
import sys

import httpx

from delivery import gate, options
from delivery.errors import GateError

COULD_NOT_START = 2


def main(arguments: list[str]) -> int:
    """The result as JSON on stdout, the course of it on stderr; the exit code is what a pipeline goes by."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each poll, and the webhook's address in one
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a pipeline that is cancelled still tells
    try:
        chosen = options.parse(arguments)
        with httpx.Client(timeout=10) as http:
            result = gate.run(chosen, http)
    except GateError as error:
        print(f"error: {error}", file=sys.stderr)
        return COULD_NOT_START
    print(json.dumps(result, indent=2))
    return int(result["exit_code"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
