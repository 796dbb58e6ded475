"""python -m bench: runs the benchmarks on the running sandbox and writes build/bench.json"""

import json
import sys
import time
from typing import Any

from rich.console import Console

from bench import deployment, memory
from sandbox.errors import SandboxError
from sandbox.paths import repo_root

_BENCHMARKS = {"deployment": deployment.run, "memory": memory.run}


def main() -> int:
    console = Console(stderr=True)
    results: dict[str, Any] = {"date": time.strftime("%Y-%m-%d %H:%M")}
    try:
        for name, run in _BENCHMARKS.items():
            console.print(f"[bold]{name}[/bold] ...")
            results[name] = run()
            console.print_json(data=results[name])
    except SandboxError as error:
        console.print(f"[bold red]error:[/bold red] {error}")
        return 1
    target = repo_root() / "build" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(results, indent=2) + "\n")
    console.print(f"written: {target.relative_to(repo_root())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
