package migrate

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/v3compat"
)

// source is what a migration reads.
type source struct {
	reader    *v3compat.Reader
	plans     []*v3compat.Plan // in the order of time: one, or the unbroken chains
	snapshots map[string][]int // indices of a generation's snapshots, with History
	bytes     int64            // of all plans
	id        uint64           // of what is read, and how
}

func newSource(ctx context.Context, files *replica.Files, opts Options, damaged []string) (*source, error) {
	s := &source{reader: files.Backup(), snapshots: map[string][]int{}}
	var err error
	if opts.History {
		err = s.findHistory(ctx, opts.Partial)
	} else {
		var plan *restore.Plan
		if plan, err = restore.PlanBackup(ctx, files, opts.Target, damaged); err == nil {
			s.plans = []*v3compat.Plan{plan.Backup}
		}
	}
	if err != nil {
		return nil, err
	}
	if len(s.plans) == 0 {
		return nil, replica.ErrNoReplica
	}
	if err := s.checkTimes(); err != nil {
		return nil, err
	}
	for _, p := range s.plans {
		s.bytes += p.Bytes
	}
	s.id = s.identify(opts.History)
	return s, nil
}

// findHistory finds the unbroken chains of all generations.
func (s *source) findHistory(ctx context.Context, partial bool) error {
	generations, err := s.reader.Generations(ctx)
	if err != nil {
		return err
	}
	var found []*v3compat.Report
	for _, id := range generations {
		rep, err := s.reader.Inspect(ctx, id, v3compat.InspectOptions{})
		switch {
		case errors.Is(err, v3compat.ErrNoObjects): // a directory with nothing in it
			continue
		case err != nil:
			return err
		}
		found = append(found, rep)
		for _, snapshot := range rep.Snapshots {
			s.snapshots[id] = append(s.snapshots[id], snapshot.Index)
		}
		points, err := s.reader.Points(ctx, id)
		if err != nil {
			return err
		}
		for _, e := range rep.Restorable {
			s.plans = append(s.plans, rep.Plan(e, points))
		}
	}
	if len(found) == 0 {
		return replica.ErrNoReplica
	}
	slices.SortFunc(s.plans, func(a, b *v3compat.Plan) int { return a.Snapshot.CreatedAt.Compare(b.Snapshot.CreatedAt) })
	if !partial || len(s.plans) == 0 {
		return s.checkWhole(found)
	}
	return nil
}

// checkWhole refuses a backup that states are missing from, and says which ones
// are there.
func (s *source) checkWhole(found []*v3compat.Report) error {
	var e *restore.PlanError
	for _, rep := range found {
		for _, p := range rep.Problems {
			if p.Severity == v3compat.SeverityError && e == nil {
				e = &restore.PlanError{Format: replica.FormatV3, Reason: p.Object + ": " + p.Message, Kind: replica.ErrDamaged}
			}
		}
	}
	if e == nil {
		return nil
	}
	var windows []string
	for _, p := range s.plans {
		windows = append(windows, replica.FormatTime(p.Snapshot.CreatedAt)+" to "+replica.FormatTime(p.Time))
		e.Before = replica.Point{Pos: p.Pos, Time: p.Time}
	}
	if len(windows) == 0 {
		e.Reason += "; nothing can be migrated"
	} else {
		e.Reason += "; what can be migrated is " + strings.Join(windows, ", ")
	}
	return e
}

// checkTimes refuses what cannot be put in order.
func (s *source) checkTimes() error {
	var end time.Time
	for i, p := range s.plans {
		for key, at := range planObjects(p) {
			if at.IsZero() {
				return fmt.Errorf("%s: %w: when it was written is not known", key, v3compat.ErrTimes)
			}
		}
		if i > 0 && !end.Before(p.Snapshot.CreatedAt) {
			return fmt.Errorf("generation %s goes on until %s, and %s begins at %s: two replicators wrote at the same time, "+
				"or a copy has lost the times, and the states cannot be put in one order",
				s.plans[i-1].Generation, replica.FormatTime(end), p.Generation, replica.FormatTime(p.Snapshot.CreatedAt))
		}
		end = p.Time
	}
	return nil
}

func planObjects(p *v3compat.Plan) func(yield func(key string, at time.Time) bool) {
	return func(yield func(string, time.Time) bool) {
		if !yield(v3compat.SnapshotKey(p.Generation, p.Snapshot.Index), p.Snapshot.CreatedAt) {
			return
		}
		for _, seg := range p.Segments {
			if !yield(v3compat.WALSegmentKey(p.Generation, seg.Index, seg.Offset), seg.CreatedAt) {
				return
			}
		}
	}
}

// identify is a number for what is migrated, never zero. One state is the same by
// whichever objects it is reached; the history is the same for the same objects.
func (s *source) identify(history bool) uint64 {
	h := sha256.New()
	line := func(args ...any) { _, _ = fmt.Fprintln(h, args...) }
	line("migration 1", history)
	for _, p := range s.plans {
		if !history {
			line(p.Pos, p.Time.UnixNano())
			continue
		}
		line(v3compat.SnapshotKey(p.Generation, p.Snapshot.Index), p.Snapshot.Size, p.Snapshot.CreatedAt.UnixNano())
		for _, seg := range p.Segments {
			line(v3compat.WALSegmentKey(p.Generation, seg.Index, seg.Offset), seg.Size, seg.CreatedAt.UnixNano())
		}
	}
	return max(1, binary.BigEndian.Uint64(h.Sum(nil)))
}
