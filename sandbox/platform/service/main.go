// Command platform-service plays any service of the sandbox's platform, or the traffic that uses it: SERVICE says which.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"go.opentelemetry.io/otel"
)

const shutdownTimeout = 4 * time.Second

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	out := &Output{to: os.Stdout}
	config, err := configFromEnv()
	if err == nil {
		err = play(ctx, config, out)
	}
	if err != nil {
		newLogger(config.Service, out).Error("cannot go on", "error", err.Error())
		os.Exit(1)
	}
}

func play(ctx context.Context, config Config, out *Output) error {
	graph, err := loadGraph(config.CallsFile)
	if err != nil {
		return err
	}
	if config.Service == "traffic" {
		log := newLogger(config.Service, out)
		traffic := newTraffic(graph, config.Peers, config.TrafficRPS, log)
		log.Info("listening", "port", config.Port, "rps", config.TrafficRPS)
		go traffic.Flow(ctx)
		return listen(ctx, config.Port, traffic.Handler())
	}

	var noTraces atomic.Bool
	tracer, err := newTracing(ctx, config.Service, &noTraces)
	if err != nil {
		return err
	}
	service, err := newService(config, graph, out, tracer, func(fault Fault) {
		out.silenced.Store(fault.silenced("logs"))
		noTraces.Store(fault.silenced("traces"))
	})
	if err != nil {
		return err
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		service.log.Warn("tracing", "error", err.Error())
	}))
	if service.faults.MustCrash() {
		return errors.New("told to crash at every start")
	}
	service.log.Info("listening", "port", config.Port)
	err = listen(ctx, config.Port, service.Handler())
	service.log.Info("stopped")
	flush, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	return errors.Join(err, tracer.Shutdown(flush))
}

// listen serves until ctx ends, then lets requests under way finish.
func listen(ctx context.Context, port int, handler http.Handler) error {
	server := &http.Server{Addr: fmt.Sprintf(":%d", port), Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	return server.Shutdown(grace)
}
