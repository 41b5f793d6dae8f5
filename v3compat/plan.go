package v3compat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Target says which state of the database is wanted. The zero value is the
// latest one.
//
// A state of a v0.3.x backup is that at the end of an object: what was
// committed between two of them shows with the second. The time of a state is
// when its last object was written.
type Target struct {
	// Generation is the one to restore from; empty means the one that has the
	// newest state, of those not after Timestamp.
	Generation string

	// Index, if not nil, asks for the state at the end of the log of this
	// index. It needs Generation and excludes Timestamp.
	Index *int

	// Timestamp asks for the newest state that is not after it. Zero means
	// now; one after the last state gives the last state (Plan.Latest).
	Timestamp time.Time

	// Without are the keys of objects that a restore has found to be damaged: they
	// are there, and cannot be used.
	Without []string
}

func (t Target) check() error {
	switch {
	case t.Index != nil && t.Generation == "":
		return errors.New("an index without a generation: each generation has its own")
	case t.Index != nil && !t.Timestamp.IsZero():
		return errors.New("an index and a timestamp: only one of them can be the target")
	case t.Index != nil && *t.Index < 0:
		return fmt.Errorf("negative index %d", *t.Index)
	case t.Generation != "":
		return CheckGenerationID(t.Generation)
	}
	return nil
}

// late reports whether a state comes after the target.
func (t Target) late(pos Pos, at time.Time) bool {
	return t.Index != nil && pos.Index > *t.Index || !t.Timestamp.IsZero() && at.After(t.Timestamp)
}

// String names the target in an error: "latest state of generation ...".
func (t Target) String() string {
	s := "latest state"
	switch {
	case t.Index != nil:
		s = fmt.Sprintf("index %08x", *t.Index)
	case !t.Timestamp.IsZero():
		s = "state at " + t.Timestamp.UTC().Format(time.RFC3339Nano)
	}
	if t.Generation != "" {
		s += " of generation " + t.Generation
	}
	return s
}

// Plan says what a restore will read, and what comes out.
type Plan struct {
	Generation string
	Snapshot   SnapshotInfo
	Segments   []WALSegmentInfo // in the order in which they are applied

	Bytes    int64 // stored size of the snapshot and the segments
	Requests int   // how many objects they are

	// Pos is where the last object starts; Time is when the newest of the
	// objects was written, which is the time of the state.
	Pos  Pos
	Time time.Time

	// MayMiss says that a segment may be missing which no name shows: the last one of
	// an index, in a generation without times.json. What the restore finds is an
	// error; for the rest, SQLite's integrity check is the means.
	MayMiss bool

	// Latest says that there is no newer state: not in the target's
	// generation, or not in any, where the target names none.
	Latest bool
}

// check refuses a plan that no backup leads to: one that was not made by
// [Reader.Plan], or was changed since.
func (p *Plan) check() error {
	if p == nil {
		return errors.New("no plan given")
	}
	last := p.Snapshot.Pos()
	err := checkPos(p.Generation, last.Index, 0)
	if last.Generation != p.Generation && err == nil {
		err = fmt.Errorf("a snapshot of generation %q in a plan for another", last.Generation)
	}
	for i, s := range p.Segments {
		next := i == 0 || s.Index != last.Index // begins a log
		follows := next && s.Offset == 0 && s.Index == last.Index+min(i, 1) || !next && s.Offset > last.Offset
		if err == nil && (!follows || s.Generation != p.Generation) {
			err = fmt.Errorf("segment %v does not follow %v", s.Pos(), last)
		}
		last = s.Pos()
	}
	return err
}

// Plan finds the way to a state that reads the fewest bytes; in a generation without
// times.json, the way from the newest snapshot, since the fewest logs can have lost their
// end there. It lists each
// generation that can be meant once, reads their times.json, and nothing else:
// it judges by names, and what only content shows is left to [Reader.Restore].
//
// The newest state there is counts, whether it can be restored or not: where a
// hole is in the way the answer is an *[UnreachableError], never an older state
// or another generation. A backup with no object at all is ErrNoObjects. A
// time that is needed and not known is [ErrTimes].
func (r *Reader) Plan(ctx context.Context, target Target) (*Plan, error) {
	plan, err := r.plan(ctx, target)
	if err != nil {
		return nil, fmt.Errorf("plan %v: %w", target, err)
	}
	return plan, nil
}

func (r *Reader) plan(ctx context.Context, target Target) (*Plan, error) {
	if err := target.check(); err != nil {
		return nil, err
	}
	found, err := r.examine(ctx, target.Generation, target.Without...)
	if err != nil {
		return nil, err
	}
	best, err := newest(found, target)
	if err != nil {
		return nil, err
	}
	plan, gap := best.cheapest()
	if gap != nil {
		e := unreachable(found, target, gap)
		e.Time = best.at
		return nil, e
	}
	plan.Latest = true
	for _, in := range found {
		plan.Latest = plan.Latest && !in.goesBeyond(plan)
	}
	return plan, nil
}

// examine lists and judges one generation, or all where none is named.
func (r *Reader) examine(ctx context.Context, generation string, without ...string) ([]*inspection, error) {
	generations := []string{generation}
	if generation == "" {
		var err error
		if generations, err = r.Generations(ctx); err != nil {
			return nil, err
		}
	}
	var found []*inspection
	for _, id := range generations {
		in := &inspection{generation: id}
		err := in.list(ctx, r)
		if err == nil {
			err = in.lookAtEmpty(ctx, r.from())
		}
		if err != nil {
			return nil, fmt.Errorf("list generation %q: %w", id, err)
		}
		if len(in.snapshots)+len(in.segments) > 0 {
			for o := range in.all {
				if slices.Contains(without, o.Key) {
					o.damage = "damaged"
				}
			}
			in.check()
			found = append(found, in)
		}
	}
	if len(found) == 0 {
		return nil, ErrNoObjects
	}
	return found, nil
}

// goesBeyond reports whether the generation has an object that is not in the
// plan and comes after it.
func (in *inspection) goesBeyond(plan *Plan) bool {
	if in.generation != plan.Generation {
		for o := range in.all {
			if o.At.After(plan.Time) {
				return true
			}
		}
		return false
	}
	if n := len(in.segments); n > 0 && in.segments[n-1].Pos.Index >= plan.Snapshot.Index {
		last := in.segments[n-1]
		if len(plan.Segments) == 0 || last.Pos != plan.Pos {
			return true
		}
	}
	n := len(in.snapshots)
	return in.snapshots[n-1].Pos.Index > plan.Pos.Index
}
