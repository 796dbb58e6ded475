"""Pods that run to their end: jobs, by the clock or once."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
from pulumi_kubernetes import batch, core, meta

from components.shared import SharedOutputs
from components.workload.pod import Container
from components.workload.spec import container_args, metadata, volumes


@dataclass(frozen=True, kw_only=True)
class JobArgs:
    """One job's pod: `steps` run one after the other, the last one's end is the job's."""

    shared: SharedOutputs
    tool: str  # name of the job and its pods' label `app`
    component: str
    steps: tuple[Container, ...]
    user: int
    deadline_seconds: int
    retries: int = 3
    service_account: str | None = None
    beside: str | None = None  # tool on whose node it has to run, because its volume is there
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def labels(self) -> Mapping[str, str]:
        return self.shared.labels(self.tool, self.component)


def cron_job(
    name: str, args: JobArgs, schedule: str, opts: pulumi.ResourceOptions, *, suspended: bool = False
) -> batch.v1.CronJob:
    """Runs at `schedule` (UTC), never twice at once. A suspended one only when somebody makes a Job from it."""
    return batch.v1.CronJob(
        name,
        metadata=metadata(args.tool, args.shared.namespace, args.labels),
        spec=batch.v1.CronJobSpecArgs(
            schedule=schedule,
            time_zone="Etc/UTC",
            suspend=suspended,
            concurrency_policy="Forbid",
            starting_deadline_seconds=1800,
            successful_jobs_history_limit=1,
            failed_jobs_history_limit=3,
            job_template=batch.v1.JobTemplateSpecArgs(spec=_spec(args)),
        ),
        opts=opts,
    )


def job(name: str, args: JobArgs, opts: pulumi.ResourceOptions) -> batch.v1.Job:
    """Runs once, and again whenever anything about it changes; `pulumi up` waits for its end."""
    # A job can't be changed, and its name is one that people type: the old one goes first.
    replaced = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(delete_before_replace=True))
    return batch.v1.Job(
        name, metadata=metadata(args.tool, args.shared.namespace, args.labels), spec=_spec(args), opts=replaced
    )


def _spec(args: JobArgs) -> batch.v1.JobSpecArgs:
    return batch.v1.JobSpecArgs(
        backoff_limit=args.retries,
        active_deadline_seconds=args.deadline_seconds,
        template=core.v1.PodTemplateSpecArgs(
            metadata=meta.v1.ObjectMetaArgs(labels=dict(args.labels), annotations=dict(args.annotations) or None),
            spec=_pod(args),
        ),
    )


def _pod(args: JobArgs) -> core.v1.PodSpecArgs:
    secrets = [core.v1.LocalObjectReferenceArgs(name=one) for one in args.shared.pull_secrets]
    *before, last = args.steps
    return core.v1.PodSpecArgs(
        restart_policy="Never",
        service_account_name=args.service_account,
        automount_service_account_token=False,
        enable_service_links=False,
        init_containers=[container_args(step) for step in before] or None,
        containers=[container_args(last)],
        volumes=volumes(args.steps) or None,
        affinity=_beside(args.beside, args.shared) if args.beside else None,
        image_pull_secrets=secrets or None,
        security_context=core.v1.PodSecurityContextArgs(
            run_as_non_root=True,
            run_as_user=args.user,
            run_as_group=args.user,
            fs_group=args.user,
            fs_group_change_policy="OnRootMismatch",
            seccomp_profile=core.v1.SeccompProfileArgs(type="RuntimeDefault"),
        ),
    )


def _beside(tool: str, shared: SharedOutputs) -> core.v1.AffinityArgs:
    """On the node of `tool`: a volume that is mounted there can't be mounted on another."""
    term = core.v1.PodAffinityTermArgs(
        topology_key="kubernetes.io/hostname",
        label_selector=meta.v1.LabelSelectorArgs(match_labels=dict(shared.selector(tool))),
    )
    return core.v1.AffinityArgs(
        pod_affinity=core.v1.PodAffinityArgs(required_during_scheduling_ignored_during_execution=[term])
    )
