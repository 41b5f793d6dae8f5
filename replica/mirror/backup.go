package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"sort"

	"github.com/replctl/replicate/internal/ordered"
	"github.com/replctl/replicate/replica/retain"
	"github.com/replctl/replicate/v3compat"
)

// planV3 adds a v0.3 backup to a round, the newest generation first.
func (c *copier) planV3(ctx context.Context, round *copyRound) error {
	generations, err := c.listSource(ctx)
	if err != nil || len(generations) == 0 {
		return err
	}
	there := map[string]*v3compat.Generation{}
	for _, g := range generations {
		if there[g.ID], err = c.dst.Backup().List(ctx, g.ID); err != nil {
			return fmt.Errorf("destination: %w", err)
		}
	}
	slices.SortStableFunc(generations, func(a, b *v3compat.Generation) int {
		atA, _ := a.Newest()
		atB, _ := b.Newest()
		return atB.Compare(atA)
	})
	round.generations = generations
	for _, g := range generations {
		line, err := c.verifiedLine(ctx, g, there[g.ID])
		if err != nil {
			return err
		}
		line.addTo(round)
	}
	return nil
}

// listSource lists the source's generations, less what is not wanted. It lists
// twice, and takes of the second listing what is not after the end of the first:
// a listing takes a while, in which a replicator can write a segment that the
// listing has passed, and one after it, that it has not.
func (c *copier) listSource(ctx context.Context) ([]*v3compat.Generation, error) {
	first, err := c.src.Backup().ListAll(ctx)
	if err != nil || len(first) == 0 {
		return nil, err
	}
	ends := map[string]*v3compat.Object{}
	for _, g := range first {
		if n := len(g.Segments); n > 0 {
			ends[g.ID] = g.Segments[n-1]
		}
	}
	generations, err := c.src.Backup().ListAll(ctx)
	if err != nil {
		return nil, err
	}
	for _, g := range generations {
		end := ends[g.ID]
		g.Segments = slices.DeleteFunc(g.Segments, func(o *v3compat.Object) bool { return end == nil || o.Compare(end) > 0 })
	}
	generations = slices.DeleteFunc(generations, (*v3compat.Generation).Empty)
	if c.opts.Since.IsZero() {
		return generations, nil
	}
	keep, err := retain.Backup(ctx, generations, c.opts.Since, 0)
	if err != nil {
		return nil, err
	}
	var wanted []*v3compat.Generation
	for _, g := range generations {
		if g = g.Only(keep); !g.Empty() {
			wanted = append(wanted, g)
		}
	}
	return wanted, nil
}

// lineV3 is what is to be done for one generation.
//
// The logs that follow a snapshot at the destination can be restored there as they
// are. So a segment of these is written after the one before it is there: this is
// the strict part. Older ones, with no snapshot before them, mean nothing until
// their snapshot comes: this is the loose part, whose stretches, each from a
// snapshot to the next, come in any order, but the newest first and their snapshot
// last.
//
// A damaged segment ends what can be copied of its stretch. If it is in the last
// log before the next snapshot, nothing of this log is copied: that a log lacks its
// end does not show if the next log is there, but that it is missing does.
type lineV3 struct {
	c      *copier
	strict int // index from which on the strict part is

	snapshots, segments []*copyJob // jobs and present ones; those that are fine, as far as known

	// halfLog: a log lacks its end at the destination, and the next log may follow.
	// No snapshot from before it may come.
	halfLog bool

	copyRound // of this generation
}

func (c *copier) newLine(g, there *v3compat.Generation) *lineV3 {
	l := &lineV3{c: c, strict: math.MaxInt}
	for _, o := range there.Snapshots {
		l.strict = min(l.strict, o.Pos.Index)
	}
	sizes := map[string]int64{}
	for _, o := range there.All() {
		sizes[o.Key] = o.Size
	}
	job := func(o *v3compat.Object) *copyJob {
		j := newCopyJob(o.Key, o.Key, o.Size)
		j.at, j.index = o.At, o.Pos.Index
		if size, ok := sizes[o.Key]; ok {
			j.isThere(size)
			l.present = append(l.present, j)
		}
		return j
	}
	for _, o := range g.Snapshots {
		if j := job(o); l.usable(j) {
			l.snapshots = append(l.snapshots, j)
		} else {
			l.left = append(l.left, j)
		}
	}
	for _, o := range g.Segments {
		l.segments = append(l.segments, job(o))
	}
	return l
}

func (l *lineV3) usable(j *copyJob) bool { return j.present || l.c.damaged[j.key] == "" }

// stretchV3 is the segments from one snapshot on, up to the next.
type stretchV3 struct {
	snapshot *copyJob // nil for what is before the first
	segments []*copyJob
	next     int // index of the next snapshot
}

// stretches cuts the loose part, the newest stretch first.
func (l *lineV3) stretches() (strict []*copyJob, loose []*stretchV3) {
	from := func(jobs []*copyJob, index int) int {
		return sort.Search(len(jobs), func(i int) bool { return jobs[i].index >= index })
	}
	n := from(l.segments, l.strict)
	rest, strict, next := l.segments[:n], l.segments[n:], l.strict
	for _, s := range slices.Backward(l.snapshots) {
		if s.index >= l.strict {
			continue
		}
		n := from(rest, s.index)
		loose = append(loose, &stretchV3{s, rest[n:], next})
		rest, next = rest[:n], s.index
	}
	if len(rest) > 0 {
		loose = append(loose, &stretchV3{nil, rest, next})
	}
	return strict, loose
}

// verifiedLine makes a line, and reads the logs before a snapshot that are to be
// copied; what is damaged in them is known afterwards.
func (c *copier) verifiedLine(ctx context.Context, g, there *v3compat.Generation) (*lineV3, error) {
	for {
		l := c.newLine(g, there)
		var unread []*copyJob
		_, loose := l.stretches()
		for _, s := range loose {
			for _, j := range s.segments {
				isLast := s.snapshot != nil && j.index == s.next-1
				if isLast && !j.present && c.damaged[j.key] == "" && !c.verified[j.key] {
					unread = append(unread, j)
				}
			}
		}
		if len(unread) == 0 {
			return l, nil
		}
		if err := c.readAhead(ctx, unread); err != nil {
			return nil, err
		}
	}
}

// readAhead reads objects whole, and notes which are damaged.
func (c *copier) readAhead(ctx context.Context, jobs []*copyJob) error {
	i := 0
	for damage, err := range ordered.Map(ctx, c.opts.Concurrency, ordered.Slice(jobs), c.damageOf) {
		if err != nil {
			return err
		}
		if damage != nil {
			c.damaged[jobs[i].key] = damage.Error()
		}
		c.verified[jobs[i].key] = true
		i++
	}
	return nil
}

// damageOf reads an object whole, and returns what is wrong with it.
func (c *copier) damageOf(ctx context.Context, j *copyJob) (damage, err error) {
	r, err := c.openSource(ctx, j, new(copyMeter))
	if err == nil {
		defer r.close()
		_, err = io.Copy(io.Discard, r)
	}
	var bad *damageError
	switch {
	case errors.As(err, &bad):
		return bad.Err, nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, errVanished):
		return nil, nil // copying it finds out
	}
	return nil, err
}

// addTo fills the round.
func (l *lineV3) addTo(round *copyRound) {
	strict, loose := l.stretches()
	for _, s := range l.snapshots {
		if s.index >= l.strict && !s.present {
			l.jobs = append(l.jobs, s) // it needs nothing
		}
	}
	l.addStrict(strict)
	var newer []*copyJob // that have to be there before an older snapshot is
	for _, s := range loose {
		newer = l.addLoose(s, newer)
	}
	round.jobs = append(round.jobs, l.jobs...)
	round.present = append(round.present, l.present...)
	round.left = append(round.left, l.left...)
	round.reasons = append(round.reasons, l.reasons...)
}

const behindDamage = "it comes after an object that is damaged, and without that it would make another database"

func (l *lineV3) addStrict(segments []*copyJob) {
	var last *copyJob
	for i, j := range segments {
		switch {
		case !l.usable(j):
			l.left = append(l.left, j)
			l.drop(l.missing(segments[i+1:]), behindDamage)
			return
		case j.present:
			continue
		case last != nil:
			j.gate = behind(last)
		}
		last = j
		l.jobs = append(l.jobs, j)
	}
}

// missing is those that are not at the destination, and are not damaged.
func (l *lineV3) missing(jobs []*copyJob) (missing []*copyJob) {
	for _, j := range jobs {
		switch {
		case j.present:
		case !l.usable(j):
			l.left = append(l.left, j)
		default:
			missing = append(missing, j)
		}
	}
	return missing
}

// addLoose returns what has to be there before an older snapshot is.
func (l *lineV3) addLoose(s *stretchV3, newer []*copyJob) []*copyJob {
	good := l.cut(s)
	var last *copyJob
	for _, j := range good {
		if j.present {
			continue
		}
		if last != nil {
			j.gate = clearOf(last)
		}
		last = j
		l.jobs = append(l.jobs, j)
	}
	newer = append(newer, good...)
	if n := len(good); n > 0 && n < len(s.segments) && good[n-1].index == s.next-1 {
		l.halfLog = true
	}
	if s.snapshot == nil || s.snapshot.present {
		return newer
	}
	if l.halfLog {
		l.drop([]*copyJob{s.snapshot}, "of a log after it the destination has a part, and the end is damaged: "+
			"a restore would not notice that it is missing")
		return newer
	}
	s.snapshot.gate = behind(newer...) // what is damaged is not among them, and nothing follows it either
	l.jobs = append(l.jobs, s.snapshot)
	return []*copyJob{s.snapshot}
}

// cut is the segments before the first that is damaged, without the last log
// before the next snapshot if that would lack its end.
func (l *lineV3) cut(s *stretchV3) []*copyJob {
	bad := slices.IndexFunc(s.segments, func(j *copyJob) bool { return !l.usable(j) })
	if bad < 0 {
		return s.segments
	}
	n := bad
	if end := s.next - 1; s.snapshot != nil && s.segments[bad].index == end {
		for n > 0 && s.segments[n-1].index == end && !s.segments[n-1].present {
			n--
		}
		l.drop(l.missing(s.segments[n:bad]),
			"the end of this log is damaged, and a restore would not notice that it is missing")
	}
	l.left = append(l.left, s.segments[bad])
	l.drop(l.missing(s.segments[bad+1:]), behindDamage)
	return s.segments[:n]
}
