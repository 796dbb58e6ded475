package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/contrib/samplers/jaegerremote"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/resolver"
)

func init() {
	// The name of the collector is looked up at every attempt to connect. gRPC's own resolver would ask again after up to
	// two minutes where the name was not there yet, as it is not when the platform runs before the stack.
	resolver.SetDefaultScheme("passthrough")
}

// reconnect is tried every five seconds at the latest, so that a collector that appears gets spans at once.
var reconnect = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: time.Second, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 5 * time.Second},
	MinConnectTimeout: 5 * time.Second,
}

// propagator is W3C trace context, as every stock SDK speaks it.
var propagator = propagation.TraceContext{}

// newTracing sends spans by OTLP to OTEL_EXPORTER_OTLP_ENDPOINT, sampled at the rates that Jaeger hands out: endpoint and
// polling interval are read by the sampler from OTEL_TRACES_SAMPLER_ARG. Callees follow their caller's decision.
func newTracing(ctx context.Context, service string, silenced *atomic.Bool) (*sdktrace.TracerProvider, error) {
	exporter, err := otlptracegrpc.New(ctx, otlptracegrpc.WithDialOption(grpc.WithConnectParams(reconnect)))
	if err != nil {
		return nil, fmt.Errorf("OTLP exporter: %w", err)
	}
	return newProvider(ctx, service, sdktrace.NewBatchSpanProcessor(mutable{exporter, silenced}), jaegerremote.New(service))
}

func newProvider(
	ctx context.Context, service string, processor sdktrace.SpanProcessor, roots sdktrace.Sampler,
) (*sdktrace.TracerProvider, error) {
	// The environment (OTEL_RESOURCE_ATTRIBUTES) adds the pod and the environment; the service's name is ours.
	described, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithFromEnv(),
		resource.WithAttributes(semconv.ServiceName(service)))
	if err != nil {
		return nil, fmt.Errorf("trace resource: %w", err)
	}
	return sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(processor), sdktrace.WithResource(described),
		sdktrace.WithSampler(sdktrace.ParentBased(roots))), nil
}

// mutable drops spans while silenced.
type mutable struct {
	sdktrace.SpanExporter
	silenced *atomic.Bool
}

func (m mutable) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if m.silenced.Load() {
		return nil
	}
	return m.SpanExporter.ExportSpans(ctx, spans)
}
