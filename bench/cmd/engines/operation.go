package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// side is something that keeps records.
type side interface {
	title() string
	// client returns what client i does: get reads its record, cas replaces it on condition.
	client(ctx context.Context, i int) (get, cas func(context.Context) error, err error)
	// watch calls see with each value of a record that it gets to know, until ctx ends.
	watch(ctx context.Context, key string, see func(value string)) error
	put(ctx context.Context, key, value string) error
}

// operation is what is measured.
type operation struct {
	name string
	can  func(side) bool
	// run measures for a while, and returns how long each took.
	run  func(ctx context.Context, s side, clients int, d time.Duration) ([]time.Duration, error)
	busy bool // clients do nothing else meanwhile, so that there is a rate
}

var operations = []operation{
	{"get", anySide, gets, true},
	{"compare-and-swap", anySide, swaps, true},
	{"watch latency", watches, watchLatency, false},
	{"lease acquire", leases, acquire, false},
	{"lease hand-over", leases, handOver, false},
	{"config: activate a snapshot", hasFacades, facade(func(ctx context.Context, f facades, i, n int) error {
		return f.activate(ctx, i, n)
	}), true},
	{"config: read the active snapshot", hasFacades, facade(func(ctx context.Context, f facades, i, _ int) error {
		return f.active(ctx, i)
	}), true},
	{"logstate: update a checkpoint", hasFacades, facade(func(ctx context.Context, f facades, i, n int) error {
		return f.update(ctx, i, n)
	}), true},
}

func anySide(side) bool { return true }

func watches(s side) bool { return !isRaw(s) }

func isRaw(s side) bool {
	_, is := s.(*raw)
	return is
}

func leases(s side) bool {
	_, ok := s.(*records)
	return ok
}

// result is a cell of the table.
type result struct {
	median   time.Duration
	rate     float64 // a second: clients by the mean, so without waiting for a processor; 0 if there is none
	requests float64 // for one operation; 0 if they are not counted
	ratio    float64 // to the side without this project, median of the turns; 0 if there is none
}

func (r result) String() string {
	unit := time.Microsecond
	if r.median > 10*time.Millisecond {
		unit = 100 * time.Microsecond
	}
	text := r.median.Round(unit).String()
	if r.rate > 0 {
		text += fmt.Sprintf(", %.0f/s", r.rate)
	}
	if r.ratio > 0 {
		text += fmt.Sprintf(" (%.2f)", r.ratio)
	}
	return text
}

// measure gives each side its turns, one after the other, in an order that changes.
func (b *bench) measure(ctx context.Context, op operation, sides []side, clients int) ([]result, error) {
	took, medians := make([][]time.Duration, len(sides)), make([][]float64, len(sides))
	asked := make([]int64, len(sides))
	for turn := range b.turns + 1 {
		for k := range sides {
			i := k
			if turn%2 == 1 {
				i = len(sides) - 1 - k
			}
			before := requests(sides[i])
			all, err := op.run(ctx, sides[i], clients, b.slice)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", sides[i].title(), err)
			}
			if turn > 0 { // the first warms up
				took[i], asked[i] = append(took[i], all...), asked[i]+requests(sides[i])-before
				medians[i] = append(medians[i], float64(median(all)))
			}
		}
	}
	results := make([]result, len(sides))
	for i, all := range took {
		results[i] = result{median: median(all), requests: float64(asked[i]) / float64(len(all))}
		if i+1 < len(sides) && isRaw(sides[i+1]) {
			var ratios []float64
			for turn, m := range medians[i] {
				ratios = append(ratios, m/medians[i+1][turn])
			}
			results[i].ratio = median(ratios)
		}
		if op.busy {
			sum := time.Duration(0)
			for _, d := range all {
				sum += d
			}
			results[i].rate = float64(clients*len(all)) / sum.Seconds()
		}
	}
	return results, nil
}

func median[T cmp.Ordered](all []T) T {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

// requests is how many an engine was sent.
func requests(s side) int64 {
	if s, ok := s.(*records); ok {
		return s.store.requests.Load()
	}
	return 0
}

func gets(ctx context.Context, s side, clients int, d time.Duration) ([]time.Duration, error) {
	return each(ctx, s, clients, d, false)
}

func swaps(ctx context.Context, s side, clients int, d time.Duration) ([]time.Duration, error) {
	return each(ctx, s, clients, d, true)
}

// each has clients do one of the two operations, again and again.
func each(ctx context.Context, s side, clients int, d time.Duration, swap bool) ([]time.Duration, error) {
	dos := make([]func(context.Context) error, clients)
	for i := range dos {
		get, cas, err := s.client(ctx, i)
		if err != nil {
			return nil, err
		}
		dos[i] = get
		if swap {
			dos[i] = cas
		}
	}
	until := time.Now().Add(d)
	return together(clients, func(i int) (all []time.Duration, err error) {
		for first := true; first || time.Now().Before(until); first = false {
			began := time.Now()
			if err := dos[i](ctx); err != nil {
				return nil, err
			}
			all = append(all, time.Since(began))
		}
		return all, nil
	})
}

// together runs clients at once.
func together(clients int, do func(i int) ([]time.Duration, error)) (all []time.Duration, first error) {
	var mu sync.Mutex
	var running sync.WaitGroup
	for i := range clients {
		running.Go(func() {
			took, err := do(i)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
			if first == nil {
				first = err
			}
		})
	}
	running.Wait()
	return all, first
}

// watchLatency has clients watch one record. Each change is measured from before it is written
// until a client has seen it.
func watchLatency(ctx context.Context, s side, clients int, d time.Duration) (all []time.Duration, err error) {
	const key = "watched/record"
	if err := s.put(ctx, key, "begin"); err != nil {
		return nil, err
	}
	watching, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	seen := make(chan string, 4*clients)
	for range clients {
		running.Go(func() {
			last := ""
			_ = s.watch(watching, key, func(value string) {
				if value != last {
					last = value
					seen <- value
				}
			})
		})
	}
	wait := func(value string) (took []time.Duration, err error) {
		began := time.Now()
		if value != "begin" {
			if err := s.put(ctx, key, value); err != nil {
				return nil, err
			}
		}
		for len(took) < clients {
			select {
			case got := <-seen:
				if got == value {
					took = append(took, time.Since(began))
				}
			case <-time.After(10 * time.Second):
				return nil, fmt.Errorf("%d of %d have seen %q", len(took), clients, value)
			}
		}
		return took, nil
	}
	if _, err := wait("begin"); err != nil {
		return nil, err
	}
	until := time.Now().Add(d)
	for n := 0; n == 0 || time.Now().Before(until); n++ {
		took, err := wait(fmt.Sprint(n))
		if err != nil {
			return nil, err
		}
		all = append(all, took...)
	}
	return all, nil
}
