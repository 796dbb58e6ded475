package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMistakesInTheCallGraphAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"services: {a: {GET /x: {calls: [b GET /y]}}}":                                   `"b GET /y" is not served by anybody`,
		"services: {a: {GET /x: {calls: [b GET /y]}}, b: {GET /y: {tries: [a GET /x]}}}": "is called again",
		"services: {a: {GET /x: {effects: [nothing]}}}":                                  `effect "nothing" is unknown; write one of [`,
		"services: {a: {/x: {}}}":                                                        `is not "METHOD /path"`,
		"services: {a: {GET /x: {take_ms: 4}}}":                                          "field take_ms not found",
		"traffic: {a GET /x: 1}":                                                         `traffic: "a GET /x" is not served by anybody`,
	} {
		path := filepath.Join(t.TempDir(), "calls.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := loadGraph(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestEveryServiceTakesPartInSomeCall(t *testing.T) {
	graph, err := loadGraph("../calls.yaml")
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string]bool{}
	for call := range graph.Traffic {
		asked[call.Service] = true
	}
	called := map[string]bool{"api-gateway": true} // users call it
	for _, routes := range graph.Services {
		for _, route := range routes {
			for _, call := range append(route.Calls, route.Tries...) {
				called[call.Service] = true
			}
		}
	}
	for service := range graph.Services {
		if !called[service] || !asked[service] {
			t.Errorf("%s: called by others %v, by the traffic generator %v", service, called[service], asked[service])
		}
	}
}
