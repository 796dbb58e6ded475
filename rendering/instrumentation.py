"""The OTEL_* settings by which a stock OpenTelemetry SDK finds the collector and its sampling rates."""

# What a client samples at until it has asked for its rate.
INITIAL_SHARE = 0.1
ASK_EVERY_SECONDS = 60


def opentelemetry_settings(
    otlp_url: str, sampling_grpc_url: str, cluster: str, environment: str, namespace: str
) -> dict[str, str]:
    """Environment variables for every service of `namespace`; OTEL_SERVICE_NAME is the one thing a pod adds."""
    sampling = f"endpoint={sampling_grpc_url},pollingIntervalMs={ASK_EVERY_SECONDS * 1000}"
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
        "OTEL_TRACES_SAMPLER_ARG": f"{sampling},initialSamplingRate={INITIAL_SHARE}",
        "OTEL_RESOURCE_ATTRIBUTES": ",".join(f"{key}={value}" for key, value in attributes.items()),
        # Metrics and logs have their own way: Prometheus scrapes, the agent reads.
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
    }
