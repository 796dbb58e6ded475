package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Config is what the environment says: which service to play and where the others are. Tracing has no settings here: the
// SDK reads the usual OTEL_* variables itself.
type Config struct {
	Service        string            // SERVICE: one of calls.yaml, or "traffic"
	Port           int               // PORT
	CallsFile      string            // CALLS_FILE: path of calls.yaml
	StateDir       string            // STATE_DIR: what must survive a container restart, but not the pod
	Peers          map[string]string // PEERS: name=http://host:port,...
	LatencyBuckets []float64         // LATENCY_BUCKETS_MS: 5,10,...; kept here in seconds
	TrafficRPS     float64           // TRAFFIC_RPS: requests a second, traffic generator only
}

func configFromEnv() (Config, error) {
	c := Config{Service: os.Getenv("SERVICE"), CallsFile: os.Getenv("CALLS_FILE"), StateDir: os.Getenv("STATE_DIR")}
	if c.Service == "" || c.CallsFile == "" {
		return c, errors.New("SERVICE and CALLS_FILE must be set")
	}
	if c.StateDir == "" {
		c.StateDir = os.TempDir()
	}
	var err error
	if c.Port, err = strconv.Atoi(os.Getenv("PORT")); err != nil {
		return c, fmt.Errorf("PORT: %w", err)
	}
	c.Peers = map[string]string{}
	for _, peer := range splitList(os.Getenv("PEERS")) {
		name, url, found := strings.Cut(peer, "=")
		if !found {
			return c, fmt.Errorf("PEERS: %q is not name=url", peer)
		}
		c.Peers[name] = url
	}
	for _, text := range splitList(os.Getenv("LATENCY_BUCKETS_MS")) {
		ms, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return c, fmt.Errorf("LATENCY_BUCKETS_MS: %w", err)
		}
		c.LatencyBuckets = append(c.LatencyBuckets, ms/1000)
	}
	if text := os.Getenv("TRAFFIC_RPS"); text != "" {
		if c.TrafficRPS, err = strconv.ParseFloat(text, 64); err != nil {
			return c, fmt.Errorf("TRAFFIC_RPS: %w", err)
		}
	}
	return c, nil
}

func splitList(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' })
}
