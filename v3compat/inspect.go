package v3compat

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/replctl/replicate/blob"
)

// Report is what an inspection found out about one generation.
type Report struct {
	Generation  string
	Snapshots   []SnapshotInfo   // by index
	WALSegments []WALSegmentInfo // by index, then offset

	// Bytes is the stored size of the snapshots and WAL segments.
	Bytes int64

	// CreatedAt and UpdatedAt are the times of the oldest and of the newest
	// snapshot or WAL segment; zero where no time is known.
	CreatedAt, UpdatedAt time.Time

	// Refused counts the objects that are there and could not be read. Each is in
	// Problems. Refusal is the first one's error that may be of all objects: the store
	// refused this reader. It is for who looks at more than one generation, and can
	// tell.
	Refused int
	Refusal error

	// Restorable are the stretches that can be restored, ascending. Between
	// two of them, states are lost.
	Restorable []Extent

	// Timed says that the generation has a times.json: then no object is missing
	// unseen. See [Plan.MayMiss].
	Timed bool

	// Problems come with the worst severity first, then by object.
	Problems []Problem
}

// Extent is an unbroken chain: a snapshot and the WAL segments that follow it
// without a hole. Every state in it can be restored. Later snapshots that the
// chain runs through are in the same extent.
//
// Without InspectOptions.Read an extent is what the names allow; a hole inside
// an index, or a damaged object, only shows when the content is read.
type Extent struct {
	// From is the position of the snapshot; FromTime is when it was written.
	From     Pos
	FromTime time.Time

	// To is where the last WAL segment of the chain starts, or the last
	// snapshot where there is no WAL after it. ToTime is when the newest of
	// the two was written: the last moment whose state is known.
	To     Pos
	ToTime time.Time
}

// InspectOptions say how deep an inspection goes. The zero value judges by
// names and sizes.
type InspectOptions struct {
	// Read decompresses every object and checks what is in it.
	Read bool

	// Concurrency is how many objects are read at a time; 0 means 4. Each
	// takes about 8 MiB of memory.
	Concurrency int

	// Progress, if set, is told of every piece of the stored (compressed)
	// bytes that was read. The sum is Report.Bytes in the end when everything
	// could be read. It is not called concurrently.
	Progress func(bytes int64)
}

// Inspect examines a generation: what is there, what is wrong, and what can be
// restored. It lists the generation once and reads its times.json; with
// InspectOptions.Read it reads every object once as well. What it finds wrong is
// in Report.Problems. An error means that it could not look; a generation with
// no object at all is ErrNoObjects.
func (r *Reader) Inspect(ctx context.Context, generation string, opts InspectOptions) (*Report, error) {
	in := &inspection{generation: generation}
	err := in.list(ctx, r)
	if err == nil && in.objects == 0 {
		err = ErrNoObjects
	}
	if err == nil {
		err = in.lookAtEmpty(ctx, r.from())
	}
	if err == nil && opts.Read {
		err = in.read(ctx, r.from(), opts)
	}
	if err != nil {
		return nil, fmt.Errorf("inspect generation %q: %w", generation, err)
	}
	in.check()
	return in.report(), nil
}

// inspection is the work on a Report.
type inspection struct {
	generation string
	objects    int
	snapshots  []*object  // by index
	segments   []*segment // by index, offset, name
	lost       []*segment // that times.json mentions and that are not here, from the oldest snapshot's index on; in order
	logs       []*walLog  // from the oldest snapshot's index on
	times      *blob.Info // of times.json; nil if there is none
	timesErr   error      // why the times.json that is there cannot be used
	problems   []Problem

	mu      sync.Mutex
	refused int
	refusal error
}

// object is a snapshot, or what a snapshot and a segment have in common.
type object struct {
	Object
	damage    string // what is wrong with it, taken by itself
	barred    bool   // damage says why it cannot be read
	encrypted bool
}

// bar notes that the object is there and cannot be read.
func (o *object) bar(err error) { o.damage, o.barred = err.Error(), true }

type segment struct {
	object
	length   int64 // decompressed; 0 means not known
	pageSize int64 // of a first segment whose WAL header was read
	broken   bool  // a restore cannot go on with it
}

func (s *segment) compare(other *segment) int { return s.Compare(&other.Object) }

func (s *segment) name() string { return path.Base(s.Key) }

// timed reports whether there is a times.json that can be used.
func (in *inspection) timed() bool { return in.times != nil && in.timesErr == nil }

func (in *inspection) problem(severity Severity, object, format string, args ...any) {
	in.problems = append(in.problems, Problem{severity, object, fmt.Sprintf(format, args...)})
}

func (in *inspection) report() *Report {
	rep := &Report{Generation: in.generation, Restorable: in.extents(), Timed: in.timed(), Problems: in.problems,
		Refused: in.refused, Refusal: in.refusal}
	for _, s := range in.snapshots {
		rep.Snapshots = append(rep.Snapshots, s.snapshotInfo())
		rep.count(s.Object)
	}
	for _, s := range in.segments {
		rep.WALSegments = append(rep.WALSegments, s.segmentInfo())
		rep.count(s.Object)
	}
	slices.SortStableFunc(rep.Problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Severity.rank(), b.Severity.rank()), cmp.Compare(a.Object, b.Object))
	})
	return rep
}

func (rep *Report) count(o Object) {
	rep.Bytes += o.Size
	if o.At.IsZero() {
		return
	}
	if rep.CreatedAt.IsZero() || o.At.Before(rep.CreatedAt) {
		rep.CreatedAt = o.At
	}
	if o.At.After(rep.UpdatedAt) {
		rep.UpdatedAt = o.At
	}
}

func (s Severity) rank() int {
	return slices.Index([]Severity{SeverityError, SeverityWarning, SeverityInfo}, s)
}
