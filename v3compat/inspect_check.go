package v3compat

import (
	"fmt"
	"math"
	"sort"
	"time"

	"github.com/replctl/replicate/internal/sqlitewal"
)

// check turns what was found into problems, and marks the segments at which a
// restore has to stop.
func (in *inspection) check() {
	base := math.MaxInt
	if len(in.snapshots) > 0 {
		base = in.snapshots[0].Pos.Index
	} else {
		in.problem(SeverityError, GenerationPrefix(in.generation)+SnapshotsDir,
			"no snapshot: nothing in this generation can be restored, its %d WAL segments included", len(in.segments))
	}
	in.checkObjects(base)
	in.checkOrder()
	needed := in.segments[in.checkOld(base):]
	in.logs = splitLogs(needed)
	in.checkIndices(base)
	for _, l := range in.logs {
		in.checkLog(l)
	}
}

// checkObjects reports what is wrong with single objects.
func (in *inspection) checkObjects(base int) {
	encrypted := 0
	for o := range in.all {
		if o.encrypted {
			encrypted++
		}
	}
	if encrypted > 0 {
		in.problem(SeverityWarning, GenerationPrefix(in.generation),
			"%d of %d objects are %v: their content was not checked; only Litestream v0.3.x can restore them",
			encrypted, len(in.snapshots)+len(in.segments), ErrEncrypted)
	}
	for _, s := range in.snapshots {
		if s.damage != "" {
			in.problem(SeverityError, s.Key, "%s: nothing can be restored from this snapshot", s.damage)
		}
	}
	for _, s := range in.segments {
		switch {
		case s.damage == "":
		case s.Pos.Index < base:
			in.problem(SeverityWarning, s.Key, "%s; no snapshot needs it", s.damage)
		default:
			s.broken = true
			in.problem(SeverityError, s.Key, "%s: index %08x ends before it, %s%s",
				s.damage, s.Pos.Index, in.consequence(s.Pos.Index), in.excuse(s))
		}
	}
}

// excuse names the harmless reason that there may be for an empty object:
// v0.3.13 writes one when it looks for a new index in the moment in which the
// local copy of the log has been created and has no header yet.
func (in *inspection) excuse(s *segment) string {
	if s.Size > 0 || s.barred || s.Pos.Offset > 0 || s != in.segments[len(in.segments)-1] {
		return ""
	}
	return " (Litestream v0.3.x can leave an empty object when it is stopped at the start of an index: " +
		"then nothing is missing)"
}

// checkOrder notices a copy that has lost its times. Clocks are allowed to step
// back by a second.
func (in *inspection) checkOrder() {
	var last *segment
	for _, s := range in.segments {
		switch {
		case s.At.IsZero():
		case last != nil && s.At.Before(last.At.Add(-time.Second)):
			in.problem(SeverityWarning, s.Key,
				"its time, %s, is before that of the segment it follows, %s: a copy lost the times, or a clock was wrong; "+
					"a restore by time can give another state than asked for",
				s.At.UTC().Format(time.RFC3339), last.At.UTC().Format(time.RFC3339))
			return
		default:
			last = s
		}
	}
}

// checkOld returns how many segments come before the oldest snapshot.
func (in *inspection) checkOld(base int) int {
	n := sort.Search(len(in.segments), func(i int) bool { return in.segments[i].Pos.Index >= base })
	if n > 0 && len(in.snapshots) > 0 {
		in.problem(SeverityWarning, GenerationPrefix(in.generation)+WALDir,
			"%d WAL segments, of indices %08x to %08x, are older than the oldest snapshot (%08x) and cannot be restored; "+
				"retention usually deletes them",
			n, in.segments[0].Pos.Index, in.segments[n-1].Pos.Index, base)
	}
	return n
}

// checkIndices looks for logs that are missing between the oldest snapshot and
// the newest snapshot or log.
func (in *inspection) checkIndices(next int) {
	for _, l := range in.logs {
		if l.index > next {
			in.missing(next, l.index-1)
		}
		next = l.index + 1
	}
	if n := len(in.snapshots); n > 0 && in.snapshots[n-1].Pos.Index > next {
		in.missing(next, in.snapshots[n-1].Pos.Index-1)
	}
}

func (in *inspection) missing(from, to int) {
	which := fmt.Sprintf("index %08x is", from)
	if to > from {
		which = fmt.Sprintf("indices %08x to %08x are", from, to)
	}
	in.problem(SeverityError, WALSegmentKey(in.generation, from, 0), "%s missing: %s", which, in.consequence(from))
}

func (in *inspection) checkLog(l *walLog) {
	first := l.segments[0]
	if first.Pos.Offset != 0 {
		first.broken = true
		in.problem(SeverityError, WALSegmentKey(in.generation, l.index, 0),
			"segment at offset 0 missing: index %08x cannot be applied, %s", l.index, in.consequence(l.index))
	}
	for i, s := range l.segments {
		if i > 0 {
			in.checkNeighbours(l.segments[i-1], s)
		}
		in.checkFrames(s, first.pageSize)
	}
}

func (in *inspection) checkNeighbours(a, b *segment) {
	end := a.Pos.Offset + a.length
	switch {
	case a.Pos.Offset == b.Pos.Offset:
		a.broken, b.broken = true, true
		in.problem(SeverityError, b.Key, "offset %08x of index %08x is there twice, in %s and in %s: "+
			"which one is right cannot be told, %s",
			b.Pos.Offset, b.Pos.Index, a.name(), b.name(), in.consequence(b.Pos.Index))
	case a.length == 0:
	case b.Pos.Offset > end:
		b.broken = true
		in.problem(SeverityError, WALSegmentKey(in.generation, a.Pos.Index, end),
			"bytes %08x to %08x of index %08x are missing, between %s and %s: %s",
			end, b.Pos.Offset-1, a.Pos.Index, a.name(), b.name(), in.consequence(a.Pos.Index))
	case b.Pos.Offset < end:
		b.broken = true
		in.problem(SeverityError, b.Key, "starts at byte %08x of index %08x, but %s goes on to byte %08x: "+
			"two replicators may have written here, %s",
			b.Pos.Offset, b.Pos.Index, a.name(), end-1, in.consequence(a.Pos.Index))
	}
}

// checkFrames checks that a segment ends where a WAL frame does, as all that
// Litestream writes does.
func (in *inspection) checkFrames(s *segment, pageSize int64) {
	frames := s.length
	if s.Pos.Offset == 0 {
		frames -= sqlitewal.HeaderSize
	}
	if s.length == 0 || pageSize == 0 || frames%(sqlitewal.FrameHeaderSize+pageSize) == 0 {
		return
	}
	s.broken = true
	in.problem(SeverityError, s.Key, "its %d bytes are not whole WAL frames of %d-byte pages: a transaction is cut, %s",
		s.length, pageSize, in.consequence(s.Pos.Index))
}

// consequence says what a break in the log of an index means.
func (in *inspection) consequence(index int) string {
	for _, s := range in.snapshots {
		if s.Pos.Index > index && s.damage == "" {
			return fmt.Sprintf("states from here to the snapshot of index %08x cannot be restored", s.Pos.Index)
		}
	}
	return "nothing after it in this generation can be restored"
}
