package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Fault is what is wrong with a service at present; the zero value is health. POST /faults takes these fields as JSON.
type Fault struct {
	ErrorRate          float64  `json:"error_rate"`           // share of business requests answered with Status
	Status             int      `json:"status"`               // 400 to 599; 500 unless said otherwise
	LatencyMS          int      `json:"latency_ms"`           // added to every business request
	MemoryMiB          int      `json:"memory_mib"`           // held, taken at 32 MiB a second
	CPUCores           float64  `json:"cpu_cores"`            // burnt
	ViolationsPerCheck int      `json:"violations_per_check"` // more violations that each guardrails check finds
	Silence            []string `json:"silence"`              // of "logs", "metrics", "traces"
	Unhealthy          bool     `json:"unhealthy"`            // /health answers 503
	Unready            bool     `json:"unready"`              // /ready answers 503
	Crash              bool     `json:"crash"`                // exit 1, once
	CrashLoop          bool     `json:"crash_loop"`           // exit 1, now and at every start of this pod
}

const (
	exitDelay     = 200 * time.Millisecond // lets the answer and the last lines out
	memoryStepMiB = 8
	memoryPause   = 250 * time.Millisecond
	cpuSlice      = 20 * time.Millisecond
)

func (f Fault) latency() time.Duration { return time.Duration(f.LatencyMS) * time.Millisecond }

func (f Fault) silenced(what string) bool { return slices.Contains(f.Silence, what) }

// refusal is the status to answer instead of working, or 0.
func (f Fault) refusal() int {
	if rand.Float64() >= f.ErrorRate {
		return 0
	}
	if f.Status == 0 {
		return http.StatusInternalServerError
	}
	return f.Status
}

func (f Fault) check() error {
	switch {
	case f.ErrorRate < 0 || f.ErrorRate > 1:
		return fmt.Errorf("error_rate is %v; write a share from 0 to 1", f.ErrorRate)
	case f.Status != 0 && (f.Status < 400 || f.Status > 599):
		return fmt.Errorf("status is %d; write 400 to 599", f.Status)
	case f.Status != 0 && f.ErrorRate == 0:
		return fmt.Errorf("status is %d and error_rate 0; write the share of requests that get it", f.Status)
	case f.LatencyMS < 0 || f.LatencyMS > 60_000:
		return fmt.Errorf("latency_ms is %d; write 0 to 60000", f.LatencyMS)
	case f.MemoryMiB < 0 || f.MemoryMiB > 4096:
		return fmt.Errorf("memory_mib is %d; write 0 to 4096", f.MemoryMiB)
	case f.CPUCores < 0 || f.CPUCores > 4:
		return fmt.Errorf("cpu_cores is %v; write 0 to 4", f.CPUCores)
	case f.ViolationsPerCheck < 0:
		return fmt.Errorf("violations_per_check is %d; write 0 or more", f.ViolationsPerCheck)
	}
	for _, what := range f.Silence {
		if what != "logs" && what != "metrics" && what != "traces" {
			return fmt.Errorf("silence holds %q; write logs, metrics or traces", what)
		}
	}
	return nil
}

// Faults holds the present fault and what it keeps going in the background.
type Faults struct {
	mutex     sync.Mutex
	current   Fault
	stop      chan struct{} // ends the background work of the present fault
	crashFile string
	changed   func(Fault)
	exit      func(code int)
}

func newFaults(stateDir string, changed func(Fault)) *Faults {
	return &Faults{
		stop: make(chan struct{}), crashFile: filepath.Join(stateDir, "crash-loop"), changed: changed, exit: os.Exit,
	}
}

// MustCrash is true in a pod that was told to crash at every start.
func (f *Faults) MustCrash() bool {
	_, err := os.Stat(f.crashFile)
	return err == nil
}

func (f *Faults) Current() Fault {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.current
}

// Set makes fault the present one, in the place of the one before.
func (f *Faults) Set(fault Fault) error {
	if err := fault.check(); err != nil {
		return err
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if fault.CrashLoop {
		if err := os.WriteFile(f.crashFile, nil, 0o600); err != nil {
			return err
		}
	}
	close(f.stop)
	f.stop = make(chan struct{})
	f.current = fault
	f.changed(fault)
	if fault.MemoryMiB > 0 {
		go holdMemory(fault.MemoryMiB, f.stop)
	}
	for range int(math.Ceil(fault.CPUCores)) {
		go burn(fault.CPUCores/math.Ceil(fault.CPUCores), f.stop)
	}
	if fault.Crash || fault.CrashLoop {
		time.AfterFunc(exitDelay, func() { f.exit(1) })
	}
	return nil
}

// ServeHTTP answers GET with the present fault, POST by changing the fields that the body names, DELETE by mending all.
func (f *Faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fault := f.Current()
	switch r.Method {
	case http.MethodGet:
		answer(w, http.StatusOK, fault)
		return
	case http.MethodDelete:
		fault = Fault{}
	case http.MethodPost:
		var body bytes.Buffer
		_, err := body.ReadFrom(r.Body)
		decoder := json.NewDecoder(&body)
		decoder.DisallowUnknownFields()
		if err == nil {
			err = decoder.Decode(&fault)
		}
		if err != nil {
			answer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
	default:
		answer(w, http.StatusMethodNotAllowed, map[string]string{"error": "use GET, POST or DELETE"})
		return
	}
	if err := f.Set(fault); err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	answer(w, http.StatusOK, fault)
}

// holdMemory takes memory outside the garbage collector's sight, so that exactly this much is used, and gives it back.
func holdMemory(mib int, stop <-chan struct{}) {
	var held [][]byte
	defer func() {
		for _, block := range held {
			_ = syscall.Munmap(block)
		}
	}()
	for taken := 0; taken < mib; taken += memoryStepMiB {
		block, err := syscall.Mmap(-1, 0, min(memoryStepMiB, mib-taken)<<20,
			syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		if err != nil {
			break
		}
		for i := 0; i < len(block); i += os.Getpagesize() {
			block[i] = 1 // a page counts only once it is written to
		}
		held = append(held, block)
		select {
		case <-stop:
			return
		case <-time.After(memoryPause):
		}
	}
	<-stop
}

// burn keeps one core busy for this share of the time.
func burn(share float64, stop <-chan struct{}) {
	busy := time.Duration(share * float64(cpuSlice))
	for {
		select {
		case <-stop:
			return
		default:
		}
		for start := time.Now(); time.Since(start) < busy; {
		}
		time.Sleep(cpuSlice - busy)
	}
}
