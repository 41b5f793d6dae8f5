package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/replctl/replicate/bench/internal/proxy"
)

// result is one row.
type result struct {
	Operation  string  `json:"operation"`
	Backend    string  `json:"backend"`
	Rounds     int     `json:"rounds"`
	Reps       int     `json:"reps"` // in each round
	Ours       *cost   `json:"ours"`
	Litestream *cost   `json:"litestream,omitempty"`
	Floor      *cost   `json:"floor,omitempty"`
	Ratio      float64 `json:"ratio,omitempty"`       // ours / Litestream's
	FloorRatio float64 `json:"floor_ratio,omitempty"` // ours / the floor

	// Quartiles are those of the rounds' ratios.
	Quartiles *[2]float64 `json:"ratio_quartiles,omitempty"`
}

// cost is what one repetition costs a side: medians of the rounds.
type cost struct {
	Seconds   float64  `json:"seconds"`
	Worst     float64  `json:"worst_seconds"` // the slowest repetition of all
	CPU       float64  `json:"cpu_seconds"`   // of this process, on all processors
	Allocated uint64   `json:"allocated_bytes"`
	PeakHeap  uint64   `json:"peak_heap_bytes"`
	Requests  requests `json:"requests,omitempty"`
}

// measure runs one operation at a place.
func measure(ctx context.Context, op operation, p *place) (result, error) {
	r, err := measureAt(ctx, op, p)
	if err != nil {
		return result{}, fmt.Errorf("%s on %s: %w", op.name, p.backend.name, err)
	}
	return r, nil
}

func measureAt(ctx context.Context, op operation, p *place) (result, error) {
	if op.setup != nil {
		if err := op.setup(ctx, p); err != nil {
			return result{}, fmt.Errorf("set up: %w", err)
		}
	}
	counts, err := count(ctx, op, p)
	if err != nil {
		return result{}, fmt.Errorf("counted run: %w", err)
	}
	c, err := op.open(ctx, p)
	if err != nil {
		return result{}, err
	}
	reps := max(1, op.reps)
	rounds := make(map[string][]*watch)
	start := time.Now()
	for round := 0; p.another(round, start); round++ { // the first warms up
		for _, name := range order(round) {
			s := c.all()[name]
			if s == nil {
				continue
			}
			w, err := repeat(ctx, s, nil, reps)
			if err != nil {
				return result{}, fmt.Errorf("%s: %w", name, err)
			}
			if round > 0 {
				rounds[name] = append(rounds[name], w)
			}
		}
	}
	return summary(op, p, reps, rounds, counts), nil
}

// maxRounds are enough of any operation.
const maxRounds = 100

// another reports whether there is to be a round.
func (p *place) another(round int, start time.Time) bool {
	return round <= p.size.Rounds || round <= maxRounds && time.Since(start) < p.size.Span
}

// order is who comes first in a round: each side is as often before another as
// after it.
func order(round int) []string {
	names := []string{oursName, theirsName, floorName}
	if round%2 == 1 {
		slices.Reverse(names)
	}
	return names
}

func repeat(ctx context.Context, s side, c *proxy.Proxy, reps int) (*watch, error) {
	w := newWatch(c)
	defer w.end()
	for range reps {
		if err := s(ctx, w); err != nil {
			return nil, err
		}
	}
	if w.reps != reps {
		return nil, errors.New("the watch was not stopped")
	}
	return w, nil
}

// count runs each side once through the counting proxy.
func count(ctx context.Context, op operation, p *place) (map[string]requests, error) {
	if p.backend.kind != kindS3 || op.uncounted {
		return nil, nil
	}
	c, err := op.open(ctx, p.at("counted").through(p.backend.counter.URL))
	if err != nil {
		return nil, err
	}
	counts := make(map[string]requests)
	for name, s := range c.all() {
		w, err := repeat(ctx, s, p.backend.counter, 1)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		counts[name] = w.requests
	}
	return counts, nil
}

func summary(op operation, p *place, reps int, rounds map[string][]*watch, counts map[string]requests) result {
	r := result{Operation: op.name, Backend: p.backend.name, Rounds: len(rounds[oursName]), Reps: reps}
	for name, field := range map[string]**cost{oursName: &r.Ours, theirsName: &r.Litestream, floorName: &r.Floor} {
		if ws := rounds[name]; ws != nil {
			*field = costOf(ws, counts[name])
		}
	}
	ofTheirs := ratios(rounds[oursName], rounds[theirsName])
	r.Ratio, r.FloorRatio = median(ofTheirs), median(ratios(rounds[oursName], rounds[floorName]))
	r.Quartiles = quartilesOf(ofTheirs)
	return r
}

func costOf(ws []*watch, counted requests) *cost {
	var times, longest, cpus []time.Duration
	var allocs, peaks []uint64
	for _, w := range ws {
		times = append(times, w.took/time.Duration(w.reps))
		longest = append(longest, w.longest)
		cpus = append(cpus, w.cpu/time.Duration(w.reps))
		allocs = append(allocs, w.allocs/uint64(w.reps))
		peaks = append(peaks, w.peak)
	}
	return &cost{
		Seconds: median(times).Seconds(), Worst: slices.Max(longest).Seconds(), CPU: median(cpus).Seconds(),
		Allocated: median(allocs), PeakHeap: median(peaks), Requests: counted,
	}
}

// ratios are those of the rounds.
func ratios(a, b []*watch) (rs []float64) {
	for i := range min(len(a), len(b)) {
		rs = append(rs, float64(a[i].took)/float64(max(1, b[i].took)))
	}
	return rs
}

// median is the lower of the two in the middle of an even number; zero of none.
func median[T cmp.Ordered](values []T) (m T) {
	if len(values) == 0 {
		return m
	}
	return slices.Sorted(slices.Values(values))[(len(values)-1)/2]
}

// quartilesOf are between what the middle half of the values are; nil of none.
func quartilesOf(values []float64) *[2]float64 {
	n := len(values)
	if n == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(values))
	return &[2]float64{sorted[n/4], sorted[n-1-n/4]}
}
