package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/trace"
)

const (
	callTimeout = 30 * time.Second
	tryTimeout  = 500 * time.Millisecond
	slowAfter   = time.Second
	// unmatched is the route label of requests for what nobody serves: the path itself would make a series each.
	unmatched = "unmatched"
)

// Service plays one service of the platform.
type Service struct {
	name    string
	routes  map[Endpoint]Route
	peers   map[string]string
	out     *Output
	log     *slog.Logger
	metrics *Metrics
	faults  *Faults
	tracing []otelhttp.Option
	client  *http.Client
}

// newService plays c.Service as graph has it. changed is told of every new fault: what holds signals back lies outside.
func newService(
	c Config, graph *Graph, out *Output, tracer trace.TracerProvider, changed func(Fault),
) (*Service, error) {
	if c.Peers[c.Service] == "" {
		return nil, fmt.Errorf("SERVICE: nobody in PEERS is called %q", c.Service)
	}
	for name := range graph.Services {
		if c.Peers[name] == "" {
			return nil, fmt.Errorf("PEERS: no address of %s", name)
		}
	}
	routes := graph.Services[c.Service] // none, for a service that is declared and not in calls.yaml yet
	tracing := []otelhttp.Option{otelhttp.WithTracerProvider(tracer), otelhttp.WithPropagators(propagator)}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 16
	return &Service{
		name: c.Service, routes: routes, peers: c.Peers, out: out,
		log: newLogger(c.Service, out), metrics: newMetrics(routes, c.LatencyBuckets),
		faults:  newFaults(c.StateDir, changed),
		tracing: tracing,
		client:  &http.Client{Transport: otelhttp.NewTransport(transport, tracing...), Timeout: callTimeout},
	}, nil
}

// Handler serves the business routes, the health checks and /metrics, all traced, and the faults, which are not.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	traced := func(pattern string, handler http.HandlerFunc) {
		mux.Handle(pattern, otelhttp.NewHandler(handler, pattern, s.tracing...))
	}
	for endpoint, route := range s.routes {
		traced(endpoint.String(), s.business(endpoint, route))
	}
	traced("GET /health", s.health(func(f Fault) bool { return !f.Unhealthy }))
	traced("GET /ready", s.health(func(f Fault) bool { return !f.Unready }))
	traced("GET /live", s.health(func(Fault) bool { return true }))
	traced("GET /metrics", s.serveMetrics)
	traced("/", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusNotFound, map[string]string{"error": "nothing is served here"})
		s.record(r.Context(), Endpoint{r.Method, unmatched}, http.StatusNotFound, 0, nil)
	})
	mux.Handle("/faults", s.faults)
	mux.HandleFunc("POST /faults/log-lines", s.logLines)
	mux.HandleFunc("POST /faults/log-raw", s.logRaw)
	mux.HandleFunc("POST /faults/panic", s.logPanic)
	return mux
}

func (s *Service) business(endpoint Endpoint, route Route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		start, fault := time.Now(), s.faults.Current()
		status, err := s.work(r.Context(), route, fault)
		s.metrics.Business(route, status, fault)
		span := trace.SpanContextFromContext(r.Context())
		w.Header().Set("X-Trace-Id", span.TraceID().String())
		w.Header().Set("X-Trace-Sampled", fmt.Sprint(span.IsSampled()))
		answer(w, status, map[string]any{"service": s.name, "route": endpoint.String(), "status": status})
		s.record(r.Context(), endpoint, status, time.Since(start), err)
	}
}

// work does what the route asks and returns the status to answer, with the reason of a failure.
func (s *Service) work(ctx context.Context, route Route, fault Fault) (int, error) {
	time.Sleep(jitter(route.TakesMS) + fault.latency())
	if status := fault.refusal(); status != 0 {
		return status, errors.New("injected fault")
	}
	if rand.Float64() < route.Misses {
		return http.StatusNotFound, errors.New("no such item")
	}
	for _, call := range route.Calls {
		status, err := s.call(ctx, call)
		switch {
		case err != nil:
			return http.StatusBadGateway, err
		case status >= 500:
			return http.StatusBadGateway, fmt.Errorf("%s answered %d", call, status)
		case status >= 400:
			return status, fmt.Errorf("%s answered %d", call, status)
		}
	}
	for _, call := range route.Tries {
		brief, cancel := context.WithTimeout(ctx, tryTimeout)
		status, err := s.call(brief, call)
		cancel()
		if err != nil || status >= 400 {
			s.log.WarnContext(ctx, "left out a step", "call", call.String(), "status", status, "error", fmt.Sprint(err))
		}
	}
	return http.StatusOK, nil
}

func (s *Service) call(ctx context.Context, call Call) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, call.Method, s.peers[call.Service]+call.Concrete(), http.NoBody)
	if err != nil {
		return 0, err
	}
	return send(s.client, request)
}

// record leaves the traces that every answered request leaves: its metrics and its line.
func (s *Service) record(ctx context.Context, endpoint Endpoint, status int, took time.Duration, reason error) {
	s.metrics.Observe(ctx, endpoint, status, took)
	attrs := []slog.Attr{
		slog.String("method", endpoint.Method), slog.String("route", endpoint.Path), slog.Int("status", status),
		slog.Float64("duration_ms", math.Round(float64(took.Microseconds()))/1000),
	}
	message := "request answered"
	if reason != nil {
		message = "request refused"
		if status >= 500 {
			message = "request failed"
		}
		attrs = append(attrs, slog.String("error", reason.Error()))
	}
	s.log.LogAttrs(ctx, levelOf(status, took > slowAfter), message, attrs...)
}

func (s *Service) health(well func(Fault) bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		status, word := http.StatusOK, "ok"
		if !well(s.faults.Current()) {
			status, word = http.StatusServiceUnavailable, "failing"
		}
		answer(w, status, map[string]string{"service": s.name, "status": word})
		s.log.DebugContext(r.Context(), "health check", "method", r.Method, "route", r.URL.Path, "status", status)
	}
}

func (s *Service) serveMetrics(w http.ResponseWriter, r *http.Request) {
	if s.faults.Current().silenced("metrics") {
		http.Error(w, "silenced", http.StatusServiceUnavailable)
		return
	}
	s.metrics.Handler().ServeHTTP(w, r)
}

// jitter is a time around the median: most are near it, a few take a multiple.
func jitter(medianMS float64) time.Duration {
	return time.Duration(medianMS * math.Exp(rand.NormFloat64()*0.35) * float64(time.Millisecond))
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that has gone needs no answer
}

// send returns the status of the answer; the body is read so that the connection serves again.
func send(client *http.Client, request *http.Request) (int, error) {
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}
