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
	snapshots []*snapshot
	segments  []*segment // from the index of the first of the snapshots on
	lost      []*segment
	at        time.Time // when the newest of them was written
}

// eligible cuts the generation off at the target. Of the segments it takes
// those before the first that is too late, as v0.3.13 does: where times are out
// of order, a segment is not applied without the one before it.
func (in *inspection) eligible(target Target) *eligible {
	e := &eligible{in: in}
	late := func(o object, index int) bool {
		return target.Index != nil && index > *target.Index || !target.Timestamp.IsZero() && o.at.After(target.Timestamp)
	}
	for _, s := range in.snapshots {
		if !late(s.object, s.index) {
			e.snapshots = append(e.snapshots, s)
			e.note(s.at)
		}
	}
	base := 0
	if len(e.snapshots) > 0 {
		base = e.snapshots[0].index
	}
	from := sort.Search(len(in.segments), func(i int) bool { return in.segments[i].index >= base })
	for _, s := range in.segments[from:] {
		if late(s.object, s.index) {
			break
		}
		e.segments = append(e.segments, s)
		e.note(s.at)
	}
	for _, s := range in.lost {
		if !late(s.object, s.index) {
			e.lost = append(e.lost, s)
			e.note(s.at)
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
		pos.Index, pos.Offset = e.segments[n-1].index, e.segments[n-1].offset
	}
	if n := len(e.snapshots); n > 0 && e.snapshots[n-1].index > pos.Index {
		pos.Index, pos.Offset = e.snapshots[n-1].index, 0
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
		case !o.at.IsZero():
		case in.timesErr != nil:
			return fmt.Errorf("%w, and so no state can be chosen by time", in.timesErr)
		default:
			return fmt.Errorf("%s: %w: when %s was written is not known, and so no state can be chosen by time",
				TimesKey(in.generation), ErrTimes, o.key)
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
		if plan := e.plan(s, segments); best == nil || e.in.timed && plan.Bytes < best.Bytes {
			best = plan
		}
	}
	if best == nil {
		return nil, none
	}
	return best, nil
}

// chain returns the segments to apply to a snapshot.
func (e *eligible) chain(s *snapshot) ([]*segment, *gap) {
	if s.damage != "" {
		return nil, &gap{s.key, s.damage}
	}
	from := sort.Search(len(e.segments), func(i int) bool { return e.segments[i].index >= s.index })
	segments := e.segments[from:]
	next := s.index
	for i, seg := range segments {
		if i == 0 || seg.index != segments[i-1].index {
			if seg.index != next {
				return nil, e.missing(next)
			}
			next++
		}
		if seg.broken {
			return nil, e.breakAt(segments, i)
		}
	}
	for _, lost := range e.lost {
		if lost.index >= s.index {
			return nil, &gap{lost.key, TimesName + " mentions it and it is not here"}
		}
	}
	if end := e.end().Index; end > s.index && end >= next { // a later snapshot, with a log missing before it
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
		return &gap{s.key, s.damage + e.in.excuse(s)}
	case s.offset > 0 && (i == 0 || segments[i-1].index != s.index):
		return &gap{WALSegmentKey(e.in.generation, s.index, 0),
			fmt.Sprintf("missing: the log of index %08x has nothing before offset %08x", s.index, s.offset)}
	default:
		return &gap{s.key, fmt.Sprintf("offset %08x of index %08x is there twice, and which one is right cannot be told",
			s.offset, s.index)}
	}
}

// spansLogs reports whether one log follows another.
func spansLogs(segments []WALSegmentInfo) bool {
	n := len(segments)
	return n > 0 && segments[0].Index != segments[n-1].Index
}

func (e *eligible) plan(s *snapshot, segments []*segment) *Plan {
	p := &Plan{
		Generation: e.in.generation,
		Snapshot:   SnapshotInfo{e.in.generation, s.index, s.size, s.at},
		Bytes:      s.size,
		Requests:   1 + len(segments),
		Pos:        s.pos(e.in.generation),
		Time:       s.at,
	}
	for _, seg := range segments {
		p.Segments = append(p.Segments, WALSegmentInfo{e.in.generation, seg.index, seg.offset, seg.size, seg.at})
		p.Bytes += seg.size
		p.Pos = seg.pos(e.in.generation)
		if seg.at.After(p.Time) {
			p.Time = seg.at
		}
	}
	p.MayMiss = !e.in.timed && spansLogs(p.Segments)
	return p
}
