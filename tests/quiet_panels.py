"""Panels that are empty when all is well, each by name: a panel that is not here must always show data."""

from collections.abc import Mapping

from rendering.dashboards.links import Uid

# A gateway that answers half of its requests with an error and a second late; a service that crashes again and again.
FILLED_BY_THE_DRILL: Mapping[Uid, frozenset[str]] = {
    Uid.OVERVIEW: frozenset({"Alerts of services"}),
    Uid.ALERTS: frozenset(
        {
            "Firing alerts",
            "Alerts over time",
            "Firing, by severity",
            "Firing, by team",
            "Noisiest alerts",
            "Mean time to resolve",
        }
    ),
    Uid.SERVICE: frozenset(
        {"4xx and 5xx, by status", "Error rate, by endpoint", "Latest errors", "Slow traces", "Failed traces"}
    ),
    Uid.LOGS: frozenset({"Errors, by service", "Latest errors"}),
    Uid.TRACES: frozenset({"Calls between services", "Slow", "Failed", "Share that failed, by operation"}),
    Uid.SLOS: frozenset({"Errors, by endpoint"}),
    Uid.WORKLOADS: frozenset(
        {"Replicas missing", "Restarts", "Why containers wait or ended", "Use of quotas"},
    ),
    Uid.ALERTMANAGER: frozenset({"Sent, by channel", "Time to hand over, 95th percentile"}),
    Uid.POSTGRESQL: frozenset({"Cache hits", "Locks, by mode", "PostgreSQL's log"}),
    Uid.REDIS: frozenset({"Hit ratio", "Keys"}),
}
ONLY_ITS_OWN_FAILURE = "only a failure of the tool itself fills it; what it counts is tested with the tool"
LOG_OF_THE_TOOL = "the tool's own log, which may say nothing for as long as a panel looks back"
CHUNKS_ARE_SLOW = "chunks are written when they are full or an hour old"
NOT_IN_THE_DRILL: Mapping[tuple[Uid, str], str] = {
    (Uid.SLOS, "Objective alerts"): "an objective has to be missed for a quarter of an hour",
    (Uid.REDIS, "Memory used of the limit"): "the sandbox's Redis has no memory limit",
    (Uid.ALERTMANAGER, "Failed, by channel and reason"): ONLY_ITS_OWN_FAILURE,
    (Uid.ALERTMANAGER, "Members of the cluster"): "one replica here; production has peers",
    (Uid.GRAFANA, "Failed, by datasource"): ONLY_ITS_OWN_FAILURE,
    (Uid.LOKI, "Refused, by reason"): ONLY_ITS_OWN_FAILURE,
    (Uid.LOKI, "Chunks written, by reason"): CHUNKS_ARE_SLOW,
    (Uid.LOKI, "Since retention last ran"): "retention first runs hours after the start",
    (Uid.COLLECTOR, "Left out on purpose, by reason"): ONLY_ITS_OWN_FAILURE,
    (Uid.COLLECTOR, "Over the limit, by service"): ONLY_ITS_OWN_FAILURE,
    (Uid.JAEGER, "Refused and lost"): ONLY_ITS_OWN_FAILURE,
    (Uid.JAEGER, "Mean read time, by operation"): "only while somebody searches for traces",
    (Uid.OPENSEARCH, "Mean time"): "only while spans are written and searched",
    (Uid.OPENSEARCH, "Waiting and refused"): ONLY_ITS_OWN_FAILURE,
    (Uid.S3, "Failed, by operation and status"): ONLY_ITS_OWN_FAILURE,
    (Uid.S3, "Written a day"): CHUNKS_ARE_SLOW,
    (Uid.S3, "Bytes written"): CHUNKS_ARE_SLOW,
    (Uid.S3, "Bucket, once retention is reached"): CHUNKS_ARE_SLOW,
    (Uid.S3, "Bucket requests"): "nothing has been put or listed just after the start",
    (Uid.COST, "Bucket, once retention is reached"): CHUNKS_ARE_SLOW,
    (Uid.COST, "Bucket requests"): "nothing has been put or listed just after the start",
    (Uid.USAGE, "Bytes to S3 a day"): CHUNKS_ARE_SLOW,
    (Uid.USAGE, "Left out, by reason"): ONLY_ITS_OWN_FAILURE,
    **{
        (uid, title): LOG_OF_THE_TOOL
        for uid in (Uid.PROMETHEUS, Uid.ALERTMANAGER, Uid.GRAFANA, Uid.LOKI, Uid.COLLECTOR, Uid.JAEGER)
        for title in ("Lines by level", "Warnings and errors")
    },
}
QUIET = frozenset(
    {(uid, title) for uid, titles in FILLED_BY_THE_DRILL.items() for title in titles} | NOT_IN_THE_DRILL.keys()
)
