"""Alertmanager: who is told what. Needs nothing of the other tools."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi_kubernetes import core

from components.settings.tools import AlertmanagerSettings
from components.shared import Endpoint, SharedOutputs
from components.tool_secret import tool_secret
from components.workload import Workload, WorkloadArgs
from components.workload.pod import ConfigMapFiles, Container, Data, Mount, PodField, Probe, SecretFiles
from components.workload.spec import checksum, metadata
from rendering.declarations import Teams
from rendering.receivers import Channels, Smtp
from rendering.routes import render_alertmanager_config

CONFIGS = Path(__file__).resolve().parents[1] / "configs" / "alertmanager"
TOOL = "alertmanager"
PORT = 9093
PEER_PORT = 9094
SECRETS = ("slack_api_url", "pagerduty_routing_key", "smtp_password", "smtp_ca", "heartbeat_url", "webhook_url")
SECRET = "alertmanager-secrets"
SECRETS_FOLDER = "/etc/alertmanager/secrets"


def endpoint(namespace: str) -> Endpoint:
    return Endpoint(name=TOOL, namespace=namespace, port=PORT)


def addresses(namespace: str, replicas: int) -> tuple[str, ...]:
    """host:port of every replica: each must hear of every alert, for they agree among themselves who tells it."""
    return tuple(f"{TOOL}-{index}.{TOOL}-peers.{namespace}:{PORT}" for index in range(replicas))


@dataclass(frozen=True, kw_only=True)
class AlertmanagerArgs:
    shared: SharedOutputs
    settings: AlertmanagerSettings
    image: str
    teams: Teams
    secrets: Mapping[str, pulumi.Output[str]]  # file name under SECRETS_FOLDER -> value


class Alertmanager(pulumi.ComponentResource):
    """Routes, templates and receivers from teams.yaml; silences and notification log on a volume."""

    endpoint: Endpoint

    def __init__(self, name: str, args: AlertmanagerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("observability:index:Alertmanager", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        namespace, labels = args.shared.namespace, args.shared.labels(TOOL, "alerts")
        self.endpoint = endpoint(namespace)

        files = _files(args)
        config = core.v1.ConfigMap(
            f"{name}-config", metadata=metadata("alertmanager-config", namespace, labels), data=files, opts=child
        )
        secrets = tool_secret(
            f"{name}-secrets", shared=args.shared, name=SECRET, labels=labels, values=args.secrets, parent=self
        )
        Workload(
            name,
            WorkloadArgs(
                shared=args.shared,
                tool=TOOL,
                component="alerts",
                kind="StatefulSet",
                user=65534,
                replicas=args.settings.replicas,
                containers=(self._container(args),),
                storage=args.settings.storage,
                service_ports={"http": PORT},
                peer_ports={"http": PORT, "cluster": PEER_PORT},
                exposure=args.settings.exposure,
                config_checksum=checksum(files),
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[config, *secrets]),
        )
        self.register_outputs({"url": self.endpoint.url})

    def _container(self, args: AlertmanagerArgs) -> Container:
        replicas = args.settings.replicas
        peers = [f"--cluster.peer={TOOL}-{index}.{TOOL}-peers:{PEER_PORT}" for index in range(replicas)]
        return Container(
            name=TOOL,
            image=args.image,
            args=(
                "--config.file=/etc/alertmanager/config/alertmanager.yml",
                "--storage.path=/alertmanager",
                "--data.retention=120h",
                f"--web.external-url={args.settings.exposure.url or self.endpoint.url}",
                # alone it needs no peers, and listens for none
                *(peers if replicas > 1 else ()),
                f"--cluster.listen-address={f'$(POD_IP):{PEER_PORT}' if replicas > 1 else ''}",
            ),
            env={"POD_IP": PodField("status.podIP")},
            ports={"http-metrics": PORT, "cluster": PEER_PORT},
            resources=args.settings.resources,
            mounts=(
                Mount(
                    name="config", path="/etc/alertmanager/config", source=ConfigMapFiles(name="alertmanager-config")
                ),
                Mount(name="secrets", path=SECRETS_FOLDER, source=SecretFiles(name=SECRET)),
                Mount(name="data", path="/alertmanager", source=Data(), read_only=False),
            ),
            readiness=Probe(path="/-/ready", port=PORT),
            liveness=Probe(path="/-/healthy", port=PORT),
        )


def _files(args: AlertmanagerArgs) -> dict[str, str]:
    settings = args.settings
    smtp = (
        Smtp(
            smarthost=settings.smtp_smarthost,
            sender=settings.smtp_from or "",
            username=settings.smtp_username,
            ca_file=f"{SECRETS_FOLDER}/smtp_ca" if settings.smtp_private_ca else None,
        )
        if settings.smtp_smarthost
        else None
    )
    channels = Channels(
        slack=settings.slack_enabled,
        pagerduty=settings.pagerduty_enabled,
        pagerduty_url=settings.pagerduty_url,
        webhook=settings.webhook_enabled,
        heartbeat=settings.heartbeat_enabled,
        smtp=smtp,
        secrets_folder=SECRETS_FOLDER,
    )
    config = render_alertmanager_config(
        args.teams,
        channels,
        templates="/etc/alertmanager/config/*.tmpl",
        group_interval_minutes=settings.group_interval_minutes,
    )
    templates = {path.name: path.read_text() for path in sorted((CONFIGS / "templates").glob("*.tmpl"))}
    return {"alertmanager.yml": config, **templates}
