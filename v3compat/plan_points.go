package v3compat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Point is a state that can be restored: that at the end of an object.
type Point struct {
	Pos      Pos       // where the object starts
	Time     time.Time // when it was written
	Snapshot bool      // whether the object is a snapshot
}

// String returns the time and the position.
func (p Point) String() string {
	return fmt.Sprintf("%s (%v)", p.Time.UTC().Format(time.RFC3339Nano), p.Pos)
}

// Points lists the states of a generation that can be restored, in their order,
// as far as names tell: at the cost of one listing. A generation that does not
// exist is ErrNoObjects.
func (r *Reader) Points(ctx context.Context, generation string) ([]Point, error) {
	err := CheckGenerationID(generation)
	var found []*inspection
	if err == nil {
		found, err = r.examine(ctx, generation)
	}
	if err != nil {
		return nil, fmt.Errorf("list states of %q: %w", generation, err)
	}
	return found[0].points(), nil
}

// AllPoints lists the states of all generations, the oldest first. One that has no objects has no states.
func (r *Reader) AllPoints(ctx context.Context) ([]Point, error) {
	generations, err := r.Generations(ctx)
	if err != nil {
		return nil, err
	}
	var all []Point
	for _, g := range generations {
		points, err := r.Points(ctx, g)
		if err != nil && !errors.Is(err, ErrNoObjects) {
			return nil, err
		}
		all = append(all, points...)
	}
	slices.SortStableFunc(all, func(a, b Point) int { return a.Time.Compare(b.Time) })
	return all, nil
}

// points follows the chain of each snapshot. A segment that is older than the
// only snapshot it follows is no state: the snapshot has more than the segment.
func (in *inspection) points() []Point {
	var points []Point
	var last *segment
	for _, s := range in.snapshots {
		if s.damage != "" {
			continue
		}
		points = append(points, Point{Pos: s.Pos, Time: s.At, Snapshot: true})
		segments, _, _ := in.chain(s)
		for _, seg := range segments {
			if (last == nil || last.Compare(&seg.Object) < 0) && !seg.At.Before(s.At) {
				points = append(points, Point{Pos: seg.Pos, Time: seg.At})
				last = seg
			}
		}
	}
	slices.SortStableFunc(points, func(a, b Point) int { return a.Time.Compare(b.Time) })
	return points
}

// Plan reads all of an unbroken chain of the generation, or the part of it that begins with a later
// snapshot, whose position is then From. The points are those of the generation: where the chain
// ends, a snapshot and a segment may stand at the same position, and points tell whether the segment
// is in it.
func (rep *Report) Plan(e Extent, points []Point) *Plan {
	p := &Plan{Generation: rep.Generation, Pos: e.To, Time: e.ToTime}
	for _, snapshot := range rep.Snapshots {
		if snapshot.Index == e.From.Index {
			p.Snapshot, p.Bytes, p.Requests = snapshot, snapshot.Size, 1
		}
	}
	for _, seg := range rep.WALSegments {
		pos := seg.Pos()
		before := pos.Index < e.To.Index || pos.Index == e.To.Index && pos.Offset < e.To.Offset
		isSegment := func(p Point) bool { return p.Pos == pos && !p.Snapshot }
		isEnd := pos == e.To && slices.ContainsFunc(points, isSegment)
		if pos.Index >= e.From.Index && (before || isEnd) {
			p.Segments = append(p.Segments, seg)
			p.Bytes += seg.Size
			p.Requests++
		}
	}
	p.MayMiss = !rep.Timed && len(p.Segments) > 0 && p.Segments[0].Index != p.Pos.Index
	return p
}

// UnreachableError says why a target cannot be restored, and what can.
type UnreachableError struct {
	Object string // the key that is missing or in the way; "" when the target lies outside the backup
	Reason string

	// Time is when the state was written that cannot be restored; zero if that is
	// not known, or there is no such state.
	Time time.Time

	// Before and After are the nearest states that can be restored, as far as
	// names tell; nil where there is none.
	Before, After *Point
}

func (e *UnreachableError) Error() string {
	var b strings.Builder
	if e.Object != "" {
		b.WriteString(e.Object + ": ")
	}
	b.WriteString(e.Reason)
	switch {
	case e.Before != nil && e.After != nil:
		fmt.Fprintf(&b, "; what can be restored is %v before and %v after", e.Before, e.After)
	case e.Before != nil:
		fmt.Fprintf(&b, "; what can be restored ends with %v", e.Before)
	case e.After != nil:
		fmt.Fprintf(&b, "; what can be restored begins with %v", e.After)
	default:
		b.WriteString("; nothing can be restored")
	}
	return b.String()
}

// unreachable finds the points around a target.
func unreachable(found []*inspection, target Target, gap *gap) *UnreachableError {
	e := &UnreachableError{Object: gap.object, Reason: gap.reason}
	var points []Point
	for _, in := range found {
		points = append(points, in.points()...)
	}
	slices.SortStableFunc(points, func(a, b Point) int { return a.Time.Compare(b.Time) })
	for _, p := range points {
		switch {
		case !target.late(p.Pos, p.Time):
			e.Before = &p
		case e.After == nil:
			e.After = &p
		}
	}
	return e
}
