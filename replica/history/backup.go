package history

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/replctl/replicate/internal/scratch"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/v3compat"
)

// chain is an unbroken chain of a v0.3 backup, from a snapshot on.
type chain struct {
	*v3compat.Plan
	sizes map[v3compat.Pos]int64 // of its segments
}

// backup is the steps of a v0.3 backup: each chain is restored once.
func (r *replay) backup(ctx context.Context, do func(*step) error) (found bool, err error) {
	reader := r.files.Backup()
	generations, err := reader.Generations(ctx)
	if err != nil {
		return false, err
	}
	var chains []chain
	for _, id := range generations {
		rep, err := reader.Inspect(ctx, id, v3compat.InspectOptions{})
		if errors.Is(err, v3compat.ErrNoObjects) {
			continue
		} else if err != nil {
			return false, err
		}
		points, err := reader.Points(ctx, id)
		if err != nil {
			return false, err
		}
		found = true
		for _, p := range rep.Problems {
			if p.Severity == replica.SeverityError {
				r.problem(p.Object, p.Message)
			}
		}
		chains = append(chains, r.chains(rep, points)...)
	}
	slices.SortStableFunc(chains, func(a, b chain) int { return a.Snapshot.CreatedAt.Compare(b.Snapshot.CreatedAt) })
	for _, c := range chains {
		err := r.restore(ctx, c, do)
		if key, isDamaged := r.files.DamagedObject(err); isDamaged && !replica.IsRefusal(err) {
			r.problem(key, err.Error())
		} else if err != nil {
			return found, err
		}
	}
	return found, nil
}

// chains is what is read of a generation, with the last snapshot before the first moment that is
// asked for.
func (r *replay) chains(rep *v3compat.Report, points []v3compat.Point) (chains []chain) {
	since := r.since
	if n := len(points) - r.last; r.last > 0 && n > 0 && points[n].Time.After(since) {
		since = points[n].Time
	}
	for _, e := range rep.Restorable {
		if e.ToTime.Before(since) || !r.until.IsZero() && e.FromTime.After(r.until) {
			continue
		}
		for _, s := range rep.Snapshots {
			isLater := e.From.Index < s.Index && s.Index <= e.To.Index
			if isLater && s.CreatedAt.Before(since) {
				e.From, e.FromTime = s.Pos(), s.CreatedAt
			}
		}
		c := chain{rep.Plan(e, points), map[v3compat.Pos]int64{}}
		for _, seg := range c.Segments {
			c.sizes[seg.Pos()] = seg.Size
		}
		chains = append(chains, c)
	}
	return chains
}

// errUntil ends a restore at the last moment that is asked for.
var errUntil = errors.New("that is the last moment")

// restore restores a chain to a file, and stops at each state.
func (r *replay) restore(ctx context.Context, c chain, do func(*step) error) error {
	if _, err := r.meter.allow(c.Bytes); err != nil {
		return err
	}
	f, err := scratch.New(r.opts.TempDir)
	if err != nil {
		return err
	}
	defer f.Drop()
	first := true
	opts := v3compat.RestoreOptions{Concurrency: r.opts.Concurrency, OnState: func(s v3compat.State) error {
		if !r.until.IsZero() && s.Time.After(r.until) {
			return errUntil
		}
		if s.Size == 0 { // a database without pages
			return nil
		}
		at := &step{point: replica.Point{Pos: s.Pos, Time: s.Time}, base: r.isBase(s.Time), first: first,
			whole: first, pages: s.Pages, stored: c.sizes[s.Pos], pageSize: uint32(s.PageSize)}
		if s.Snapshot {
			at.stored = c.Snapshot.Size
		}
		at.db = io.NewSectionReader(f, 0, int64(s.PageSize)*int64(s.Size))
		first = false
		return do(at)
	}}
	if r.progress != nil {
		opts.Progress = replica.SumProgress(func(done, total int64) { r.progress(int(done), int(total)) }, c.Bytes)
	}
	r.meter.add(int64(c.Requests), c.Bytes)
	if _, err = r.files.Backup().Restore(ctx, c.Plan, f, opts); errors.Is(err, errUntil) {
		return nil
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// isBase reports whether a time is before those that are asked for.
func (r *replay) isBase(t time.Time) bool { return t.Before(r.since) }
