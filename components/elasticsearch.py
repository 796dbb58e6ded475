"""Where spans are stored: a managed OpenSearch domain, an OpenSearch of our own in the cluster, or one that exists."""

import json
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_aws as aws
from pulumi_kubernetes import core

from components import opensearch
from components.settings.span_store import SpanStoreSettings
from components.shared import PART_OF, SharedOutputs
from components.span_store import (
    CA_CONFIG,
    INDEX_PREFIX,
    LOGIN_SECRET,
    PROGRAM_CONFIG,
    RETENTION_HOURS,
    SpanStore,
    store_job,
)
from components.span_store_users import MASTER, MASTER_USERNAME, USER, StoreUser, StoreUserArgs
from components.tool_secret import tool_secret, versions
from components.workload.batch import cron_job
from components.workload.spec import metadata

SNAPSHOTS = "span-store-snapshots"
# Half an hour from the index cleaner's runs: the store refuses to delete an index while it copies it.
SNAPSHOTS_SCHEDULE = "30 * * * *"
_PROGRAM = Path(__file__).resolve().parents[1] / "jobs" / "span_store.py"


@dataclass(frozen=True, kw_only=True)
class ElasticsearchArgs:
    shared: SharedOutputs
    settings: SpanStoreSettings
    image: str  # used in_cluster only
    python_image: str
    index_prefix: str
    retention_hours: int
    password: pulumi.Output[str] | None  # of settings.username; None where the store asks for no login
    master_password: pulumi.Output[str] | None  # of settings.master_username
    key: pulumi.Output[str] | None  # of settings.certificate


class Elasticsearch(pulumi.ComponentResource):
    """One span store, whatever the mode, and what its clients mount."""

    store: SpanStore
    url: pulumi.Output[str]

    def __init__(self, name: str, args: ElasticsearchArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("observability:index:Elasticsearch", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        settings = args.settings
        login = (
            tool_secret(
                f"{name}-login",
                shared=args.shared,
                name=LOGIN_SECRET,
                labels=args.shared.labels("span-store", "traces"),
                values={"password": args.password},
                parent=self,
            )
            if args.password is not None
            else []
        )
        given = [*_for_clients(name, args, child), *login]
        match settings.mode:
            case "managed":
                self.url = _domain(name, args, child)
            case "in_cluster":
                self.url = pulumi.Output.from_input(opensearch.url(args.shared.namespace))
                opensearch.OpenSearch(
                    f"{name}-{opensearch.TOOL}",
                    opensearch.OpenSearchArgs(
                        shared=args.shared,
                        settings=settings,
                        image=args.image,
                        master_password=_required(args.master_password),
                        key=_required(args.key),
                    ),
                    child,
                )
            case "external":
                self.url = pulumi.Output.from_input(settings.url or "")
        self.store = SpanStore(
            kind=settings.kind,
            url=self.url,
            shards=settings.shards,
            replicas=settings.replicas,
            username=settings.username,
            password_version=versions(login),
            own_ca=settings.ca is not None,
            tls=settings.mode != "external" or (settings.url or "").startswith("https://"),
        )
        if settings.master_username is not None:
            user = StoreUser(
                f"{name}-user",
                StoreUserArgs(
                    shared=args.shared,
                    image=args.python_image,
                    store=self.store,
                    index_prefix=args.index_prefix,
                    password=_required(args.password),
                    master_username=settings.master_username,
                    master_password=_required(args.master_password),
                ),
                pulumi.ResourceOptions(parent=self, depends_on=given),
            )
            if settings.mode == "in_cluster":
                self._snapshots(args, pulumi.ResourceOptions(parent=self, depends_on=[user]))
        self.register_outputs({"url": self.url})

    def _snapshots(self, args: ElasticsearchArgs, opts: pulumi.ResourceOptions) -> None:
        """A CronJob that takes a snapshot each hour; a managed domain's are AWS's to take."""
        env = {
            MASTER_USERNAME: args.settings.master_username or "",
            INDEX_PREFIX: args.index_prefix,
            RETENTION_HOURS: str(args.retention_hours),
        }
        job = store_job(
            SNAPSHOTS,
            args.python_image,
            "snapshot",
            self.store,
            shared=args.shared,
            user=USER,
            env=env,
            more=(MASTER,),
        )
        cron_job(SNAPSHOTS, job, SNAPSHOTS_SCHEDULE, opts)


def _required(secret: pulumi.Output[str] | None) -> pulumi.Output[str]:
    assert secret is not None  # noqa: S101 - settings.load() has refused this
    return secret


def _for_clients(name: str, args: ElasticsearchArgs, child: pulumi.ResourceOptions) -> list[pulumi.Resource]:
    """The program of the store's jobs, and the authority that its clients trust."""
    namespace, labels = args.shared.namespace, args.shared.labels("span-store", "traces")
    given: list[pulumi.Resource] = [
        core.v1.ConfigMap(
            f"{name}-program",
            metadata=metadata(PROGRAM_CONFIG, namespace, labels),
            data={"span_store.py": _PROGRAM.read_text(encoding="utf-8")},
            opts=child,
        )
    ]
    if args.settings.ca is not None:
        given.append(
            core.v1.ConfigMap(
                f"{name}-ca",
                metadata=metadata(CA_CONFIG, namespace, labels),
                data={"ca.crt": args.settings.ca},
                opts=child,
            )
        )
    return given


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
            enforce_https=True, tls_security_policy="Policy-Min-TLS-1-2-PFS-2023-10"
        ),
        vpc_options=aws.opensearch.DomainVpcOptionsArgs(
            subnet_ids=list(settings.subnet_ids), security_group_ids=[group.id]
        ),
        advanced_security_options=aws.opensearch.DomainAdvancedSecurityOptionsArgs(
            enabled=True,
            internal_user_database_enabled=True,
            master_user_options=aws.opensearch.DomainAdvancedSecurityOptionsMasterUserOptionsArgs(
                master_user_name=settings.master_username, master_user_password=_required(args.master_password)
            ),
        ),
        access_policies=_ANYONE_WHO_REACHES_IT,
        tags=tags,
        opts=pulumi.ResourceOptions.merge(
            child, pulumi.ResourceOptions(protect=shared.protect_data, retain_on_delete=shared.protect_data)
        ),
    )
    return domain.endpoint.apply(lambda endpoint: f"https://{endpoint}")


# The security group decides who reaches the domain and its own users decide what they may do; an IAM condition on top
# would ask every client for signed requests, which the exporter cannot make.
_ANYONE_WHO_REACHES_IT = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "es:ESHttp*", "Resource": "*"}],
    }
)
