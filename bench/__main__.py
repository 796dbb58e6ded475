"""python -m bench [NAME...]: runs these benchmarks, or all, on the running sandbox and writes build/bench.json"""

import argparse
import json
import sys
import time
from typing import Any

from rich.console import Console

from bench import boot, dashboards, deployment, logs, memory, page, rules, traces
from sandbox.errors import SandboxError
from sandbox.paths import repo_root

_BENCHMARKS = {
    "boot": boot.run,
    "deployment": deployment.run,
    "dashboards": dashboards.run,
    "rules": rules.run,
    "page": page.run,
    "logs": logs.run,
    "traces": traces.run,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(_BENCHMARKS))
    names = parser.parse_args().names or list(_BENCHMARKS)
    if unknown := sorted(set(names) - set(_BENCHMARKS)):
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(_BENCHMARKS)}")
    console = Console(stderr=True)
    results: dict[str, Any] = {"date": time.strftime("%Y-%m-%d %H:%M")}
    used: dict[str, float] = {}
    try:
        with memory.peak_gib(used):
            for name in names:
                console.print(f"[bold]{name}[/bold] ...")
                results[name] = _BENCHMARKS[name]()
                console.print_json(data=results[name])
    except SandboxError as error:
        console.print(f"[bold red]error:[/bold red] {error}")
        return 1
    results["memory"] = used
    target = repo_root() / "build" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(results, indent=2) + "\n")
    console.print_json(data=used)
    console.print(f"written: {target.relative_to(repo_root())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
