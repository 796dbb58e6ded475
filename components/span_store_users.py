"""The job that makes the user whom Jaeger logs in as, out of the administrator's credentials."""

import hashlib
import hmac
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes import batch, core, meta

from components.shared import SharedOutputs
from components.span_store import SpanStore, program
from components.workload.pod import ConfigMapFiles, Mount, SecretFiles
from components.workload.spec import container_args, metadata, volumes
from rendering.span_store import render_role

TOOL = "span-store-user"
USER = 65534
_MASTER_SECRET = "span-store-master"
# For jobs/span_store.py: who the administrator is, and where the password is.
MASTER_USERNAME = "SPAN_STORE_MASTER_USERNAME"
MASTER = Mount(name="master", path="/etc/span-store/master", source=SecretFiles(name=_MASTER_SECRET))
_ROLE_CONFIG = "span-store-role"


@dataclass(frozen=True, kw_only=True)
class StoreUserArgs:
    shared: SharedOutputs
    image: str  # with Python
    store: SpanStore
    index_prefix: str
    password: pulumi.Output[str]  # of store.username
    master_username: str
    master_password: pulumi.Output[str]


class StoreUser(pulumi.ComponentResource):
    """A Job that runs again when role or password change; running it twice changes nothing."""

    def __init__(self, name: str, args: StoreUserArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("observability:index:StoreUser", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        shared, labels = args.shared, args.shared.labels(TOOL, "traces")
        role_text = render_role(shared.environment, args.index_prefix)
        role = core.v1.ConfigMap(
            f"{name}-role",
            metadata=metadata(_ROLE_CONFIG, shared.namespace, labels),
            data={"role.json": role_text},
            opts=child,
        )
        master = core.v1.Secret(
            f"{name}-master",
            metadata=metadata(_MASTER_SECRET, shared.namespace, labels),
            string_data={"password": args.master_password},
            opts=child,
        )
        container = program(
            "user",
            args.image,
            "users",
            args.store,
            env={MASTER_USERNAME: args.master_username},
            more=(
                MASTER,
                Mount(name="users", path="/etc/span-store/users", source=ConfigMapFiles(name=_ROLE_CONFIG)),
            ),
        )
        batch.v1.Job(
            name,
            metadata=metadata(TOOL, shared.namespace, labels),
            spec=batch.v1.JobSpecArgs(
                backoff_limit=3,
                active_deadline_seconds=900,  # a new domain's users are there some minutes after the domain
                template=core.v1.PodTemplateSpecArgs(
                    metadata=meta.v1.ObjectMetaArgs(
                        labels=dict(labels), annotations={"observability-stack/config": _fingerprint(args, role_text)}
                    ),
                    spec=core.v1.PodSpecArgs(
                        restart_policy="OnFailure",
                        automount_service_account_token=False,
                        enable_service_links=False,
                        containers=[container_args(container)],
                        volumes=volumes([container]),
                        image_pull_secrets=[core.v1.LocalObjectReferenceArgs(name=one) for one in shared.pull_secrets]
                        or None,
                        security_context=core.v1.PodSecurityContextArgs(
                            run_as_non_root=True,
                            run_as_user=USER,
                            run_as_group=USER,
                            fs_group=USER,
                            seccomp_profile=core.v1.SeccompProfileArgs(type="RuntimeDefault"),
                        ),
                    ),
                ),
            ),
            # A Job's pod can't be changed: a new one takes the place of the old.
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[role, master], delete_before_replace=True, replace_on_changes=["spec"]
            ),
        )
        self.register_outputs({})


def _fingerprint(args: StoreUserArgs, role: str) -> pulumi.Output[str]:
    """Changes with role, user and either password, and tells nobody without the master password anything of them."""
    told = f"{args.store.username}\n{args.master_username}\n{role}\n"
    digest = pulumi.Output.all(args.master_password, args.password).apply(
        lambda both: hmac.new(both[0].encode(), (told + both[1]).encode(), hashlib.sha256).hexdigest()[:16]
    )
    return pulumi.Output.unsecret(digest)  # else the whole Job would be one, and its changes hidden
