package main

import (
	"context"
	"regexp"
	"slices"
	"time"
)

// An operation is one row of the table on each backend that has it.
type operation struct {
	name string
	kind kind // of the backends that have it; zero for all
	reps int  // repetitions in a round; 1 if zero

	// setup makes what the sides work on, once; it may be nil.
	setup func(ctx context.Context, p *place) error
	// open makes the sides. It is called a second time for the sides that are
	// counted, with the place behind the counting proxy.
	open func(ctx context.Context, p *place) (contest, error)
	// uncounted is set where the number of requests is a matter of chance, or of
	// time.
	uncounted bool
}

// A side does the work once, between Start and Stop of the watch; what is before
// and after is neither timed nor counted.
type side func(ctx context.Context, w *watch) error

// contest is who takes part; nil where there is nobody.
type contest struct {
	ours, theirs, floor side
}

// The sides by name, as in results.
const (
	oursName   = "ours"
	theirsName = "litestream"
	floorName  = "floor"
)

func (c contest) all() map[string]side {
	all := make(map[string]side)
	for name, s := range map[string]side{oursName: c.ours, theirsName: c.theirs, floorName: c.floor} {
		if s != nil {
			all[name] = s
		}
	}
	return all
}

// timed is a side all of whose work counts.
func timed(work func(ctx context.Context) error) side {
	return func(ctx context.Context, w *watch) error {
		w.Start()
		defer w.Stop()
		return work(ctx)
	}
}

// sizes are how much of everything there is.
type sizes struct {
	Rounds   int           // at least
	Span     time.Duration // in which more rounds are begun, if there is time left
	Reps     int           // of small operations in a round
	Large    int64         // bytes of a large file
	Small    int64         // bytes of a small file
	ListFile int           // files listed in a directory
	ListS3   int           // and in a bucket
	Deletes  int
	Segments int   // of a v0.3.x backup
	Restore  int64 // bytes of a database to restore
	Poll     time.Duration
	Throttle int64 // bytes per second of a throttled connection
}

var (
	full = sizes{
		Rounds: 5, Span: 5 * time.Second, Reps: 25, Large: 120 << 20, Small: 4000, ListFile: 100_000, ListS3: 5000, Deletes: 5000,
		Segments: 10_000, Restore: 256 << 20, Poll: 200 * time.Millisecond, Throttle: 50e6,
	}
	tiny = sizes{
		Rounds: 2, Reps: 2, Large: 1 << 20, Small: 4000, ListFile: 50, ListS3: 20, Deletes: 20,
		Segments: 20, Restore: 1 << 20, Poll: 20 * time.Millisecond, Throttle: 50e6,
	}
)

// operations are all there are, in the order of the table.
func operations(s sizes) []operation {
	return slices.Concat(writes(s), lists(), reads(s), deletes(), leases(s), backups(), restores())
}

// chosen are the operations that a backend has and pattern, which matches
// "backend/operation", does not exclude.
func chosen(all []operation, backend string, k kind, pattern *regexp.Regexp) (ops []operation) {
	for _, op := range all {
		if (op.kind == 0 || op.kind == k) && pattern.MatchString(backend+"/"+op.name) {
			ops = append(ops, op)
		}
	}
	return ops
}
