"""Kubernetes objects of the nine services and their traffic generator; pure functions of declarations and settings."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from rendering.declarations import Platform, Service

Manifest = dict[str, Any]

NAMESPACE = "dharma"  # of the databases and the traffic generator; a service's own is declared
TRAFFIC = "traffic"
TRAFFIC_PORT = 8080
PART_OF = "dharma"
_USER = 10001
_CALLS_DIR = "/etc/platform"


class PlatformSettings(BaseModel):
    """How the platform is run; the defaults keep all of it under 200 MiB and a tenth of a core."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    replicas: int = Field(default=1, ge=1, le=10)
    """Pods of each service."""
    traffic_rps: float = Field(default=5, ge=0, le=200)
    """Requests a second over all services."""
    otlp_endpoint: str = "http://jaeger-collector.monitoring:4317"
    sampling_url: str = "http://jaeger-collector.monitoring:5778/sampling"
    sampling_refresh_seconds: int = Field(default=10, ge=1, le=600)
    """How often a service asks Jaeger for its sampling rates."""
    memory_limit_mib: int = Field(default=192, ge=64)
    tmp_mib: int = Field(default=168, ge=1)
    """Size of /tmp, which counts as the container's memory. Filled it is 87 % of the limit, with the program (8 to 16
    MiB) over 90 %; the rest keeps the kernel from killing anything."""


def namespaces(platform: Platform) -> list[Manifest]:
    """The namespaces that hold the platform, closed to anything privileged."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": name,
                "labels": {
                    "app.kubernetes.io/part-of": PART_OF,
                    "pod-security.kubernetes.io/enforce": "restricted",
                    "pod-security.kubernetes.io/warn": "restricted",
                },
            },
        }
        for name in dict.fromkeys((*platform.namespaces, NAMESPACE))
    ]


def services(platform: Platform, calls: str, image: str, settings: PlatformSettings) -> list[Manifest]:
    """ConfigMap, Deployment and Service of each declared service. `calls` is the text of calls.yaml."""
    shared = _shared_environment(platform)
    manifests = [config_map("platform-calls", namespace, {"calls.yaml": calls}) for namespace in platform.namespaces]
    for service in platform.services:
        environment = {
            **shared,
            "SERVICE": service.name,
            "PORT": str(service.port),
            "OTEL_EXPORTER_OTLP_ENDPOINT": settings.otlp_endpoint,
            # The sampler reads this. OTEL_TRACES_SAMPLER is left out: Go's SDK knows only its own samplers by name.
            "OTEL_TRACES_SAMPLER_ARG": (
                f"endpoint={settings.sampling_url},pollingIntervalMs={settings.sampling_refresh_seconds * 1000}"
            ),
            "OTEL_BSP_SCHEDULE_DELAY": "1000",
            # $(...) is filled in by Kubernetes.
            "OTEL_RESOURCE_ATTRIBUTES": (
                f"service.namespace={service.namespace},k8s.namespace.name={service.namespace},"
                f"k8s.container.name={service.name},k8s.pod.name=$(POD_NAME),service.instance.id=$(POD_NAME)"
            ),
        }
        container = _program(image, environment, service.port, settings)
        container["readinessProbe"] = http_probe("/ready", service.port, period_seconds=5)
        container["livenessProbe"] = http_probe("/live", service.port, period_seconds=10)
        # A pod that ends goes on answering until every kube-proxy knows that it is gone.
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": 3}}}
        manifests += _deployed(service, container, calls, settings)
    return manifests


def traffic(platform: Platform, calls: str, image: str, settings: PlatformSettings) -> list[Manifest]:
    """The traffic generator, scraped by the usual annotations as any program beside the declared services may be."""
    environment = {
        **_shared_environment(platform),
        "SERVICE": TRAFFIC,
        "PORT": str(TRAFFIC_PORT),
        "TRAFFIC_RPS": f"{settings.traffic_rps:g}",
    }
    container = _program(image, environment, TRAFFIC_PORT, settings)
    container["readinessProbe"] = http_probe("/health", TRAFFIC_PORT, period_seconds=5)
    annotations = {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(TRAFFIC_PORT),
        "prometheus.io/path": "/metrics",
    }
    volumes = _volumes(settings)
    return [
        *([] if NAMESPACE in platform.namespaces else [config_map("platform-calls", NAMESPACE, {"calls.yaml": calls})]),
        deployment(TRAFFIC, NAMESPACE, container, volumes, user=_USER, annotations=annotations | checksum(calls)),
        cluster_ip(TRAFFIC, NAMESPACE, TRAFFIC_PORT),
    ]


def deployment(
    name: str,
    namespace: str,
    container: Manifest,
    volumes: Sequence[Manifest],
    *,
    user: int,
    replicas: int = 1,
    annotations: Mapping[str, str] | None = None,
) -> Manifest:
    """A Deployment of one container, under the `restricted` Pod Security Standard, labelled as the stack expects."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels(name)},
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": labels(name), "annotations": dict(annotations or {})},
                "spec": {
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "terminationGracePeriodSeconds": 10,
                    "securityContext": {
                        "runAsNonRoot": True,
                        "runAsUser": user,
                        "runAsGroup": user,
                        "fsGroup": user,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "containers": [
                        {
                            "name": name,
                            "imagePullPolicy": "IfNotPresent",
                            "securityContext": {
                                "allowPrivilegeEscalation": False,
                                "readOnlyRootFilesystem": True,
                                "capabilities": {"drop": ["ALL"]},
                            },
                            **container,
                        }
                    ],
                    "volumes": list(volumes),
                },
            },
        },
    }


def cluster_ip(name: str, namespace: str, port: int) -> Manifest:
    """A Service in front of the pods labelled `app: <name>`."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": labels(name)},
        "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": port, "targetPort": port}]},
    }


def config_map(name: str, namespace: str, data: Mapping[str, str]) -> Manifest:
    """A ConfigMap of text files."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/part-of": PART_OF}},
        "data": dict(data),
    }


def labels(name: str) -> dict[str, str]:
    """Of every object that belongs to one program of the platform."""
    return {"app": name, "app.kubernetes.io/name": name, "app.kubernetes.io/part-of": PART_OF}


def resources(cpu_request_m: int, memory_request_mib: int, cpu_limit_m: int, memory_limit_mib: int) -> Manifest:
    """Requests and limits, in thousandths of a core and MiB."""
    return {
        "requests": {"cpu": f"{cpu_request_m}m", "memory": f"{memory_request_mib}Mi"},
        "limits": {"cpu": f"{cpu_limit_m}m", "memory": f"{memory_limit_mib}Mi"},
    }


def checksum(*files: str) -> dict[str, str]:
    """Annotation that rolls pods out again when files change that their program reads at its start only."""
    return {"checksum/files": hashlib.sha256("\0".join(files).encode()).hexdigest()[:16]}


def http_probe(path: str, port: int, period_seconds: int) -> Manifest:
    """A probe that fails after three misses."""
    return {"httpGet": {"path": path, "port": port}, "periodSeconds": period_seconds, "timeoutSeconds": 3}


def _deployed(service: Service, container: Manifest, calls: str, settings: PlatformSettings) -> list[Manifest]:
    return [
        deployment(
            service.name,
            service.namespace,
            container,
            _volumes(settings),
            user=_USER,
            replicas=settings.replicas,
            annotations=checksum(calls),
        ),
        cluster_ip(service.name, service.namespace, service.port),
    ]


def _program(image: str, environment: Mapping[str, str], port: int, settings: PlatformSettings) -> Manifest:
    pod_name = {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    return {
        "image": image,
        "env": [pod_name, *({"name": name, "value": value} for name, value in environment.items())],
        "ports": [{"name": "http", "containerPort": port}],
        "resources": resources(10, 24, 200, settings.memory_limit_mib),
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the task's drill writes there
            {"name": "calls", "mountPath": _CALLS_DIR, "readOnly": True},
        ],
    }


def _volumes(settings: PlatformSettings) -> list[Manifest]:
    return [
        {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": f"{settings.tmp_mib}Mi"}},
        {"name": "calls", "configMap": {"name": "platform-calls"}},
    ]


def _shared_environment(platform: Platform) -> dict[str, str]:
    return {
        "CALLS_FILE": f"{_CALLS_DIR}/calls.yaml",
        "STATE_DIR": "/tmp",  # noqa: S108 - the pod's own volume
        "PEERS": ",".join(f"{each.name}=http://{each.name}.{each.namespace}:{each.port}" for each in platform.services),
        "LATENCY_BUCKETS_MS": ",".join(str(bound) for bound in platform.latency_buckets_ms),
    }
