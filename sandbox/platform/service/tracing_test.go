package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.opentelemetry.io/contrib/samplers/jaegerremote"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// The rates come from Jaeger by service and by operation: here all of a service's traces but those of its health checks.
func TestRemoteRatesApplyByOperation(t *testing.T) {
	jaeger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/sampling" || r.URL.Query().Get("service") != "ai-engine" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(`{"strategyType": "PROBABILISTIC", "operationSampling": {"defaultSamplingProbability": 1,
			"perOperationStrategies": [{"operation": "GET /health", "probabilisticSampling": {"samplingRate": 0}}]}}`))
	}))
	defer jaeger.Close()
	t.Setenv("OTEL_TRACES_SAMPLER_ARG", "endpoint="+jaeger.URL+"/sampling,pollingIntervalMs=50")

	graph, err := loadGraph("../calls.yaml")
	if err != nil {
		t.Fatal(err)
	}
	peers := map[string]string{}
	for name := range graph.Services {
		peers[name] = "http://127.0.0.1:1"
	}
	sampler := jaegerremote.New("ai-engine")
	defer sampler.Close()
	spans := tracetest.NewInMemoryExporter()
	tracer, err := newProvider(t.Context(), "ai-engine", sdktrace.NewSimpleSpanProcessor(spans), sampler)
	if err != nil {
		t.Fatal(err)
	}
	service, err := newService(Config{Service: "ai-engine", Peers: peers, StateDir: t.TempDir()}, graph,
		&Output{to: &lockedBuffer{}}, tracer, func(Fault) {})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond) // the sampler has asked by then
	for range 20 {
		for _, request := range []*http.Request{
			httptest.NewRequest("GET", "/health", http.NoBody),
			httptest.NewRequest("POST", "/api/v1/suggestions", http.NoBody),
		} {
			service.Handler().ServeHTTP(httptest.NewRecorder(), request)
		}
	}
	for _, span := range spans.GetSpans() {
		if span.Name != "POST /api/v1/suggestions" {
			t.Errorf("a span %q", span.Name)
		}
	}
	if count := len(spans.GetSpans()); count != 20 {
		t.Errorf("%d spans of 20 requests at 100 %%", count)
	}
}
