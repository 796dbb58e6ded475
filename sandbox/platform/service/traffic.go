package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	maxRPS        = 200
	maxInFlight   = 64
	maxBurst      = 100_000
	burstParallel = 8
	reportEvery   = time.Minute
)

// Traffic asks the platform for things, at a steady rate and in bursts on demand. It is a client as any other, without
// tracing: the traces start at the services.
type Traffic struct {
	log      *slog.Logger
	peers    map[string]string
	choices  []Call // each as often as its weight says
	client   *http.Client
	sent     *prometheus.CounterVec
	registry *prometheus.Registry
	inFlight chan struct{}

	mutex   sync.Mutex
	rps     float64
	changed chan struct{} // closed when rps changes
}

func newTraffic(graph *Graph, peers map[string]string, rps float64, log *slog.Logger) *Traffic {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = maxInFlight
	t := &Traffic{
		log: log, peers: peers, rps: rps, changed: make(chan struct{}), inFlight: make(chan struct{}, maxInFlight),
		client: &http.Client{Transport: transport, Timeout: callTimeout}, registry: prometheus.NewRegistry(),
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "traffic_requests_total",
			Help: "Requests sent, by the status of the answer (none: no answer; skipped: too many under way).",
		}, []string{"target", "status"}),
	}
	t.registry.MustRegister(t.sent)
	for call, weight := range graph.Traffic {
		for range weight {
			t.choices = append(t.choices, call)
		}
	}
	return t
}

// Handler takes POST /rate?rps=5 and POST /run?path=/api/v1/iac&method=POST&count=1000 (service, rps and ids are optional).
func (t *Traffic) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		rps, _ := t.rate()
		answer(w, http.StatusOK, map[string]any{"status": "ok", "rps": rps})
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("POST /rate", func(w http.ResponseWriter, r *http.Request) {
		rps, err := strconv.ParseFloat(r.URL.Query().Get("rps"), 64)
		if err != nil || rps < 0 || rps > maxRPS {
			answer(w, http.StatusBadRequest, map[string]string{"error": fmt.Sprintf("rps: write 0 to %d", maxRPS)})
			return
		}
		t.setRate(rps)
		answer(w, http.StatusOK, map[string]float64{"rps": rps})
	})
	mux.HandleFunc("POST /run", t.run)
	return mux
}

// Flow sends requests until ctx ends, at random moments that average out at the rate, as independent users do.
func (t *Traffic) Flow(ctx context.Context) {
	report := time.NewTicker(reportEvery)
	defer report.Stop()
	for {
		rps, changed := t.rate()
		var due <-chan time.Time // never, at a rate of 0
		if rps > 0 {
			due = time.After(time.Duration(rand.ExpFloat64() / rps * float64(time.Second)))
		}
		select {
		case <-ctx.Done():
			return
		case <-report.C:
			t.log.Info("sending", "rps", rps)
		case <-changed:
		case <-due:
			t.fire(t.choices[rand.IntN(len(t.choices))])
		}
	}
}

// fire sends one request and does not wait. A platform that hangs must not fill this process with waiting requests.
func (t *Traffic) fire(call Call) {
	select {
	case t.inFlight <- struct{}{}:
		go func() {
			defer func() { <-t.inFlight }()
			t.request(context.Background(), call)
		}()
	default:
		t.sent.WithLabelValues(call.Service, "skipped").Inc()
	}
}

func (t *Traffic) rate() (rps float64, changed <-chan struct{}) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.rps, t.changed
}

func (t *Traffic) setRate(rps float64) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.rps = rps
	close(t.changed)
	t.changed = make(chan struct{})
}

type reply struct {
	status  string // of HTTP, or "none"
	traceID string
	sampled bool
}

func (t *Traffic) request(ctx context.Context, call Call) reply {
	outcome := reply{status: "none"}
	defer func() { t.sent.WithLabelValues(call.Service, outcome.status).Inc() }()
	request, err := http.NewRequestWithContext(ctx, call.Method, t.peers[call.Service]+call.Concrete(), http.NoBody)
	if err != nil {
		return outcome
	}
	response, err := t.client.Do(request)
	if err != nil {
		return outcome
	}
	response.Body.Close()
	outcome = reply{strconv.Itoa(response.StatusCode), response.Header.Get("X-Trace-Id"),
		response.Header.Get("X-Trace-Sampled") == "true"}
	return outcome
}

// Burst is the result of a run.
type Burst struct {
	Sent     int            `json:"sent"`
	Statuses map[string]int `json:"statuses"`
	Sampled  int            `json:"sampled"` // of the answered ones, as the service asked said itself
	Seconds  float64        `json:"seconds"`
	TraceIDs []string       `json:"trace_ids,omitempty"`
}

// run sends `count` requests of one kind, eight at a time, at most `rps` a second if given, and answers when all are
// answered. With ids=true the answer lists their trace ids.
func (t *Traffic) run(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	call, count, err := t.runOf(query)
	if err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	rps, _ := strconv.ParseFloat(query.Get("rps"), 64)
	replies := make(chan reply, count)
	slots := make(chan struct{}, burstParallel)
	result, start := Burst{Statuses: map[string]int{}}, time.Now()
	for ; result.Sent < count && r.Context().Err() == nil; result.Sent++ {
		if rps > 0 {
			time.Sleep(time.Until(start.Add(time.Duration(float64(result.Sent) / rps * float64(time.Second)))))
		}
		slots <- struct{}{}
		go func() {
			replies <- t.request(r.Context(), call)
			<-slots
		}()
	}
	for range result.Sent {
		one := <-replies
		result.Statuses[one.status]++
		if one.sampled {
			result.Sampled++
		}
		if query.Get("ids") == "true" && one.traceID != "" {
			result.TraceIDs = append(result.TraceIDs, one.traceID)
		}
	}
	result.Seconds = time.Since(start).Seconds()
	t.log.Info("burst sent", "request", call.String(), "sent", result.Sent, "statuses", fmt.Sprint(result.Statuses))
	answer(w, http.StatusOK, result)
}

// runOf reads what to send: any path of any service, also one that it does not serve.
func (t *Traffic) runOf(query url.Values) (call Call, count int, err error) {
	call = Call{query.Get("service"), Endpoint{query.Get("method"), query.Get("path")}}
	if call.Service == "" {
		call.Service = "api-gateway"
	}
	if call.Method == "" {
		call.Method = http.MethodGet
	}
	if t.peers[call.Service] == "" {
		return call, 0, fmt.Errorf("service: nobody is called %q", call.Service)
	}
	count, err = strconv.Atoi(query.Get("count"))
	if err != nil || count < 1 || count > maxBurst {
		return call, 0, fmt.Errorf("count: write 1 to %d", maxBurst)
	}
	return call, count, nil
}
