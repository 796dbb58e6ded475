package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// A platform is all nine services on loopback, with their logs and spans at hand.
type platform struct {
	graph    *Graph
	services map[string]*Service
	urls     map[string]string
	spans    *tracetest.InMemoryExporter
	logs     *lockedBuffer
}

type lockedBuffer struct {
	mutex sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(block []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.Buffer.Write(block)
}

func (b *lockedBuffer) lines() []string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return strings.Split(strings.TrimSpace(b.Buffer.String()), "\n")
}

func startPlatform(t *testing.T, roots sdktrace.Sampler) *platform {
	t.Helper()
	graph, err := loadGraph("../calls.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p := &platform{
		graph: graph, services: map[string]*Service{}, urls: map[string]string{},
		spans: tracetest.NewInMemoryExporter(), logs: &lockedBuffer{},
	}
	servers := map[string]*httptest.Server{}
	for name := range graph.Services {
		servers[name] = httptest.NewUnstartedServer(nil)
		p.urls[name] = "http://" + servers[name].Listener.Addr().String()
	}
	for name, server := range servers {
		tracer, err := newProvider(t.Context(), name, sdktrace.NewSimpleSpanProcessor(p.spans), roots)
		if err != nil {
			t.Fatal(err)
		}
		config := Config{Service: name, Peers: p.urls, StateDir: t.TempDir(), LatencyBuckets: []float64{0.1, 1}}
		out := &Output{to: p.logs}
		service, err := newService(config, graph, out, tracer, func(f Fault) { out.silenced.Store(f.silenced("logs")) })
		if err != nil {
			t.Fatal(err)
		}
		service.faults.exit = func(int) {}
		p.services[name] = service
		server.Config.Handler = service.Handler()
		server.Start()
		t.Cleanup(server.Close)
	}
	return p
}

func (p *platform) ask(t *testing.T, method, service, path, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, p.urls[service]+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func (p *platform) fault(t *testing.T, service, body string) {
	t.Helper()
	if status, text := p.ask(t, "POST", service, "/faults", body); status != 200 {
		t.Fatalf("fault refused: %d %s", status, text)
	}
}

func TestEveryRouteAnswersAndLeavesMetricSpanAndLine(t *testing.T) {
	p := startPlatform(t, sdktrace.AlwaysSample())
	for service, routes := range p.graph.Services {
		for endpoint, route := range routes {
			p.spans.Reset()
			status, _ := p.ask(t, endpoint.Method, service, endpoint.Concrete(), "")
			if status != 200 && (status != 404 || route.Misses == 0) {
				t.Fatalf("%s %s answered %d", service, endpoint, status)
			}
			spans := p.spans.GetSpans()
			root := spans[slices.IndexFunc(spans, func(s tracetest.SpanStub) bool { return !s.Parent.IsValid() })]
			if root.Name != endpoint.String() {
				t.Errorf("%s: the root span is %q, want %q", service, root.Name, endpoint)
			}
			want := fmt.Sprintf(`http_requests_total{method="%s",route="%s",status="%d"}`, endpoint.Method, endpoint.Path, status)
			if _, text := p.ask(t, "GET", service, "/metrics", ""); !strings.Contains(text, want) {
				t.Errorf("%s: no %s", service, want)
			}
			if !slices.ContainsFunc(p.logs.lines(), func(line string) bool {
				return strings.Contains(line, root.SpanContext.TraceID().String()) &&
					strings.Contains(line, `"service":"`+service+`"`) && strings.Contains(line, `"route":"`+endpoint.Path+`"`)
			}) {
				t.Errorf("%s %s: no line with its trace", service, endpoint)
			}
		}
	}
}

func TestOneIacGenerationIsOneTraceAcrossAllNineServices(t *testing.T) {
	p := startPlatform(t, sdktrace.AlwaysSample())
	if status, _ := p.ask(t, "POST", "api-gateway", "/api/v1/iac", ""); status != 200 {
		t.Fatalf("answered %d", status)
	}
	traces, services := map[string]bool{}, map[string]bool{}
	for _, span := range p.spans.GetSpans() {
		traces[span.SpanContext.TraceID().String()] = true
		for _, attr := range span.Resource.Attributes() {
			if attr.Key == "service.name" {
				services[attr.Value.AsString()] = true
			}
		}
	}
	if len(traces) != 1 || len(services) != 9 {
		t.Errorf("%d traces over %d services, want 1 over 9: %v", len(traces), len(services), services)
	}
}

func TestCalleesFollowTheCallersSamplingDecision(t *testing.T) {
	p := startPlatform(t, sdktrace.NeverSample())
	p.ask(t, "POST", "api-gateway", "/api/v1/iac", "")
	if spans := p.spans.GetSpans(); len(spans) != 0 {
		t.Errorf("%d spans of a trace that was not sampled", len(spans))
	}
}

func TestBusinessMetricsAreServedWhereTheyBelong(t *testing.T) {
	p := startPlatform(t, sdktrace.AlwaysSample())
	want := map[string][]string{
		"blueprint-service": {"blueprints_created_total", "blueprint_validation_duration_seconds_bucket"},
		"iac-generator":     {"iac_generation_total", "iac_generation_success_total", "iac_generation_failed_total"},
		"guardrails-engine": {"guardrails_checks_total", "guardrails_violations_total"},
		"costing-service":   {"cost_estimate_total"},
	}
	for service := range p.graph.Services {
		_, text := p.ask(t, "GET", service, "/metrics", "")
		for owner, names := range want {
			for _, name := range append(names, "http_requests_total", "http_request_duration_seconds_bucket") {
				mine := owner == service || strings.HasPrefix(name, "http_")
				if strings.Contains(text, "\n"+name) != mine {
					t.Errorf("%s serves %s: %v, want %v", service, name, !mine, mine)
				}
			}
		}
	}
}

// A threshold within the histogram's last bound could never be passed.
func TestAValidationSlowerThanItsThresholdIsSeen(t *testing.T) {
	p := startPlatform(t, sdktrace.AlwaysSample())
	_, text := p.ask(t, "GET", "blueprint-service", "/metrics", "")
	for _, bound := range []string{"30", "60"} {
		if !strings.Contains(text, `blueprint_validation_duration_seconds_bucket{le="`+bound+`"}`) {
			t.Errorf("no bound of %s seconds", bound)
		}
	}
}

func TestErrorFaultFailsTheCallerAndTheBusinessMetric(t *testing.T) {
	p := startPlatform(t, sdktrace.AlwaysSample())
	p.fault(t, "iac-generator", `{"error_rate": 1}`)
	if status, _ := p.ask(t, "POST", "api-gateway", "/api/v1/iac", ""); status != 502 {
		t.Errorf("the gateway answered %d, want 502", status)
	}
	_, text := p.ask(t, "GET", "iac-generator", "/metrics", "")
	for _, want := range []string{"iac_generation_failed_total 1", "iac_generation_success_total 0", `status="500"} 1`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	p.ask(t, "DELETE", "iac-generator", "/faults", "")
	if status, _ := p.ask(t, "POST", "api-gateway", "/api/v1/iac", ""); status != 200 {
		t.Errorf("after mending, the gateway answered %d", status)
	}
}

func TestAFailingNiceToHaveStepDoesNotFailTheRequest(t *testing.T) {
	p := startPlatform(t, sdktrace.AlwaysSample())
	p.fault(t, "costing-service", `{"error_rate": 1}`)
	if status, _ := p.ask(t, "POST", "orchestrator-service", "/api/v1/workflows/iac", ""); status != 200 {
		t.Errorf("answered %d", status)
	}
}

func TestRefusalsKeepTheirStatusOnTheWay(t *testing.T) {
	p := startPlatform(t, sdktrace.AlwaysSample())
	p.fault(t, "guardrails-engine", `{"error_rate": 1, "status": 401}`)
	if status, _ := p.ask(t, "POST", "api-gateway", "/api/v1/guardrails/check", ""); status != 401 {
		t.Errorf("answered %d, want 401", status)
	}
}

func TestFaultsAreCheckedAndChangedFieldByField(t *testing.T) {
	p := startPlatform(t, sdktrace.AlwaysSample())
	for body, want := range map[string]string{
		`{"error_rate": 2}`:        "error_rate is 2; write a share from 0 to 1",
		`{"status": 401}`:          "write the share of requests that get it",
		`{"latency": 5}`:           "unknown field",
		`{"silence": ["metric"]}`:  `silence holds "metric"; write logs, metrics or traces`,
		`{"memory_mib": 99999}`:    "write 0 to 4096",
		`{"latency_ms": "a lot"}`:  "cannot unmarshal",
		`{"violations_per_check"}`: "invalid character",
	} {
		if status, text := p.ask(t, "POST", "ai-engine", "/faults", body); status != 400 ||
			!strings.Contains(strings.ReplaceAll(text, `\"`, `"`), want) {
			t.Errorf("%s: %d %s, want 400 with %q", body, status, text, want)
		}
	}
	p.fault(t, "ai-engine", `{"latency_ms": 20}`)
	p.fault(t, "ai-engine", `{"memory_mib": 16, "cpu_cores": 0.1}`)
	if now := p.services["ai-engine"].faults.Current(); now.LatencyMS != 20 || now.MemoryMiB != 16 {
		t.Errorf("the faults are %+v", now)
	}
}

func TestSilenceAndHealthFaults(t *testing.T) {
	p := startPlatform(t, sdktrace.AlwaysSample())
	p.fault(t, "ai-engine", `{"silence": ["logs", "metrics"], "unready": true, "unhealthy": true}`)
	before := len(p.logs.lines())
	for path, want := range map[string]int{"/metrics": 503, "/ready": 503, "/health": 503, "/live": 200} {
		if status, _ := p.ask(t, "GET", "ai-engine", path, ""); status != want {
			t.Errorf("%s answered %d, want %d", path, status, want)
		}
	}
	if after := len(p.logs.lines()); after != before {
		t.Errorf("%d lines in silence", after-before)
	}
}

func TestACrashLoopIsRememberedUntilItIsMended(t *testing.T) {
	codes := make(chan int, 1)
	faults := newFaults(t.TempDir(), func(Fault) {})
	faults.exit = func(code int) { codes <- code }
	if faults.MustCrash() {
		t.Fatal("crashes unasked")
	}
	if err := faults.Set(Fault{CrashLoop: true}); err != nil {
		t.Fatal(err)
	}
	if code := <-codes; code != 1 || !faults.MustCrash() {
		t.Errorf("exit code %d, crashes again: %v", code, faults.MustCrash())
	}
}

func TestNumberedRawAndPanicLines(t *testing.T) {
	p := startPlatform(t, sdktrace.AlwaysSample())
	p.ask(t, "POST", "ai-engine", "/faults/log-lines?count=3&prefix=run7&bytes=100&level=warn", "")
	p.ask(t, "POST", "ai-engine", "/faults/log-raw", "password=hunter2\n\tat Some.java:7")
	p.ask(t, "POST", "ai-engine", "/faults/panic", "")
	lines := p.logs.lines()
	var third struct{ Message, Level, Service, Timestamp string }
	if err := json.Unmarshal([]byte(lines[2]), &third); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(third.Message, "run7 3 x") || len(third.Message) != 100 || third.Level != "warn" ||
		third.Service != "ai-engine" || third.Timestamp == "" {
		t.Errorf("the third line is %s", lines[2])
	}
	if lines[3] != "password=hunter2" || lines[4] != "\tat Some.java:7" {
		t.Errorf("the raw lines are %q", lines[3:5])
	}
	if !strings.HasPrefix(lines[5], "panic: runtime error: index out of range") || len(lines) < 15 {
		t.Errorf("the panic is %q", lines[5:])
	}
}

func TestUnknownPathsShareOneSeries(t *testing.T) {
	p := startPlatform(t, sdktrace.AlwaysSample())
	p.ask(t, "GET", "ai-engine", "/no/such/1", "")
	p.ask(t, "GET", "ai-engine", "/no/such/2", "")
	_, text := p.ask(t, "GET", "ai-engine", "/metrics", "")
	if !strings.Contains(text, `http_requests_total{method="GET",route="unmatched",status="404"} 2`) {
		t.Errorf("unexpected metrics: %s", text)
	}
}

func TestExemplarsNameTheTrace(t *testing.T) {
	p := startPlatform(t, sdktrace.AlwaysSample())
	p.ask(t, "POST", "ai-engine", "/api/v1/suggestions", "")
	request := httptest.NewRequest("GET", "/metrics", http.NoBody)
	request.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	recorder := httptest.NewRecorder()
	p.services["ai-engine"].serveMetrics(recorder, request)
	trace := p.spans.GetSpans()[0].SpanContext.TraceID().String()
	if text := recorder.Body.String(); !strings.Contains(text, `# {trace_id="`+trace+`"}`) {
		t.Errorf("no exemplar of %s in %s", trace, text)
	}
}

func TestTrafficReachesEveryServiceAndRunsBursts(t *testing.T) {
	p := startPlatform(t, sdktrace.AlwaysSample())
	traffic := newTraffic(p.graph, p.urls, 0, newLogger("traffic", io.Discard))
	for call := range p.graph.Traffic {
		if got := traffic.request(t.Context(), call); got.status != "200" && got.status != "404" {
			t.Errorf("%s answered %s", call, got.status)
		}
	}
	request := httptest.NewRequest("POST", "/run?path=/api/v1/iac&method=POST&count=20&ids=true", http.NoBody)
	recorder := httptest.NewRecorder()
	traffic.Handler().ServeHTTP(recorder, request)
	var burst Burst
	if err := json.Unmarshal(recorder.Body.Bytes(), &burst); err != nil {
		t.Fatal(err)
	}
	if burst.Sent != 20 || burst.Statuses["200"] != 20 || burst.Sampled != 20 || len(burst.TraceIDs) != 20 {
		t.Errorf("the burst came out as %+v", burst)
	}
}

func TestTheFlowFollowsTheRate(t *testing.T) {
	p := startPlatform(t, sdktrace.AlwaysSample())
	traffic := newTraffic(p.graph, p.urls, 0, newLogger("traffic", io.Discard))
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	go func() {
		time.Sleep(500 * time.Millisecond) // nothing comes at a rate of 0
		if lines := p.logs.lines(); len(lines) != 1 || lines[0] != "" {
			t.Errorf("%d lines at a rate of 0", len(lines))
		}
		traffic.setRate(50)
	}()
	traffic.Flow(ctx)
	if lines := len(p.logs.lines()); lines < 20 {
		t.Errorf("only %d lines after a second at 50 requests a second", lines)
	}
}
