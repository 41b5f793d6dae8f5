package v3compat

import (
	"slices"
	"time"
)

// walLog is the log of one index: its segments by offset, at least one.
type walLog struct {
	index    int
	segments []*segment
}

func splitLogs(segments []*segment) []*walLog {
	var logs []*walLog
	for i, s := range segments {
		if i == 0 || s.index != segments[i-1].index {
			logs = append(logs, &walLog{index: s.index})
		}
		l := logs[len(logs)-1]
		l.segments = append(l.segments, s)
	}
	return logs
}

// whole returns the segments that a restore can apply, from offset 0 on.
func (l *walLog) whole() []*segment {
	n := slices.IndexFunc(l.segments, func(s *segment) bool { return s.broken })
	if n < 0 {
		n = len(l.segments)
	}
	return l.segments[:n]
}

// extents follows the chain of each snapshot that no chain before it runs
// through.
func (in *inspection) extents() []Extent {
	var extents []Extent
	var stop *segment // what the last extent stops at
	reach := -1       // the index that the last chain stops at or in
	for _, s := range in.snapshots {
		switch last := len(extents) - 1; {
		case s.damage != "":
		case s.index > reach:
			var e Extent
			if e, reach, stop = in.follow(s); stop.after(s) {
				extents = append(extents, e)
			}
		case last >= 0 && s.index >= extents[last].To.Index && stop.after(s):
			extents[last].append(s.pos(in.generation), s.at)
		}
	}
	return extents
}

// after reports whether what a chain stops at, if anything, is newer than a snapshot.
// If not, it is in the way of every moment for which that snapshot counts: it is
// possible because a snapshot takes a while.
func (stop *segment) after(s *snapshot) bool { return stop == nil || stop.at.After(s.at) }

// follow returns the chain of s, the index that it stops at or in, and at what; nil
// if it ends because nothing follows.
func (in *inspection) follow(s *snapshot) (e Extent, reach int, stop *segment) {
	pos := s.pos(in.generation)
	e = Extent{From: pos, FromTime: s.at, To: pos, ToTime: s.at}
	reach = s.index
	lost := in.firstLost(s)
	for _, l := range in.logs {
		if l.index < reach {
			continue
		}
		if l.index > reach {
			break
		}
		whole := l.before(lost)
		if n := len(whole); n > 0 {
			e.append(whole[n-1].pos(in.generation), whole[n-1].at)
		}
		switch {
		case lost != nil && lost.index == l.index:
			return e, reach, lost
		case len(whole) < len(l.segments):
			return e, reach, l.segments[len(whole)]
		}
		reach++
	}
	return e, reach, lost
}

// firstLost is the first segment after a snapshot of which only the time is left.
func (in *inspection) firstLost(s *snapshot) *segment {
	for _, lost := range in.lost {
		if lost.index >= s.index {
			return lost
		}
	}
	return nil
}

// before returns the segments that a restore can apply, from offset 0 on, up to one
// that is lost.
func (l *walLog) before(lost *segment) []*segment {
	whole := l.whole()
	if lost == nil {
		return whole
	}
	n := slices.IndexFunc(whole, func(s *segment) bool { return compareSegment(s, lost) > 0 })
	if n < 0 {
		n = len(whole)
	}
	return whole[:n]
}

// append lets the extent go on to an object.
func (e *Extent) append(pos Pos, at time.Time) {
	if pos.Index > e.To.Index || pos.Offset > e.To.Offset {
		e.To = pos
	}
	if at.After(e.ToTime) {
		e.ToTime = at
	}
}
