"""Panels that draw no thresholds, by kind and by name, each with its reason; all others say what is too much."""

from collections.abc import Mapping

from rendering.dashboards.links import Uid

AMOUNT = "how much is done or kept: no amount is wrong by itself, and what is unusual for the hour is an alert's to say"
BY_TYPE: Mapping[str, str] = {
    "heatmap": "its colours say how many",
    "logs": "lines have no number",
    "state-timeline": "its states have colours of their own",
}
BY_UNIT: Mapping[str, str] = {
    **dict.fromkeys(("Bps", "bytes", "cps", "ops", "reqps", "rowsps"), AMOUNT),
    "currencyUSD": "an estimate, and no budget is declared that it could exceed",
    "none": "a list of traces to choose from",
}
LIMIT_IS_DRAWN = "its limit differs by service, or in time, and is a line of its own"
ONE_IS_TOO_MANY = "shows only what is wrong, so that every line is one too many"
USE_DECIDES = "what is normal depends on what is asked and stored; a change of it is what tells"
BY_TITLE: Mapping[str, str] = {
    "Files followed": AMOUNT,
    "Goroutines": USE_DECIDES,
}
BY_NAME: Mapping[str, Mapping[Uid, frozenset[str]]] = {
    LIMIT_IS_DRAWN: {
        Uid.SERVICE: frozenset({"CPU", "Response time percentiles"}),
        Uid.PROMETHEUS: frozenset({"Time covered"}),
    },
    "the share of its limit is judged, in a panel beside it": {Uid.WORKLOADS: frozenset({"CPU, by service"})},
    ONE_IS_TOO_MANY: {
        Uid.ALERTS: frozenset(
            {"Firing alerts", "Firing, by severity", "Firing, by team", "Noisiest alerts", "Mean time to resolve"}
        ),
        Uid.WORKLOADS: frozenset({"Why containers wait or ended"}),
        Uid.OPENSEARCH: frozenset({"Waiting and refused"}),
    },
    USE_DECIDES: {
        Uid.BUSINESS: frozenset({"Checks that found a violation"}),
        Uid.REDIS: frozenset({"Hit ratio"}),
        Uid.LOKI: frozenset({"Cache hits", "Compression"}),
        Uid.S3: frozenset({"Share of the whole stack"}),
        Uid.USAGE: frozenset({"Compression", "Spans per request, by service"}),
    },
    AMOUNT: {
        Uid.OVERVIEW: frozenset({"Cost estimates in the last hour", "Redis clients and memory"}),
        Uid.BUSINESS: frozenset({"Cost estimates", "Cost estimates in the last hour"}),
        Uid.WORKLOADS: frozenset({"Pods running"}),
        Uid.VOLUMES: frozenset({"Claims, by phase"}),
        Uid.POSTGRESQL: frozenset({"Locks, by mode"}),
        Uid.REDIS: frozenset({"Clients", "Keys"}),
        Uid.PROMETHEUS: frozenset({"Samples per scrape, by job"}),
        Uid.ALERTMANAGER: frozenset({"Groups", "Members of the cluster", "Suppressed alerts"}),
        Uid.GRAFANA: frozenset({"Active people", "Dashboards", "Objects kept"}),
        Uid.LOKI: frozenset({"Chunks in memory and waiting", "Waiting for deletion"}),
        Uid.OPENSEARCH: frozenset({"Documents"}),
        Uid.S3: frozenset({"Requests a month", "Waiting to be written"}),
        Uid.USAGE: frozenset(
            {
                "Left out by relabelling, by job",
                "S3 requests a month",
                "Series, by job",
                "Series, by service",
                "Spans a day",
            }
        ),
    },
}
