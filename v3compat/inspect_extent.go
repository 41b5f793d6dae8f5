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
	reach := -1 // the index that the last extent stops at or in
	for _, s := range in.snapshots {
		switch last := len(extents) - 1; {
		case s.damage != "":
		case s.index > reach:
			var e Extent
			e, reach = in.follow(s)
			extents = append(extents, e)
		case s.index >= extents[last].To.Index:
			extents[last].append(s.pos(in.generation), s.at)
		}
	}
	return extents
}

// follow returns the chain of s and the index that it stops at or in.
func (in *inspection) follow(s *snapshot) (e Extent, reach int) {
	pos := s.pos(in.generation)
	e = Extent{From: pos, FromTime: s.at, To: pos, ToTime: s.at}
	reach = s.index
	for _, l := range in.logs {
		if l.index < reach {
			continue
		}
		if l.index > reach {
			break
		}
		whole := l.whole()
		if n := len(whole); n > 0 {
			e.append(whole[n-1].pos(in.generation), whole[n-1].at)
		}
		if len(whole) < len(l.segments) {
			break
		}
		reach++
	}
	return e, reach
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
