"""What is done to the store from time to time: old indices deleted, calls between services counted."""

from dataclasses import dataclass

import pulumi

from components.shared import SharedOutputs
from components.span_store import INDEX_PREFIX, RETENTION_HOURS, SpanStore, store_job
from components.workload.batch import cron_job

CLEANER = "jaeger-index-cleaner"
DEPENDENCIES = "jaeger-dependencies"
USER = 10001

# An index is due on the hour: at midnight UTC where retention is in whole days. The other runs make up for one that
# found the store away.
CLEANER_SCHEDULE = "0 * * * *"
# Two minutes after the end of each window of ten that jobs/span_store.py counts; the window that runs is counted too.
DEPENDENCIES_SCHEDULE = "2-59/10 * * * *"


@dataclass(frozen=True, kw_only=True)
class StoreJobsArgs:
    shared: SharedOutputs
    python_image: str
    retention_hours: int
    index_prefix: str
    store: SpanStore


class StoreJobs(pulumi.ComponentResource):
    """Two CronJobs: one deletes what is past retention, one writes Jaeger's dependency graph."""

    def __init__(self, name: str, args: StoreJobsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("observability:index:StoreJobs", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        prefix = {INDEX_PREFIX: args.index_prefix}
        retention = {RETENTION_HOURS: str(args.retention_hours)}
        index = {"SPAN_STORE_SHARDS": str(args.store.shards), "SPAN_STORE_REPLICAS": str(args.store.replicas)}
        for tool, command, env, schedule in (
            (CLEANER, "clean", prefix | retention, CLEANER_SCHEDULE),
            (DEPENDENCIES, "dependencies", prefix | index, DEPENDENCIES_SCHEDULE),
        ):
            job = store_job(tool, args.python_image, command, args.store, shared=args.shared, user=USER, env=env)
            cron_job(tool, job, schedule, child)
        self.register_outputs({})
