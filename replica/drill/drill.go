package drill

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/replctl/replicate/internal/errs"
	"github.com/replctl/replicate/replica"
)

// DefaultMoments is how many random moments a drill tries, beside the newest and the oldest.
const DefaultMoments = 3

// Outcome is what came of a check, of a moment, or of a drill.
type Outcome string

// The outcomes.
const (
	Passed       Outcome = "passed"
	Failed       Outcome = "failed"
	Inconclusive Outcome = "inconclusive" // it could not be read
)

// Worse is the worse of two outcomes: what failed is certain, and counts more than what is not known.
func (o Outcome) Worse(other Outcome) Outcome {
	order := []Outcome{Passed, Inconclusive, Failed}
	if slices.Index(order, other) > slices.Index(order, o) {
		return other
	}
	return o
}

// Options say how to drill. The zero value is good.
type Options struct {
	// Moments is how many random moments are tried, beside the newest and the oldest:
	// DefaultMoments if it is 0, none if it is negative. Seed decides which.
	Moments int
	Seed    uint64

	// View opens a view of each moment, and restores nothing. What SQLite reads is read.
	View bool

	// Assertions are SQL, each of which gives one value that has to be true: not 0, not
	// empty, not null.
	Assertions []string

	// TempDir is where moments are restored to; os.TempDir() if it is empty.
	TempDir string

	// Began, if set, is told of each moment before it is tried: the nth of so many.
	Began func(n, of int, why string, state replica.Point)

	// Progress, if set, is told how many of the bytes of a restore were read.
	Progress func(done, total int64)
}

// Report is what a drill has found.
type Report struct {
	Began, Ended time.Time
	Seed         uint64
	Outcome      Outcome
	Moments      []Moment // the newest state first

	// States is how many the replica has. Newest is the newest of them, and was Age old
	// when the drill began: what a disaster would have cost then (RPO).
	States int
	Newest replica.Point
	Age    time.Duration

	// Restore is the longest that a moment took to be restored, or opened (RTO).
	Restore time.Duration
}

// Moment is one state that was tried.
type Moment struct {
	Why     string        // "newest", "oldest", "random"
	State   replica.Point // by the replica's names
	Format  string        // FormatLTX, FormatV3
	Size    int64         // of the database, in bytes
	Read    int64         // stored bytes that were read, as planned or by the view
	Took    time.Duration // until it could be asked
	Checks  []Check       // in the order in which they were made
	Outcome Outcome
	Err     error // why it failed, or is inconclusive, before it could be checked
}

// Check is one thing that was asked of a database.
type Check struct {
	Name    string // "transaction", "size", "integrity", "foreign keys", or the SQL of an assertion
	Outcome Outcome
	Said    string // what was found, if it did not pass
}

// Run drills a replica. An error means that there was nothing to drill: no replica
// (replica.ErrNoReplica), or one that could not be listed.
func Run(ctx context.Context, src replica.Source, opts Options) (_ *Report, err error) {
	defer errs.Wrap(&err, "drill")
	if src == nil {
		return nil, errors.New("no replica given")
	}
	files, err := replica.Open(ctx, src)
	if err != nil {
		return nil, err
	}
	d := &driller{src: src, files: files, opts: opts}
	r := &Report{Began: time.Now(), Seed: opts.Seed, Outcome: Passed}
	states, err := d.states(ctx)
	if err != nil {
		return nil, err
	}
	r.States = len(states)
	picked := pick(states, cmp.Or(opts.Moments, DefaultMoments), opts.Seed)
	for i, p := range picked {
		if opts.Began != nil {
			opts.Began(i+1, len(picked), p.why, p.state)
		}
		m := d.try(ctx, p)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		r.Moments = append(r.Moments, m)
		r.Outcome = r.Outcome.Worse(m.Outcome)
		r.Restore = max(r.Restore, m.Took)
	}
	r.Newest = d.newest
	if !r.Newest.Time.IsZero() {
		r.Age = max(0, r.Began.Sub(r.Newest.Time))
	}
	r.Ended = time.Now()
	return r, nil
}
