"""What is done to the store from time to time: old indices deleted, calls between services counted."""

from dataclasses import dataclass

import pulumi

from components.settings.base import Resources
from components.shared import SharedOutputs
from components.span_store import LOGIN_SECRET, SpanStore, mounts, program
from components.workload.cron import cron_job
from components.workload.pod import Container, PodField, SecretKey
from rendering.jaeger import CA_FILE, STORE_URL, cleaner_days

CLEANER = "jaeger-es-index-cleaner"
DEPENDENCIES = "jaeger-dependencies"
USER = 10001

# Soon after midnight UTC, when yesterday's index is complete, and each hour after that in case the store was away.
CLEANER_SCHEDULE = "5 * * * *"
# Two minutes after the end of each window of ten that jobs/span_store.py counts; the window that runs is counted too.
DEPENDENCIES_SCHEDULE = "2-59/10 * * * *"


@dataclass(frozen=True, kw_only=True)
class StoreJobsArgs:
    shared: SharedOutputs
    cleaner_image: str
    python_image: str
    retention_hours: int
    index_prefix: str
    store: SpanStore


class StoreJobs(pulumi.ComponentResource):
    """Two CronJobs: Jaeger's own cleaner, and the one that writes Jaeger's dependency graph."""

    def __init__(self, name: str, args: StoreJobsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("observability:index:StoreJobs", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        counting = program(
            "dependencies",
            args.python_image,
            "dependencies",
            args.store,
            env={
                "SPAN_STORE_INDEX_PREFIX": args.index_prefix,
                "SPAN_STORE_SHARDS": str(args.store.shards),
                "SPAN_STORE_REPLICAS": str(args.store.replicas),
            },
        )
        for tool, container, schedule in (
            (CLEANER, _cleaner(args), CLEANER_SCHEDULE),
            (DEPENDENCIES, counting, DEPENDENCIES_SCHEDULE),
        ):
            cron_job(
                tool, container, child, shared=args.shared, tool=tool, component="traces", user=USER, schedule=schedule
            )
        self.register_outputs({})


def _cleaner(args: StoreJobsArgs) -> Container:
    store = args.store
    env: dict[str, str | SecretKey | PodField | pulumi.Output[str]] = {STORE_URL: pulumi.Output.from_input(store.url)}
    if store.username is not None:
        # Environment, for the cleaner can read a password from no file.
        env["ES_USERNAME"] = store.username
        env["ES_PASSWORD"] = SecretKey(secret=LOGIN_SECRET, key="password")
    trust = (
        *(("--es.tls.enabled=true",) if store.tls else ()),
        *((f"--es.tls.ca={CA_FILE}",) if store.own_ca else ()),
    )
    prefix, days = f"--index-prefix={args.index_prefix}", str(cleaner_days(args.retention_hours))
    return Container(
        name="cleaner",
        image=args.cleaner_image,
        args=(prefix, *trust, days, f"$({STORE_URL})"),
        env=env,
        mounts=tuple(mount for mount in mounts(store) if mount.name == "ca"),
        resources=Resources(cpu_millicores=10, memory_mib=32, cpu_limit_millicores=200, memory_limit_mib=128),
    )
