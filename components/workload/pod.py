"""What runs in a pod, in our words: containers, volumes, probes. spec.py turns it into Kubernetes objects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pulumi

from components.settings.base import Resources


@dataclass(frozen=True, kw_only=True)
class ConfigMapFiles:
    """All keys of a ConfigMap, as files. Mounted as a folder (never by sub path), so that a change reaches the pod."""

    name: str
    optional: bool = False  # the pod starts without it, and gets it when it is there


@dataclass(frozen=True, kw_only=True)
class SecretFiles:
    """Keys of a Secret, as files named after them (all where `keys` is empty), readable by the pod's user only."""

    name: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EmptyDir:
    """Scratch space that goes with the pod."""

    size_mib: int
    in_memory: bool = False


@dataclass(frozen=True, kw_only=True)
class HostPath:
    """A path of the node; for agents only."""

    path: str
    type: Literal["Directory", "DirectoryOrCreate", "File", ""] = "Directory"


@dataclass(frozen=True)
class Data:
    """The replica's own persistent volume; its size is in WorkloadArgs.storage."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A volume that another workload made, by the name of its claim."""

    name: str


Source = ConfigMapFiles | SecretFiles | EmptyDir | HostPath | Data | Claim


@dataclass(frozen=True, kw_only=True)
class Mount:
    name: str
    path: str
    source: Source
    read_only: bool = True
    propagation: Literal["None", "HostToContainer"] | None = None


@dataclass(frozen=True, kw_only=True)
class SecretKey:
    """An environment variable out of a Secret; only for a tool that cannot read the value from a file."""

    secret: str
    key: str


@dataclass(frozen=True)
class PodField:
    """An environment variable out of the pod's own description, e.g. `status.podIP`."""

    path: str


@dataclass(frozen=True, kw_only=True)
class Probe:
    """An HTTP GET on `path`, or a mere connection where there is no path."""

    port: int
    path: str | None = None
    tls: bool = False  # with `path`: asked over HTTPS, whatever the certificate
    period_seconds: int = 10
    timeout_seconds: int = 3
    failure_threshold: int = 3


@dataclass(frozen=True, kw_only=True)
class Container:
    """One program. Its root file system is read-only; what it writes is a Mount."""

    name: str
    image: str
    resources: Resources
    args: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    ports: Mapping[str, int] = field(default_factory=dict)
    env: Mapping[str, "str | SecretKey | PodField | pulumi.Output[str]"] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    startup: Probe | None = None  # until it passes, the other two wait
    readiness: Probe | None = None
    liveness: Probe | None = None
    user: int | None = None  # where it is not the pod's
    capabilities: tuple[str, ...] = ()  # for agents only: `restricted` admits none


def wait_for(
    name: str, image: str, host: "str | pulumi.Output[str]", port: "int | str | pulumi.Output[str]"
) -> Container:
    """An init container that waits until `host:port` accepts a connection, and says that it waits.

    `image` has a shell and `nc` (busybox).
    """
    script = (
        'until nc -w 3 "$HOST" "$PORT" </dev/null; do '
        'echo "waiting for $WHAT at $HOST:$PORT"; sleep 2; done; echo "$WHAT answers"'
    )
    return Container(
        name=f"wait-for-{name}",
        image=image,
        command=("sh", "-c", script),
        env={"WHAT": name, "HOST": host, "PORT": str(port) if isinstance(port, int) else port},
        resources=Resources(cpu_millicores=5, memory_mib=8, cpu_limit_millicores=50, memory_limit_mib=32),
        user=65534,
    )
