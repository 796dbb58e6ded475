// Writes synthetic series as Prometheus blocks. What they are comes as JSON on standard input.
package main

import (
	"context"
	"encoding/json"
	"log"
	"log/slog"
	"math"
	"os"
	"sync"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/tsdb"
)

// atOnce is how many blocks are made at the same time; each is in memory until it is whole.
const atOnce = 2

type order struct {
	Folder                  string
	Start, End, Step, Block int64 // seconds
	Lines                   []line
}

type line struct {
	Series    string  // as the text format has it
	PerSecond float64 `json:"per_second"` // of a counter
	Value     float64 // of anything else
	Wave      float64 // how far that goes up and down
	labels    labels.Labels
}

func main() {
	var what order
	if err := json.NewDecoder(os.Stdin).Decode(&what); err != nil {
		log.Fatal(err)
	}
	for number := range what.Lines {
		one := &what.Lines[number]
		var err error
		if one.labels, err = parser.ParseMetric(one.Series); err != nil {
			log.Fatal(err)
		}
	}
	starts := make(chan int64)
	var running sync.WaitGroup
	for range atOnce {
		running.Add(1)
		go func() {
			defer running.Done()
			for start := range starts {
				if err := what.write(start, min(start+what.Block, what.End)); err != nil {
					log.Fatal(err)
				}
			}
		}()
	}
	for start := what.Start; start < what.End; start += what.Block {
		starts <- start
	}
	close(starts)
	running.Wait()
}

func (what order) write(start, end int64) error {
	// The writer cuts nothing: its size only has to be above what it gets.
	block, err := tsdb.NewBlockWriter(slog.New(slog.DiscardHandler), what.Folder, 2*what.Block*1000)
	if err != nil {
		return err
	}
	defer block.Close()
	for number, one := range what.Lines {
		appender := block.Appender(context.Background())
		for moment := start; moment < end; moment += what.Step {
			if _, err := appender.Append(0, one.labels, moment*1000, one.at(moment, number)); err != nil {
				return err
			}
		}
		if err := appender.Commit(); err != nil {
			return err
		}
	}
	_, err = block.Flush(context.Background())
	return err
}

func (one line) at(moment int64, number int) float64 {
	if one.PerSecond > 0 {
		// Whole requests, as counters count them; fractions would compress badly, and that is not what pods expose.
		return math.Floor(float64(moment-1_600_000_000) * one.PerSecond)
	}
	return one.Value + one.Wave*math.Sin(float64(moment)/9000+float64(number))
}
