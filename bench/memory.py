"""Memory of everything that runs: the node, the platform, the stack, AWS and the span store."""

from typing import Any

import psutil


def run() -> dict[str, Any]:
    """Resident memory that is neither cache nor free, of the whole machine."""
    memory = psutil.virtual_memory()
    return {"used_gib": (memory.total - memory.available) / 2**30}
