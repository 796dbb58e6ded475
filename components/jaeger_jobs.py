"""What is done to the store from time to time: old indices deleted, calls between services counted."""

from dataclasses import dataclass

import pulumi

from components.shared import SharedOutputs
from components.span_store import SpanStore, program
from components.workload.cron import cron_job

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
        prefix = {"SPAN_STORE_INDEX_PREFIX": args.index_prefix}
        cleaning = program(
            "clean",
            args.python_image,
            "clean",
            args.store,
            env={**prefix, "SPAN_STORE_RETENTION_HOURS": str(args.retention_hours)},
        )
        counting = program(
            "dependencies",
            args.python_image,
            "dependencies",
            args.store,
            env={
                **prefix,
                "SPAN_STORE_SHARDS": str(args.store.shards),
                "SPAN_STORE_REPLICAS": str(args.store.replicas),
            },
        )
        for tool, container, schedule in (
            (CLEANER, cleaning, CLEANER_SCHEDULE),
            (DEPENDENCIES, counting, DEPENDENCIES_SCHEDULE),
        ):
            cron_job(
                tool, container, child, shared=args.shared, tool=tool, component="traces", user=USER, schedule=schedule
            )
        self.register_outputs({})
