"""A container that runs now and then, with everything that every pod of the stack has in common."""

import pulumi
from pulumi_kubernetes import batch, core, meta

from components.shared import SharedOutputs
from components.workload.pod import Container
from components.workload.spec import container_args, metadata, volumes


def cron_job(
    name: str,
    container: Container,
    opts: pulumi.ResourceOptions,
    *,
    shared: SharedOutputs,
    tool: str,
    component: str,
    user: int,
    schedule: str,
) -> batch.v1.CronJob:
    """The CronJob `tool`; `schedule` is in UTC. A run at a time, ten minutes at most, with three retries."""
    labels = shared.labels(tool, component)
    pod = core.v1.PodSpecArgs(
        restart_policy="Never",
        automount_service_account_token=False,
        enable_service_links=False,
        containers=[container_args(container)],
        volumes=volumes([container]) or None,
        image_pull_secrets=[core.v1.LocalObjectReferenceArgs(name=one) for one in shared.pull_secrets] or None,
        security_context=core.v1.PodSecurityContextArgs(
            run_as_non_root=True,
            run_as_user=user,
            run_as_group=user,
            fs_group=user,
            seccomp_profile=core.v1.SeccompProfileArgs(type="RuntimeDefault"),
        ),
    )
    return batch.v1.CronJob(
        name,
        metadata=metadata(tool, shared.namespace, labels),
        spec=batch.v1.CronJobSpecArgs(
            schedule=schedule,
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
        opts=opts,
    )
