// Writes synthetic series as Prometheus blocks. What they are comes as JSON on standard input.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
)

const (
	// How many blocks are made at the same time.
	atOnce = 2
	// As Prometheus cuts its chunks: by samples, and where the first block of a sample ends.
	samplesAtMost = 120
	secondsAtMost = 7200
)

type order struct {
	Folder            string
	Start, End, Block int64 // seconds
	Lines             []line
}

type line struct {
	Series    string  // as the text format has it
	Step      int64   `json:"step_seconds"`
	PerSecond float64 `json:"per_second"` // of a counter
	Value     float64 // of anything else
	Wave      float64 // how far that goes up and down
	labels    labels.Labels
	number    int
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
		one.number = number
	}
	// the order that an index has
	slices.SortFunc(what.Lines, func(a, b line) int { return labels.Compare(a.labels, b.labels) })
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

// write makes one block, of chunks as they are stored: through Prometheus' head it takes five times as long.
func (what order) write(start, end int64) error {
	meta := tsdb.BlockMeta{MinTime: start * 1000, MaxTime: end * 1000, Version: 1}
	// any 26 digits are a block's name
	if err := meta.ULID.UnmarshalText(fmt.Appendf(nil, "%026d", start)); err != nil {
		return err
	}
	meta.Compaction.Level = 1
	meta.Compaction.Sources = append(meta.Compaction.Sources, meta.ULID)
	folder := filepath.Join(what.Folder, meta.ULID.String())
	stored, err := chunks.NewWriter(filepath.Join(folder, "chunks"))
	if err != nil {
		return err
	}
	named, err := index.NewWriter(context.Background(), filepath.Join(folder, "index"))
	if err != nil {
		return err
	}
	for _, symbol := range what.symbols() {
		if err := named.AddSymbol(symbol); err != nil {
			return err
		}
	}
	for number, one := range what.Lines {
		made, err := one.chunks(start, end)
		if err != nil {
			return err
		}
		if err := stored.WriteChunks(made...); err != nil {
			return err
		}
		if err := named.AddSeries(storage.SeriesRef(number), one.labels, made...); err != nil {
			return err
		}
		meta.Stats.NumSeries++
		meta.Stats.NumChunks += uint64(len(made))
	}
	if err := stored.Close(); err != nil {
		return err
	}
	if err := named.Close(); err != nil {
		return err
	}
	text, err := json.Marshal(meta)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "meta.json"), text, 0o644)
}

func (what order) symbols() []string {
	found := map[string]struct{}{}
	for _, one := range what.Lines {
		one.labels.Range(func(label labels.Label) {
			found[label.Name], found[label.Value] = struct{}{}, struct{}{}
		})
	}
	return slices.Sorted(maps.Keys(found))
}

func (one line) chunks(start, end int64) ([]chunks.Meta, error) {
	var made []chunks.Meta
	lasts := min(samplesAtMost*one.Step, secondsAtMost)
	for first := start; first < end; first += lasts {
		chunk := chunkenc.NewXORChunk()
		samples, err := chunk.Appender()
		if err != nil {
			return nil, err
		}
		past := min(first+lasts, end)
		for moment := first; moment < past; moment += one.Step {
			samples.Append(moment*1000, one.at(moment))
		}
		last := first + (past-1-first)/one.Step*one.Step
		made = append(made, chunks.Meta{Chunk: chunk, MinTime: first * 1000, MaxTime: last * 1000})
	}
	return made, nil
}

func (one line) at(moment int64) float64 {
	if one.PerSecond > 0 {
		// Whole requests, as counters count them; fractions would compress badly, and that is not what pods expose.
		return math.Floor(float64(moment-1_600_000_000) * one.PerSecond)
	}
	return one.Value + one.Wave*math.Sin(float64(moment)/9000+float64(one.number))
}
