package probe

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/cas"
)

// Verdict is what a probe has found out.
type Verdict string

// The verdicts.
const (
	Conformant   Verdict = "conformant"   // every check was passed
	Violation    Verdict = "violation"    // at least one was failed: no lease is safe here
	Inconclusive Verdict = "inconclusive" // none was failed, but not all could be made
)

// Result is that of one check.
type Result string

// The results.
const (
	Passed  Result = "passed"
	Failed  Result = "failed"
	Unknown Result = "inconclusive" // it could not be made
	Noted   Result = "recorded"     // something to know, and no condition
)

// Check is what became of one check.
type Check struct {
	Name     string
	Result   Result
	Evidence string // in words
}

// Report is what a probe has found out, check by check.
type Report struct {
	Verdict Verdict
	Checks  []Check // in the order in which they were made
	Prefix  string  // of all keys that were written
	Began   time.Time
	Took    time.Duration

	// Left are the keys that may still be there, and CleanupErr why.
	Left       []string
	CleanupErr error
}

// Errors of Report.Err, found with errors.Is.
var (
	ErrViolation    = errors.New("store does not do what leases need")
	ErrInconclusive = errors.New("it could not be found out whether the store does what leases need")
)

// Err is nil for a conformant store. Otherwise it is ErrViolation or ErrInconclusive, and
// names the checks that made it so. The zero Report is inconclusive.
func (r *Report) Err() error {
	switch r.Verdict {
	case Conformant:
		return nil
	case Violation:
		return fmt.Errorf("%w: %s", ErrViolation, r.reasons(Failed))
	}
	return fmt.Errorf("%w: %s", ErrInconclusive, r.reasons(Unknown))
}

func (r *Report) reasons(result Result) string {
	var all []string
	for _, c := range r.Checks {
		if c.Result == result && c.Evidence != notMade {
			all = append(all, c.Name+": "+c.Evidence)
		}
	}
	return strings.Join(all, "; ")
}

// Target is where to probe: a root, by handles that are as independent of each
// other as those of different processes.
type Target struct {
	// Records opens a handle each time it is called.
	Records func(ctx context.Context) (cas.Store, error)

	// Objects does the same. It has the same root, so that deleting an object deletes the
	// record of that key. It is nil where the engine has records alone. They are deleted
	// by cas.Deleter then; without that they stay, and the report names them.
	Objects func(ctx context.Context) (blob.Store, error)

	// PartSize is the size above which an object is written in parts; zero if the
	// engine never does that.
	PartSize int64

	// Sweep, if set, removes what the engine keeps below a prefix and does not
	// list: lock files, directories. It is called last, when all keys are deleted
	// and nobody uses them.
	Sweep func(ctx context.Context, prefix string) error
}

// QuoteChecker is a cas.Store that can send an ETag as it is told, to find out how
// the store wants it.
type QuoteChecker interface {
	// WriteIfMatch replaces a record on the condition ifMatch, word for word. A
	// refusal is cas.ErrConflict.
	WriteIfMatch(ctx context.Context, key string, value []byte, ifMatch string) (cas.Token, error)
}

// DeleteChecker is a cas.Store that can delete on a condition. No lease depends on
// it; other software does.
type DeleteChecker interface {
	// DeleteIfMatch deletes the record if its version is token. A refusal is
	// cas.ErrConflict.
	DeleteIfMatch(ctx context.Context, key string, token cas.Token) error
}

// DurabilityChecker is a cas.Store whose settings tell whether a write that was acknowledged
// survives a crash of the server.
type DurabilityChecker interface {
	// CheckDurability returns in words which settings lose such a write, and nothing if
	// none does.
	CheckDurability(ctx context.Context) (fault string, err error)
}

// Limits and defaults of Options.
const (
	DefaultRounds  = 20
	DefaultWriters = 16

	MaxRounds  = 10000
	MaxWriters = 256

	DefaultTimeout        = time.Minute
	DefaultCleanupTimeout = 30 * time.Second
)

// Options say how much to try. The zero value is fit for a check at start-up: some
// thousand small requests.
type Options struct {
	Rounds  int // of each race, and of reads after writes; DefaultRounds if zero
	Writers int // that race, at least two; DefaultWriters if zero

	Timeout        time.Duration // for one check; DefaultTimeout if zero
	CleanupTimeout time.Duration // DefaultCleanupTimeout if zero
}

func (o Options) withDefaults() (Options, error) {
	for _, n := range []struct {
		name       string
		value      *int
		def, least int
		most       int
	}{{"rounds", &o.Rounds, DefaultRounds, 1, MaxRounds}, {"writers", &o.Writers, DefaultWriters, 2, MaxWriters}} {
		if *n.value == 0 {
			*n.value = n.def
		}
		if *n.value < n.least || *n.value > n.most {
			return o, fmt.Errorf("probe: %s %d: want %d to %d", n.name, *n.value, n.least, n.most)
		}
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.CleanupTimeout == 0 {
		o.CleanupTimeout = DefaultCleanupTimeout
	}
	if o.Timeout < 0 || o.CleanupTimeout < 0 {
		return o, fmt.Errorf("probe: timeouts %v and %v: none may be negative", o.Timeout, o.CleanupTimeout)
	}
	return o, nil
}

// Run probes a store and cleans up. Whatever the store does is in the report; the
// error is about options, or a target that cannot be opened, and then nothing was
// written.
//
// When ctx ends the checks end, the report is inconclusive, unless a violation had
// been found, and cleaning up takes CleanupTimeout at most.
func Run(ctx context.Context, target Target, opts Options) (*Report, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &run{opts: opts, target: target, prefix: "probe-" + strings.ToLower(rand.Text()) + "/"}
	if err := r.open(ctx); err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	report := &Report{Prefix: r.prefix, Began: time.Now()}
	func() {
		// Deferred, so that a panic in an engine leaves nothing either.
		defer func() { report.Left, report.CleanupErr = r.cleanup(ctx) }()
		r.checks(ctx, report)
	}()
	report.Took = time.Since(report.Began)
	report.Verdict = verdict(report.Checks)
	return report, nil
}

func verdict(checks []Check) Verdict {
	v := Conformant
	for _, c := range checks {
		switch c.Result {
		case Failed:
			return Violation
		case Unknown:
			v = Inconclusive
		}
	}
	return v
}

// Gate returns what lease.Options.Probe wants: a function that probes
// the store, and whose error is a violation. A probe that could not be finished does
// not keep a holder from its lease: whatever the trouble is, it is not proof, and the
// lease itself needs the store too.
func Gate(target Target, opts Options) func(context.Context) error {
	return func(ctx context.Context) error {
		report, err := Run(ctx, target, opts)
		switch {
		case err != nil:
			return err
		case report.Verdict == Violation:
			return report.Err()
		}
		return nil
	}
}

// run is one probe.
type run struct {
	opts    Options
	target  Target
	prefix  string
	records []cas.Store // one for each writer
	objects []blob.Store

	keys    []string    // all that were named
	wrote   atomic.Bool // something was, or may have been
	inDoubt atomic.Bool // some write may be applied yet
	badRead bool        // reads are not to be trusted
}

// objectHandles is enough for what is done to objects.
const objectHandles = 2

func (r *run) open(ctx context.Context) error {
	if r.target.Records == nil {
		return errors.New("the target has no records")
	}
	for range r.opts.Writers {
		s, err := r.target.Records(ctx)
		if err != nil {
			return err
		}
		r.records = append(r.records, s)
	}
	for range objectHandles {
		if r.target.Objects == nil {
			break
		}
		s, err := r.target.Objects(ctx)
		if err != nil {
			return err
		}
		r.objects = append(r.objects, s)
	}
	return nil
}

// key names a record or object, to be deleted in the end.
func (r *run) key(name string) string {
	key := r.prefix + name
	r.keys = append(r.keys, key)
	return key
}

const notMade = "not made"

// checks makes them all, or as many as there is a store for.
func (r *run) checks(ctx context.Context, report *Report) {
	stop := false
	for _, c := range checks {
		if c.applies != nil && !c.applies(r) {
			continue
		}
		done := Check{Name: c.name, Result: Unknown, Evidence: notMade}
		if !stop {
			var err error
			done.Result, done.Evidence, err = r.check(ctx, c)
			stop = err != nil && !r.goOn(ctx, err)
		}
		report.Checks = append(report.Checks, done)
	}
}

func (r *run) check(ctx context.Context, c check) (Result, string, error) {
	if ctx.Err() != nil {
		return Unknown, fmt.Sprintf("interrupted: %v", context.Cause(ctx)), context.Cause(ctx)
	}
	checkCtx, cancel := context.WithTimeoutCause(ctx, r.opts.Timeout, fmt.Errorf("no result in %v", r.opts.Timeout))
	defer cancel()
	evidence, err := c.run(r, checkCtx)
	if checkCtx.Err() != nil {
		r.inDoubt.Store(true)
	}
	var f *failure
	switch {
	case err == nil && c.recorded:
		return Noted, evidence, nil
	case err == nil:
		return Passed, evidence, nil
	case errors.As(err, &f) && !c.recorded:
		return Failed, f.what, f.fatal
	case errors.As(err, &f):
		return Noted, f.what, nil
	case ctx.Err() != nil:
		return Unknown, fmt.Sprintf("interrupted: %v", context.Cause(ctx)), err
	}
	return Unknown, strings.ReplaceAll(err.Error(), "\n", "; "), err
}

// goOn reports whether there is any use in more checks after one that failed for
// another reason than the store's own fault.
func (r *run) goOn(ctx context.Context, err error) bool {
	if ctx.Err() != nil || errors.Is(err, cas.ErrUnsupported) {
		return false
	}
	if errors.Is(err, fs.ErrPermission) {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, r.opts.Timeout)
	defer cancel()
	_, readErr := r.records[0].Read(ctx, r.prefix+"ping", "")
	return readErr == nil
}

// failure is the error of a check that the store has failed.
type failure struct {
	what  string
	fatal error // why no other check need be made, or nil
}

func (f *failure) Error() string { return f.what }

func failf(format string, args ...any) error { return &failure{what: fmt.Sprintf(format, args...)} }
