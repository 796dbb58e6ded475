package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/trace"
)

// violationShare of guardrails checks finds something, on a good day.
const violationShare = 0.05

// Metrics are those of one service: the two of every request, and the business metrics that its routes move.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	counters map[string]prometheus.Counter
	validate prometheus.Histogram
}

// An effect is what the outcome of a request does to business metrics.
type effect struct {
	counters []string // names of the counters it moves
	apply    func(m *Metrics, succeeded bool, fault Fault)
}

var effects = map[string]effect{
	"blueprint_created": {[]string{"blueprints_created_total"}, func(m *Metrics, succeeded bool, _ Fault) {
		if succeeded {
			m.counters["blueprints_created_total"].Inc()
		}
	}},
	"blueprint_validated": {nil, func(m *Metrics, _ bool, fault Fault) {
		m.validate.Observe((jitter(10) + fault.latency()).Seconds())
	}},
	"iac_generated": {
		[]string{"iac_generation_total", "iac_generation_success_total", "iac_generation_failed_total"},
		func(m *Metrics, succeeded bool, _ Fault) {
			m.counters["iac_generation_total"].Inc()
			if succeeded {
				m.counters["iac_generation_success_total"].Inc()
			} else {
				m.counters["iac_generation_failed_total"].Inc()
			}
		},
	},
	"guardrails_checked": {
		[]string{"guardrails_checks_total", "guardrails_violations_total"},
		func(m *Metrics, _ bool, fault Fault) {
			m.counters["guardrails_checks_total"].Inc()
			if rand.Float64() < violationShare {
				m.counters["guardrails_violations_total"].Inc()
			}
			m.counters["guardrails_violations_total"].Add(float64(fault.ViolationsPerCheck))
		},
	},
	"cost_estimated": {[]string{"cost_estimate_total"}, func(m *Metrics, succeeded bool, _ Fault) {
		if succeeded {
			m.counters["cost_estimate_total"].Inc()
		}
	}},
}

var help = map[string]string{
	"blueprints_created_total":     "Blueprints created.",
	"iac_generation_total":         "Generations of infrastructure code, whatever their outcome.",
	"iac_generation_success_total": "Generations of infrastructure code that succeeded.",
	"iac_generation_failed_total":  "Generations of infrastructure code that failed.",
	"guardrails_checks_total":      "Checks against the guardrails.",
	"guardrails_violations_total":  "Violations that the checks found.",
	"cost_estimate_total":          "Cost estimates made.",
}

// In seconds. A validation is slow after 30 (the platform's threshold): without bounds beyond it, none would be seen.
var validationBuckets = []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120}

// newMetrics makes the metrics of a service with these routes. Every series that a healthy service has exists from the
// start, so that no rate misses a first increment.
func newMetrics(routes map[Endpoint]Route, buckets []float64) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "http_requests_total", Help: "Requests answered, by route and status.",
		}, []string{"method", "route", "status"}),
		duration: prometheus.NewHistogramVec(histogram("http_request_duration_seconds",
			"Time until a request was answered.", buckets), []string{"method", "route"}),
		counters: map[string]prometheus.Counter{},
	}
	m.registry.MustRegister(m.requests, m.duration)
	for endpoint, route := range routes {
		m.requests.WithLabelValues(endpoint.Method, endpoint.Path, "200")
		m.duration.WithLabelValues(endpoint.Method, endpoint.Path)
		for _, name := range route.Effects {
			m.register(name)
		}
	}
	return m
}

func (m *Metrics) register(effectName string) {
	for _, name := range effects[effectName].counters {
		if m.counters[name] == nil {
			m.counters[name] = prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help[name]})
			m.registry.MustRegister(m.counters[name])
		}
	}
	if effectName == "blueprint_validated" && m.validate == nil {
		m.validate = prometheus.NewHistogram(histogram("blueprint_validation_duration_seconds",
			"Time a blueprint's validation took.", validationBuckets))
		m.registry.MustRegister(m.validate)
	}
}

// histogram has the classic buckets and, for a scraper that asks for them, native ones beside.
func histogram(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  100,
		NativeHistogramMinResetDuration: time.Hour,
	}
}

// Observe counts one answered request. The trace of a sampled one goes along as an exemplar.
func (m *Metrics) Observe(ctx context.Context, endpoint Endpoint, status int, took time.Duration) {
	m.requests.WithLabelValues(endpoint.Method, endpoint.Path, strconv.Itoa(status)).Inc()
	observer := m.duration.WithLabelValues(endpoint.Method, endpoint.Path)
	if span := trace.SpanContextFromContext(ctx); span.IsSampled() {
		observer.(prometheus.ExemplarObserver).ObserveWithExemplar(took.Seconds(),
			prometheus.Labels{"trace_id": span.TraceID().String()})
		return
	}
	observer.Observe(took.Seconds())
}

// Business moves the business metrics of a route. A request that was refused (4xx) did no business.
func (m *Metrics) Business(route Route, status int, fault Fault) {
	if status >= 400 && status < 500 {
		return
	}
	for _, name := range route.Effects {
		effects[name].apply(m, status < 400, fault)
	}
}

// Handler serves the metrics; exemplars need OpenMetrics or protobuf, which the scraper chooses.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}
