"""Turns our words for a pod into Kubernetes' own, with everything that every pod of the stack has in common."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi_kubernetes import core, meta

from components.settings.base import Resources
from components.workload.pod import (
    Claim,
    ConfigMapFiles,
    Container,
    Data,
    EmptyDir,
    HostPath,
    Mount,
    PodField,
    Probe,
    SecretFiles,
    SecretKey,
)

DATA_VOLUME = "data"


def claim_name(tool: str, replica: int) -> str:
    """The claim of a replica's volume, as a StatefulSet names it."""
    return f"{DATA_VOLUME}-{tool}-{replica}"


def checksum(*texts: Mapping[str, str]) -> str:
    """Identifies config texts; as a pod annotation it rolls the pods when a tool cannot reload its config itself."""
    return hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()[:16]


def container_args(container: Container) -> core.v1.ContainerArgs:
    return core.v1.ContainerArgs(
        name=container.name,
        image=container.image,
        image_pull_policy="IfNotPresent",
        command=list(container.command) or None,
        args=list(container.args) or None,
        ports=[
            core.v1.ContainerPortArgs(name=name, container_port=port, protocol="TCP")
            for name, port in container.ports.items()
        ]
        or None,
        env=[_env(name, value) for name, value in container.env.items()] or None,
        volume_mounts=[_mount(mount) for mount in container.mounts] or None,
        resources=resource_requirements(container.resources),
        startup_probe=_probe(container.startup),
        readiness_probe=_probe(container.readiness),
        liveness_probe=_probe(container.liveness),
        security_context=core.v1.SecurityContextArgs(
            allow_privilege_escalation=False,
            capabilities=core.v1.CapabilitiesArgs(drop=["ALL"], add=list(container.capabilities) or None),
            read_only_root_filesystem=True,
            run_as_user=container.user,
        ),
        termination_message_policy="FallbackToLogsOnError",
    )


def resource_requirements(resources: Resources) -> core.v1.ResourceRequirementsArgs:
    return core.v1.ResourceRequirementsArgs(
        requests={"cpu": f"{resources.cpu_millicores}m", "memory": f"{resources.memory_mib}Mi"},
        limits={"cpu": f"{resources.cpu_limit_millicores}m", "memory": f"{resources.memory_limit_mib}Mi"},
    )


def volumes(containers: Sequence[Container]) -> list[core.v1.VolumeArgs]:
    """The volumes behind all mounts; the replica's own comes from its claim and is left out."""
    by_name = {mount.name: mount for container in containers for mount in container.mounts}
    return [_volume(mount) for mount in by_name.values() if not isinstance(mount.source, Data)]


def metadata(
    name: str,
    namespace: str | None,
    labels: Mapping[str, str],
    annotations: Mapping[str, pulumi.Input[str]] | None = None,
) -> meta.v1.ObjectMetaArgs:
    return meta.v1.ObjectMetaArgs(name=name, namespace=namespace, labels=dict(labels), annotations=annotations or None)


def _env(name: str, value: "str | SecretKey | PodField | pulumi.Output[str]") -> core.v1.EnvVarArgs:
    match value:
        case SecretKey(secret=secret, key=key):
            reference = core.v1.SecretKeySelectorArgs(name=secret, key=key)
            return core.v1.EnvVarArgs(name=name, value_from=core.v1.EnvVarSourceArgs(secret_key_ref=reference))
        case PodField(path):
            field = core.v1.ObjectFieldSelectorArgs(field_path=path)
            return core.v1.EnvVarArgs(name=name, value_from=core.v1.EnvVarSourceArgs(field_ref=field))
        case _:
            return core.v1.EnvVarArgs(name=name, value=value)


def _mount(mount: Mount) -> core.v1.VolumeMountArgs:
    return core.v1.VolumeMountArgs(
        name=DATA_VOLUME if isinstance(mount.source, Data) else mount.name,
        mount_path=mount.path,
        read_only=mount.read_only or None,
        mount_propagation=mount.propagation,
    )


def _volume(mount: Mount) -> core.v1.VolumeArgs:
    kinds: dict[str, Any] = {}
    match mount.source:
        case ConfigMapFiles(name=name, optional=optional):
            kinds["config_map"] = core.v1.ConfigMapVolumeSourceArgs(name=name, optional=optional or None)
        case SecretFiles(name=name, keys=keys):
            items = [core.v1.KeyToPathArgs(key=key, path=key) for key in keys] or None
            # 0440 and the pod's fsGroup: nobody else on the node reads it
            kinds["secret"] = core.v1.SecretVolumeSourceArgs(secret_name=name, items=items, default_mode=0o440)
        case EmptyDir(size_mib=size, in_memory=in_memory):
            kinds["empty_dir"] = core.v1.EmptyDirVolumeSourceArgs(
                size_limit=f"{size}Mi", medium="Memory" if in_memory else None
            )
        case Claim(name=name):
            kinds["persistent_volume_claim"] = core.v1.PersistentVolumeClaimVolumeSourceArgs(claim_name=name)
        case HostPath(path=path, type=kind):
            kinds["host_path"] = core.v1.HostPathVolumeSourceArgs(path=path, type=kind)
    return core.v1.VolumeArgs(name=mount.name, **kinds)


def _probe(probe: Probe | None) -> core.v1.ProbeArgs | None:
    if probe is None:
        return None
    scheme = "HTTPS" if probe.tls else None
    target: dict[str, Any] = (
        {"tcp_socket": core.v1.TCPSocketActionArgs(port=probe.port)}
        if probe.path is None
        else {"http_get": core.v1.HTTPGetActionArgs(path=probe.path, port=probe.port, scheme=scheme)}
    )
    return core.v1.ProbeArgs(
        period_seconds=probe.period_seconds,
        timeout_seconds=probe.timeout_seconds,
        failure_threshold=probe.failure_threshold,
        **target,
    )
