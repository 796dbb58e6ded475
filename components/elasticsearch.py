"""Where spans are stored: a managed OpenSearch domain, an OpenSearch of our own in the cluster, or one that exists."""

import json
from dataclasses import dataclass
from urllib.parse import urlsplit

import pulumi
import pulumi_aws as aws

from components.settings.tools import SpanStoreSettings
from components.shared import PART_OF, SharedOutputs
from components.workload import Workload, WorkloadArgs
from components.workload.pod import Container, Data, EmptyDir, Mount, PodField, Probe

TOOL = "opensearch"
PORT = 9200
TRANSPORT_PORT = 9300
USER = 1000


@dataclass(frozen=True, kw_only=True)
class ElasticsearchArgs:
    shared: SharedOutputs
    settings: SpanStoreSettings
    image: str  # used in_cluster only
    password: pulumi.Output[str] | None  # of settings.username; None where the store asks for no login


class Elasticsearch(pulumi.ComponentResource):
    """One span store, whatever the mode."""

    url: pulumi.Output[str]
    host: pulumi.Output[str]
    port: pulumi.Output[str]

    def __init__(self, name: str, args: ElasticsearchArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("observability:index:Elasticsearch", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        match args.settings.mode:
            case "managed":
                self.url = _domain(name, args, child)
            case "in_cluster":
                self.url = pulumi.Output.from_input(_in_cluster(name, args, child))
            case "external":
                self.url = pulumi.Output.from_input(args.settings.url or "")
        self.host = self.url.apply(lambda url: urlsplit(url).hostname or "")
        self.port = self.url.apply(lambda url: str(urlsplit(url).port or _default_port(url)))
        self.register_outputs({"url": self.url})


def _default_port(url: str) -> int:
    return 443 if urlsplit(url).scheme == "https" else 80


def _domain(name: str, args: ElasticsearchArgs, child: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """A domain inside the VPC, encrypted at rest and between its nodes, with users of its own."""
    settings, shared = args.settings, args.shared
    tags = {"environment": shared.environment, "cluster": shared.cluster, "part-of": PART_OF}
    group = aws.ec2.SecurityGroup(
        f"{name}-access",
        name=f"{PART_OF}-{shared.stack}-spans",
        description="Who may reach the span store",
        vpc_id=settings.vpc_id,
        ingress=[
            aws.ec2.SecurityGroupIngressArgs(
                protocol="tcp", from_port=443, to_port=443, cidr_blocks=list(settings.client_cidrs)
            )
        ],
        tags=tags,
        opts=child,
    )
    domain = aws.opensearch.Domain(
        f"{name}-domain",
        domain_name=f"spans-{shared.stack}",
        engine_version="OpenSearch_2.19",
        cluster_config=aws.opensearch.DomainClusterConfigArgs(
            instance_type=settings.instance_type,
            instance_count=settings.instance_count,
            zone_awareness_enabled=len(settings.subnet_ids) > 1,
            zone_awareness_config=aws.opensearch.DomainClusterConfigZoneAwarenessConfigArgs(
                availability_zone_count=len(settings.subnet_ids)
            )
            if len(settings.subnet_ids) > 1
            else None,
        ),
        ebs_options=aws.opensearch.DomainEbsOptionsArgs(
            ebs_enabled=True, volume_type="gp3", volume_size=settings.volume_gib
        ),
        encrypt_at_rest=aws.opensearch.DomainEncryptAtRestArgs(enabled=True),
        node_to_node_encryption=aws.opensearch.DomainNodeToNodeEncryptionArgs(enabled=True),
        domain_endpoint_options=aws.opensearch.DomainDomainEndpointOptionsArgs(
            enforce_https=settings.tls, tls_security_policy="Policy-Min-TLS-1-2-PFS-2023-10"
        ),
        vpc_options=aws.opensearch.DomainVpcOptionsArgs(
            subnet_ids=list(settings.subnet_ids), security_group_ids=[group.id]
        ),
        advanced_security_options=aws.opensearch.DomainAdvancedSecurityOptionsArgs(
            enabled=True,
            internal_user_database_enabled=True,
            master_user_options=aws.opensearch.DomainAdvancedSecurityOptionsMasterUserOptionsArgs(
                master_user_name=settings.username, master_user_password=args.password
            ),
        )
        if args.password is not None
        else None,
        access_policies=_ANYONE_WHO_REACHES_IT,
        tags=tags,
        opts=pulumi.ResourceOptions.merge(
            child, pulumi.ResourceOptions(protect=shared.protect_data, retain_on_delete=shared.protect_data)
        ),
    )
    scheme = "https" if settings.tls else "http"
    return domain.endpoint.apply(lambda endpoint: f"{scheme}://{endpoint}")


# The security group decides who reaches the domain and its own users decide what they may do; an IAM condition on top
# would ask every client for signed requests, which the exporter cannot make.
_ANYONE_WHO_REACHES_IT = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "es:ESHttp*", "Resource": "*"}],
    }
)


def _in_cluster(name: str, args: ElasticsearchArgs, child: pulumi.ResourceOptions) -> str:
    """A StatefulSet of `instance_count` nodes, each with its own volume."""
    settings, count = args.settings, args.settings.instance_count
    nodes = ",".join(f"{TOOL}-{index}" for index in range(count))
    heap_mib = settings.resources.memory_mib // 2  # the other half is for the file system's cache
    container = Container(
        name=TOOL,
        image=args.image,
        ports={"http": PORT, "transport": TRANSPORT_PORT},
        env={
            "cluster.name": PART_OF,
            "node.name": PodField("metadata.name"),
            "network.host": "0.0.0.0",  # noqa: S104 - the pod's own address; the Service decides who gets there
            "discovery.seed_hosts": f"{TOOL}-peers",
            **({"discovery.type": "single-node"} if count == 1 else {"cluster.initial_cluster_manager_nodes": nodes}),
            "plugins.security.disabled": "true",
            "OPENSEARCH_JAVA_OPTS": f"-Xms{heap_mib}m -Xmx{heap_mib}m",
        },
        resources=settings.resources,
        mounts=(
            Mount(name="data", path="/usr/share/opensearch/data", source=Data(), read_only=False),
            Mount(name="logs", path="/usr/share/opensearch/logs", source=EmptyDir(size_mib=256), read_only=False),
            Mount(name="tmp", path="/tmp", source=EmptyDir(size_mib=256), read_only=False),  # noqa: S108 - in the pod
        ),
        startup=Probe(port=PORT, path="/_cluster/health?local=true", failure_threshold=30),
        readiness=Probe(port=PORT, path="/_cluster/health?local=true"),
        liveness=Probe(port=TRANSPORT_PORT),
    )
    Workload(
        f"{name}-{TOOL}",
        WorkloadArgs(
            shared=args.shared,
            tool=TOOL,
            component="traces",
            kind="StatefulSet",
            user=USER,
            containers=(container,),
            replicas=count,
            storage=settings.storage,
            service_ports={"http": PORT},
            peer_ports={"transport": TRANSPORT_PORT},
            termination_grace_seconds=120,
        ),
        child,
    )
    return f"http://{TOOL}.{args.shared.namespace}:{PORT}"
