"""Grafana's teams and folder rights out of teams.yaml. Grafana reads them from no file: a job sets them by its API."""

from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi_kubernetes import core

from components.settings.base import Resources
from components.shared import Endpoint, SharedOutputs
from components.workload.batch import JobArgs, cron_job, job
from components.workload.pod import ConfigMapFiles, Container, Mount, SecretFiles
from components.workload.spec import checksum, metadata
from rendering.access import render_access
from rendering.declarations import Teams

TOOL = "grafana-access"
COMPONENT = "ui"
USER = 65534
SCRIPT = Path(__file__).resolve().parents[1] / "jobs" / "grafana_access.py"
DIRECTORY = f"/etc/{TOOL}"

# People are known to Grafana from their first login on; this is how soon after it they are in their team.
SCHEDULE = "*/10 * * * *"


@dataclass(frozen=True, kw_only=True)
class GrafanaAccessArgs:
    shared: SharedOutputs
    image: str  # with python3
    grafana: Endpoint
    admin_secret: str  # Secret with the key `admin-password`
    teams: Teams


class GrafanaAccess(pulumi.ComponentResource):
    """A Job at each deployment that changed something, and the same by the clock."""

    def __init__(self, name: str, args: GrafanaAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("observability:index:GrafanaAccess", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        files = {SCRIPT.name: SCRIPT.read_text(encoding="utf-8"), "access.json": render_access(args.teams)}
        config = core.v1.ConfigMap(
            f"{name}-config",
            metadata=metadata(TOOL, args.shared.namespace, args.shared.labels(TOOL, COMPONENT)),
            data=files,
            opts=child,
        )
        after = pulumi.ResourceOptions(parent=self, depends_on=[config])
        runs = JobArgs(
            shared=args.shared,
            tool=TOOL,
            component=COMPONENT,
            steps=(_container(args),),
            user=USER,
            deadline_seconds=600,
            annotations={"observability-stack/config": checksum(files)},  # changed: the Job runs again
        )
        job(f"{name}-job", runs, after)
        cron_job(name, runs, SCHEDULE, after)
        self.register_outputs({})


def _container(args: GrafanaAccessArgs) -> Container:
    return Container(
        name="access",
        image=args.image,
        command=("python3", f"{DIRECTORY}/config/{SCRIPT.name}", f"{DIRECTORY}/config/access.json"),
        env={
            "GRAFANA_URL": args.grafana.url,
            "GRAFANA_USER": "admin",
            "GRAFANA_PASSWORD_FILE": f"{DIRECTORY}/secrets/admin-password",
        },
        mounts=(
            Mount(name="config", path=f"{DIRECTORY}/config", source=ConfigMapFiles(name=TOOL)),
            Mount(
                name="secrets",
                path=f"{DIRECTORY}/secrets",
                source=SecretFiles(name=args.admin_secret, keys=("admin-password",)),
            ),
        ),
        resources=Resources(cpu_millicores=10, memory_mib=32, cpu_limit_millicores=500, memory_limit_mib=96),
    )
