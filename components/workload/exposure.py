"""How a Service is reached from outside the cluster."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import pulumi
from pulumi_kubernetes import core, networking

from components.settings.base import Exposure
from components.workload.spec import metadata

# Pulumi would wait for endpoints and ten seconds more, and give up after ten minutes: Jaeger's pods wait for the span
# store, and a new managed one takes longer. The pods' own readiness is awaited already.
_SKIP_AWAIT = {"pulumi.com/skipAwait": "true"}


def service(
    name: str,
    opts: pulumi.ResourceOptions,
    *,
    namespace: str,
    labels: Mapping[str, str],
    selector: Mapping[str, str],
    ports: Mapping[str, int],
    exposure: Exposure,
) -> core.v1.Service:
    """The Service `name`. `ports` maps port name -> number; a NodePort is given to the first, which is the UI."""
    balanced = exposure.type == "LoadBalancer"
    published = next(iter(ports))
    return core.v1.Service(
        f"{name}-service",
        metadata=metadata(name, namespace, labels, {**_SKIP_AWAIT, **(_load_balancer(exposure) if balanced else {})}),
        spec=core.v1.ServiceSpecArgs(
            type="ClusterIP" if exposure.type == "Ingress" else exposure.type,
            selector=dict(selector),
            load_balancer_source_ranges=list(exposure.source_ranges) if balanced else None,
            ports=[
                core.v1.ServicePortArgs(
                    name=port_name,
                    port=port,
                    target_port=port,
                    protocol="TCP",
                    node_port=exposure.node_port if port_name == published else None,
                )
                for port_name, port in ports.items()
                if port_name == published or not balanced  # what has no business outside stays off the balancer
            ],
        ),
        opts=opts,
    )


def peers(
    name: str,
    opts: pulumi.ResourceOptions,
    *,
    namespace: str,
    labels: Mapping[str, str],
    selector: Mapping[str, str],
    ports: Mapping[str, int],
) -> core.v1.Service:
    """A headless Service: replicas find each other by name, before they are ready."""
    return core.v1.Service(
        f"{name}-service",
        metadata=metadata(name, namespace, labels, _SKIP_AWAIT),
        spec=core.v1.ServiceSpecArgs(
            cluster_ip="None",
            publish_not_ready_addresses=True,
            selector=dict(selector),
            ports=[
                core.v1.ServicePortArgs(name=port_name, port=port, target_port=port, protocol="TCP")
                for port_name, port in ports.items()
            ],
        ),
        opts=opts,
    )


def ingress(
    name: str,
    opts: pulumi.ResourceOptions,
    *,
    namespace: str,
    labels: Mapping[str, str],
    port: int,
    exposure: Exposure,
) -> networking.v1.Ingress:
    """The Ingress for `exposure.url`, with TLS."""
    host = urlsplit(exposure.url or "").hostname or ""
    backend = networking.v1.IngressBackendArgs(
        service=networking.v1.IngressServiceBackendArgs(
            name=name, port=networking.v1.ServiceBackendPortArgs(number=port)
        )
    )
    path = networking.v1.HTTPIngressPathArgs(path="/", path_type="Prefix", backend=backend)
    return networking.v1.Ingress(
        f"{name}-ingress",
        metadata=metadata(name, namespace, labels),
        spec=networking.v1.IngressSpecArgs(
            ingress_class_name=exposure.ingress_class,
            tls=[networking.v1.IngressTLSArgs(hosts=[host], secret_name=exposure.tls_secret)],
            rules=[networking.v1.IngressRuleArgs(host=host, http=networking.v1.HTTPIngressRuleValueArgs(paths=[path]))],
        ),
        opts=opts,
    )


def _load_balancer(exposure: Exposure) -> Mapping[str, str]:
    """Annotations of the AWS load balancer controller; with a certificate and no list of ports, each of them is TLS."""
    prefix = "service.beta.kubernetes.io/aws-load-balancer"
    return {
        f"{prefix}-type": "external",
        f"{prefix}-nlb-target-type": "ip",
        f"{prefix}-scheme": "internet-facing",
        f"{prefix}-ssl-cert": exposure.certificate_arn or "",
        f"{prefix}-ssl-negotiation-policy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
        f"{prefix}-backend-protocol": "tcp",
    }
