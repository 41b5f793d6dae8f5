package v3compat

import (
	"fmt"
	"slices"
	"sort"
	"time"
)

// eligible is what of a generation is not after a target.
type eligible struct {
	in        *inspection
	snapshots []*object
	segments  []*segment // from the index of the first of the snapshots on
	lost      []*segment
	at        time.Time // when the newest of them was written
}

// eligible cuts the generation off at the target. Of the segments it takes
// those before the first that is too late, as v0.3.13 does: where times are out
// of order, a segment is not applied without the one before it.
func (in *inspection) eligible(target Target) *eligible {
	e := &eligible{in: in}
	for _, s := range in.snapshots {
		if !target.late(s.Pos, s.At) {
			e.snapshots = append(e.snapshots, s)
			e.note(s.At)
		}
	}
	base := 0
	if len(e.snapshots) > 0 {
		base = e.snapshots[0].Pos.Index
	}
	from := sort.Search(len(in.segments), func(i int) bool { return in.segments[i].Pos.Index >= base })
	for _, s := range in.segments[from:] {
		if target.late(s.Pos, s.At) {
			break
		}
		e.segments = append(e.segments, s)
		e.note(s.At)
	}
	for _, s := range in.lost {
		if !target.late(s.Pos, s.At) {
			e.lost = append(e.lost, s)
			e.note(s.At)
		}
	}
	return e
}

func (e *eligible) note(at time.Time) {
	if at.After(e.at) {
		e.at = at
	}
}

func (e *eligible) empty() bool { return len(e.snapshots)+len(e.segments) == 0 }

// end is where the last object starts.
func (e *eligible) end() Pos {
	pos := Pos{Generation: e.in.generation}
	if n := len(e.segments); n > 0 {
		pos.Index, pos.Offset = e.segments[n-1].Pos.Index, e.segments[n-1].Pos.Offset
	}
	if n := len(e.snapshots); n > 0 && e.snapshots[n-1].Pos.Index > pos.Index {
		pos.Index, pos.Offset = e.snapshots[n-1].Pos.Index, 0
	}
	return pos
}

// newest returns the generation whose last object that is not after the target
// is the newest.
func newest(found []*inspection, target Target) (*eligible, error) {
	var best *eligible
	for _, in := range found {
		if len(found) > 1 || !target.Timestamp.IsZero() {
			if err := in.checkTimes(); err != nil {
				return nil, err
			}
		}
		e := in.eligible(target)
		if !e.empty() && (best == nil || e.at.After(best.at)) {
			best = e
		}
	}
	switch {
	case best == nil:
		return nil, unreachable(found, target, &gap{reason: "the backup begins later"})
	case target.Index != nil && best.end().Index < *target.Index:
		return nil, unreachable(found, target, &gap{reason: fmt.Sprintf("the last index is %08x", best.end().Index)})
	}
	return best, nil
}

// checkTimes refuses a generation that has an object of unknown time.
func (in *inspection) checkTimes() error {
	for o := range in.all {
		switch {
		case !o.At.IsZero():
		case in.timesErr != nil:
			return fmt.Errorf("%w, and so no state can be chosen by time", in.timesErr)
		default:
			return fmt.Errorf("%s: %w: when %s was written is not known, and so no state can be chosen by time",
				TimesKey(in.generation), ErrTimes, o.Key)
		}
	}
	return nil
}

// gap is what keeps a state from being restored.
type gap struct {
	object string // a key; "" where nothing is missing
	reason string
}

// cheapest returns the plan that reads the fewest bytes, or else what is in the
// way from the newest snapshot. Without times.json it is the plan from the newest
// snapshot that has one.
func (e *eligible) cheapest() (*Plan, *gap) {
	var best *Plan
	none := &gap{object: GenerationPrefix(e.in.generation) + SnapshotsDir, reason: "no snapshot that is old enough"}
	for _, s := range slices.Backward(e.snapshots) {
		segments, gap := e.chain(s)
		if gap != nil {
			if best == nil && s == e.snapshots[len(e.snapshots)-1] {
				none = gap
			}
			continue
		}
		if plan := e.plan(s, segments); best == nil || e.in.timed() && plan.Bytes < best.Bytes {
			best = plan
		}
	}
	if best == nil {
		return nil, none
	}
	return best, nil
}

// chain returns the segments to apply to a snapshot.
func (e *eligible) chain(s *object) ([]*segment, *gap) {
	if s.damage != "" {
		return nil, &gap{s.Key, s.damage}
	}
	from := sort.Search(len(e.segments), func(i int) bool { return e.segments[i].Pos.Index >= s.Pos.Index })
	segments := e.segments[from:]
	next := s.Pos.Index
	for i, seg := range segments {
		if i == 0 || seg.Pos.Index != segments[i-1].Pos.Index {
			if seg.Pos.Index != next {
				return nil, e.missing(next)
			}
			next++
		}
		if seg.broken {
			return nil, e.breakAt(segments, i)
		}
	}
	for _, lost := range e.lost {
		if lost.Pos.Index >= s.Pos.Index {
			return nil, &gap{lost.Key, TimesName + " mentions it and it is not here"}
		}
	}
	if end := e.end().Index; end > s.Pos.Index && end >= next { // a later snapshot, with a log missing before it
		return nil, e.missing(next)
	}
	return segments, nil
}

func (e *eligible) missing(index int) *gap {
	return &gap{WALSegmentKey(e.in.generation, index, 0), fmt.Sprintf("missing, and with it the log of index %08x", index)}
}

// breakAt says what is wrong with a segment that names alone show to be broken.
func (e *eligible) breakAt(segments []*segment, i int) *gap {
	s := segments[i]
	switch {
	case s.damage != "":
		return &gap{s.Key, s.damage + e.in.excuse(s)}
	case s.Pos.Offset > 0 && (i == 0 || segments[i-1].Pos.Index != s.Pos.Index):
		return &gap{WALSegmentKey(e.in.generation, s.Pos.Index, 0),
			fmt.Sprintf("missing: the log of index %08x has nothing before offset %08x", s.Pos.Index, s.Pos.Offset)}
	default:
		return &gap{s.Key, fmt.Sprintf("offset %08x of index %08x is there twice, and which one is right cannot be told",
			s.Pos.Offset, s.Pos.Index)}
	}
}

func (e *eligible) plan(s *object, segments []*segment) *Plan {
	p := &Plan{
		Generation: e.in.generation,
		Snapshot:   s.snapshotInfo(),
		Bytes:      s.Size,
		Requests:   1 + len(segments),
		Pos:        s.Pos,
		Time:       s.At,
	}
	for _, seg := range segments {
		p.Segments = append(p.Segments, seg.segmentInfo())
		p.Bytes += seg.Size
		p.Pos = seg.Pos
		if seg.At.After(p.Time) {
			p.Time = seg.At
		}
	}
	p.MayMiss = !e.in.timed() && len(segments) > 0 && segments[0].Pos.Index != p.Pos.Index // one log follows another
	return p
}
