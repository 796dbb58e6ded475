"""The OTEL_* settings by which a stock OpenTelemetry SDK finds the collector and its sampling rates."""

from rendering.sampling import begun_share

# What a client samples at until it has asked for its rate.
INITIAL_SHARE = 0.1
ASK_EVERY_SECONDS = 60


def opentelemetry_settings(
    otlp_url: str, sampling_grpc_url: str, cluster: str, environment: str, namespace: str, *, at_the_end: bool = False
) -> dict[str, str]:
    """Environment variables for every service of `namespace`; OTEL_SERVICE_NAME is the one thing a pod adds.

    What names the pod or its container cannot be here: `$(...)` is filled in nowhere but in a pod's own variables.
    `at_the_end`: which traces are kept is decided there, so a client begins every one before it has asked for its rate.
    """
    sampling = f"endpoint={sampling_grpc_url},pollingIntervalMs={ASK_EVERY_SECONDS * 1000}"
    initial_share = begun_share(INITIAL_SHARE, at_the_end=at_the_end)
    attributes = {
        "k8s.cluster.name": cluster,
        "deployment.environment.name": environment,
        "k8s.namespace.name": namespace,
    }
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": otlp_url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_PROPAGATORS": "tracecontext,baggage",
        "OTEL_TRACES_SAMPLER": "parentbased_jaeger_remote",
        "OTEL_TRACES_SAMPLER_ARG": f"{sampling},initialSamplingRate={initial_share:g}",
        "OTEL_RESOURCE_ATTRIBUTES": ",".join(f"{key}={value}" for key, value in attributes.items()),
        # Metrics and logs have their own way: Prometheus scrapes, the agent reads.
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
    }
