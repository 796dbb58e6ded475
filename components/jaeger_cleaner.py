"""The job that deletes span indices past retention."""

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes import batch, core, meta

from components.settings.base import Resources
from components.shared import SharedOutputs
from components.workload.pod import Container, SecretKey
from components.workload.spec import container_args, metadata
from rendering.jaeger import STORE_URL, cleaner_days

TOOL = "jaeger-es-index-cleaner"
USER = 10001

# Soon after midnight UTC, when yesterday's index is complete, and each hour after that in case the store was away.
SCHEDULE = "5 * * * *"


@dataclass(frozen=True, kw_only=True)
class CleanerArgs:
    shared: SharedOutputs
    image: str
    retention_hours: int
    index_prefix: str
    store_url: pulumi.Input[str]
    username: str | None
    password_secret: str | None  # Secret with the key `password`


class IndexCleaner(pulumi.ComponentResource):
    """An hourly CronJob around Jaeger's own cleaner."""

    def __init__(self, name: str, args: CleanerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("observability:index:IndexCleaner", name, None, opts)
        labels = args.shared.labels(TOOL, "traces")
        pod = core.v1.PodSpecArgs(
            restart_policy="Never",
            automount_service_account_token=False,
            enable_service_links=False,
            containers=[container_args(_container(args))],
            image_pull_secrets=[core.v1.LocalObjectReferenceArgs(name=one) for one in args.shared.pull_secrets] or None,
            security_context=core.v1.PodSecurityContextArgs(
                run_as_non_root=True,
                run_as_user=USER,
                run_as_group=USER,
                seccomp_profile=core.v1.SeccompProfileArgs(type="RuntimeDefault"),
            ),
        )
        batch.v1.CronJob(
            name,
            metadata=metadata(TOOL, args.shared.namespace, labels),
            spec=batch.v1.CronJobSpecArgs(
                schedule=SCHEDULE,
                time_zone="Etc/UTC",
                concurrency_policy="Forbid",
                starting_deadline_seconds=1800,
                successful_jobs_history_limit=1,
                failed_jobs_history_limit=3,
                job_template=batch.v1.JobTemplateSpecArgs(
                    spec=batch.v1.JobSpecArgs(
                        backoff_limit=3,
                        active_deadline_seconds=600,
                        template=core.v1.PodTemplateSpecArgs(
                            metadata=meta.v1.ObjectMetaArgs(labels=dict(labels)), spec=pod
                        ),
                    )
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def _container(args: CleanerArgs) -> Container:
    env: dict[str, str | SecretKey | pulumi.Output[str]] = {STORE_URL: pulumi.Output.from_input(args.store_url)}
    if args.username is not None and args.password_secret is not None:
        # Environment, for the cleaner can read a password from no file.
        env["ES_USERNAME"] = args.username
        env["ES_PASSWORD"] = SecretKey(secret=args.password_secret, key="password")
    return Container(
        name="cleaner",
        image=args.image,
        args=(f"--index-prefix={args.index_prefix}", str(cleaner_days(args.retention_hours)), f"$({STORE_URL})"),
        env=env,
        resources=Resources(cpu_millicores=10, memory_mib=32, cpu_limit_millicores=200, memory_limit_mib=128),
    )
