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
		if i == 0 || s.Pos.Index != segments[i-1].Pos.Index {
			logs = append(logs, &walLog{index: s.Pos.Index})
		}
		l := logs[len(logs)-1]
		l.segments = append(l.segments, s)
	}
	return logs
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
		case s.Pos.Index > reach:
			var e Extent
			if e, reach, stop = in.follow(s); stop.after(s) {
				extents = append(extents, e)
			}
		case last >= 0 && s.Pos.Index >= extents[last].To.Index && stop.after(s):
			extents[last].append(s.Pos, s.At)
		}
	}
	return extents
}

// after reports whether what a chain stops at, if anything, is newer than a snapshot.
// If not, it is in the way of every moment for which that snapshot counts: it is
// possible because a snapshot takes a while.
func (stop *segment) after(s *object) bool { return stop == nil || stop.At.After(s.At) }

// follow returns the extent of a snapshot, and where its chain ends; see chain.
func (in *inspection) follow(s *object) (e Extent, reach int, stop *segment) {
	e = Extent{From: s.Pos, FromTime: s.At, To: s.Pos, ToTime: s.At}
	segments, reach, stop := in.chain(s)
	for i, seg := range segments {
		if i == len(segments)-1 || segments[i+1].Pos.Index != seg.Pos.Index {
			e.append(seg.Pos, seg.At)
		}
	}
	return e, reach, stop
}

// chain returns the segments that can be applied to a snapshot, the index that they
// stop at or in, and what they stop at; nil if nothing follows.
func (in *inspection) chain(s *object) (segments []*segment, reach int, stop *segment) {
	reach, lost := s.Pos.Index, in.firstLost(s)
	for _, l := range in.logs {
		if l.index < reach {
			continue
		}
		if l.index > reach {
			break
		}
		whole := l.whole(lost)
		segments = append(segments, whole...)
		switch {
		case lost != nil && lost.Pos.Index == l.index:
			return segments, reach, lost
		case len(whole) < len(l.segments):
			return segments, reach, l.segments[len(whole)]
		}
		reach++
	}
	return segments, reach, lost
}

// firstLost is the first segment after a snapshot of which only the time is left.
func (in *inspection) firstLost(s *object) *segment {
	for _, lost := range in.lost {
		if lost.Pos.Index >= s.Pos.Index {
			return lost
		}
	}
	return nil
}

// whole returns the segments that a restore can apply, from offset 0 on, up to one
// that is lost.
func (l *walLog) whole(lost *segment) []*segment {
	n := slices.IndexFunc(l.segments, func(s *segment) bool { return s.broken || lost != nil && s.compare(lost) > 0 })
	if n < 0 {
		n = len(l.segments)
	}
	return l.segments[:n]
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
