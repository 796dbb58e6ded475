package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Graph is calls.yaml: what every service serves, whom it calls for that, and what the traffic generator asks for.
type Graph struct {
	Services map[string]map[Endpoint]Route `yaml:"services"`
	Traffic  map[Call]int                  `yaml:"traffic"`
}

// Route is one thing a service can be asked; calls.yaml explains the fields.
type Route struct {
	TakesMS float64  `yaml:"takes_ms"`
	Misses  float64  `yaml:"misses"`
	Effects []string `yaml:"effects"`
	Calls   []Call   `yaml:"calls"`
	Tries   []Call   `yaml:"tries"`
}

// Endpoint is a method and a path pattern, written "GET /api/v1/blueprints" as http.ServeMux takes it.
type Endpoint struct{ Method, Path string }

func (e Endpoint) String() string { return e.Method + " " + e.Path }

func (e *Endpoint) UnmarshalText(text []byte) error {
	parts := strings.Fields(string(text))
	if len(parts) != 2 || !strings.HasPrefix(parts[1], "/") {
		return fmt.Errorf("%q is not \"METHOD /path\"", text)
	}
	*e = Endpoint{parts[0], parts[1]}
	return nil
}

// Call is an endpoint of a service, written "blueprint-service GET /api/v1/blueprints".
type Call struct {
	Service string
	Endpoint
}

func (c Call) String() string { return c.Service + " " + c.Endpoint.String() }

func (c *Call) UnmarshalText(text []byte) error {
	service, endpoint, _ := strings.Cut(string(text), " ")
	c.Service = service
	return c.Endpoint.UnmarshalText([]byte(endpoint))
}

// Concrete returns the path with a number in the place of {id}.
func (e Endpoint) Concrete() string {
	return strings.ReplaceAll(e.Path, "{id}", strconv.Itoa(1+rand.IntN(500)))
}

func loadGraph(path string) (*Graph, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(true)
	graph := &Graph{}
	if err := decoder.Decode(graph); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return graph, graph.check()
}

// check finds what would only show later, as a request that fails or never ends.
func (g *Graph) check() error {
	for call := range g.Traffic {
		if err := g.walk(call, nil); err != nil {
			return fmt.Errorf("traffic: %w", err)
		}
	}
	for service, routes := range g.Services {
		for endpoint, route := range routes {
			if err := g.walk(Call{service, endpoint}, nil); err != nil {
				return err
			}
			for _, name := range route.Effects {
				if _, known := effects[name]; !known {
					return fmt.Errorf("%s %s: effect %q is unknown; write one of %v",
						service, endpoint, name, slices.Sorted(maps.Keys(effects)))
				}
			}
		}
	}
	return nil
}

func (g *Graph) walk(call Call, path []string) error {
	if slices.Contains(path, call.Service) {
		return fmt.Errorf("%s is called again on the way %s", call.Service, strings.Join(path, " > "))
	}
	route, known := g.Services[call.Service][call.Endpoint]
	if !known {
		return fmt.Errorf("%q is not served by anybody", call)
	}
	for _, next := range slices.Concat(route.Calls, route.Tries) {
		if err := g.walk(next, append(slices.Clone(path), call.Service)); err != nil {
			return err
		}
	}
	return nil
}
