"""Is this machine enough for the sandbox? Asked first, so that nobody waits for a build to hear that it is not."""

import psutil

from sandbox import engine, toolchain
from sandbox.aws import java, opensearch
from sandbox.errors import SandboxError
from sandbox.node import simulated
from sandbox.toolchain import maven

MEMORY_GIB = 8
# The kernel keeps some of what was bought for itself.
_SHOWN = 0.9


def check(*, simulated_node: bool) -> None:
    """Java, Maven and Go as long as something is to be fetched or built, and memory. Raises SandboxError, one line."""
    java.home()
    maven.require((opensearch.SERVER, opensearch.SECURITY))
    toolchain.require_go(
        [*simulated.PROGRAMS, *engine.PROGRAMS] if simulated_node else toolchain.usual_programs(),
    )
    memory_gib = psutil.virtual_memory().total / 2**30
    if not simulated_node and memory_gib < _SHOWN * MEMORY_GIB:
        raise SandboxError(
            f"this machine has {memory_gib:.1f} GiB of memory, the sandbox needs {MEMORY_GIB}; use a larger one "
            "or take the simulated node (`make up NODE=simulated`)"
        )
