package main

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"
)

// Output is where a service's lines go. Each Write is one whole line or block, never mixed with another; a silenced
// output swallows them.
type Output struct {
	mutex    sync.Mutex
	to       io.Writer
	silenced atomic.Bool
}

func (o *Output) Write(block []byte) (int, error) {
	if o.silenced.Load() {
		return len(block), nil
	}
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.to.Write(block)
}

// newLogger writes one JSON object per line: timestamp, level, service, message and, inside a request, trace_id and span_id.
func newLogger(service string, out io.Writer) *slog.Logger {
	handler := slog.NewJSONHandler(out, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(groups []string, attr slog.Attr) slog.Attr {
			if len(groups) > 0 {
				return attr
			}
			switch attr.Key {
			case slog.TimeKey:
				attr.Key = "timestamp"
			case slog.MessageKey:
				attr.Key = "message"
			case slog.LevelKey:
				attr.Value = slog.StringValue(strings.ToLower(attr.Value.String()))
			}
			return attr
		},
	})
	return slog.New(traceHandler{handler}).With("service", service)
}

// traceHandler adds the ids of the request that a line is about.
type traceHandler struct{ slog.Handler }

func (h traceHandler) Handle(ctx context.Context, record slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		record.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, record)
}

func (h traceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return traceHandler{h.Handler.WithAttrs(attrs)}
}

func (h traceHandler) WithGroup(name string) slog.Handler {
	return traceHandler{h.Handler.WithGroup(name)}
}

// levelOf is what a request's line is worth: what the client did wrong is a warning, what we did wrong an error.
func levelOf(status int, slow bool) slog.Level {
	switch {
	case status >= 500:
		return slog.LevelError
	case status >= 400 || slow:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}
