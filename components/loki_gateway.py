"""The gateway in front of a Loki that is reachable from outside the cluster: it asks for a user and a password."""

from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi_kubernetes import core

from components.settings.base import Resources
from components.settings.loki import LokiSettings
from components.shared import SharedOutputs
from components.tool_secret import tool_secret
from components.workload import Workload, WorkloadArgs
from components.workload.pod import ConfigMapFiles, Container, EmptyDir, Mount, Probe, SecretFiles
from components.workload.spec import checksum, metadata

TOOL = "loki-gateway"
COMPONENT = "logs"
PORT = 3100  # Loki's own, so that an address is the same inside and outside but for its host
USER = 101  # of the image
SECRET = TOOL
SECRET_KEY = "htpasswd"
CONFIG = Path(__file__).resolve().parents[1] / "configs" / "loki" / "gateway.conf"
FOLDER, USERS = "/etc/nginx/gateway", "/etc/nginx/users"
RESOURCES = Resources(cpu_millicores=20, memory_mib=32, cpu_limit_millicores=500, memory_limit_mib=128)


@dataclass(frozen=True, kw_only=True)
class LokiGatewayArgs:
    shared: SharedOutputs
    settings: LokiSettings
    image: str
    htpasswd: pulumi.Output[str] | None  # None: in a Secret that the stack does not own


def replicas(settings: LokiSettings) -> int:
    """None where Loki is reachable inside only; two before a Loki that may lose a node."""
    if not settings.reachable_from_outside:
        return 0
    return 2 if settings.in_ring else 1


class LokiGateway(pulumi.ComponentResource):
    """nginx with Loki's exposure. Inside the cluster Loki is reached past it."""

    def __init__(self, name: str, args: LokiGatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("observability:index:LokiGateway", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        labels = args.shared.labels(TOOL, COMPONENT)

        files = {"nginx.conf": CONFIG.read_text(encoding="utf-8")}
        config = core.v1.ConfigMap(
            f"{name}-config",
            metadata=metadata(f"{TOOL}-config", args.shared.namespace, labels),
            data=files,
            opts=child,
        )
        values = {} if args.htpasswd is None else {SECRET_KEY: args.htpasswd}
        users = tool_secret(f"{name}-users", shared=args.shared, name=SECRET, labels=labels, values=values, parent=self)
        Workload(
            name,
            WorkloadArgs(
                shared=args.shared,
                tool=TOOL,
                component=COMPONENT,
                kind="Deployment",
                user=USER,
                replicas=replicas(args.settings),
                containers=(
                    nginx(
                        args.image,
                        FOLDER,
                        f"{TOOL}-config",
                        Mount(name="users", path=USERS, source=SecretFiles(name=SECRET)),
                    ),
                ),
                service_ports={"http": PORT},
                exposure=args.settings.exposure,
                config_checksum=checksum(files),
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[config, *users]),
        )
        self.register_outputs({})


def nginx(image: str, folder: str, config: str, *more: Mount) -> Container:
    """The program, with the ConfigMap `config` as its `folder`. The router of the microservices is one too."""
    return Container(
        name="nginx",
        image=image,
        command=("nginx", "-e", "stderr", "-c", f"{folder}/nginx.conf", "-g", "daemon off;"),
        ports={"http": PORT},
        resources=RESOURCES,
        mounts=(
            Mount(name="config", path=folder, source=ConfigMapFiles(name=config)),
            *more,
            Mount(name="tmp", path="/tmp", source=EmptyDir(size_mib=256), read_only=False),  # noqa: S108 - in the pod
        ),
        # A connection, no request: one without a password is refused, and would be in the log.
        readiness=Probe(port=PORT),
        liveness=Probe(port=PORT),
    )
