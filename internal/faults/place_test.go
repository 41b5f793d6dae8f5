//go:build faults

package faults

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/engines"
	"github.com/replctl/replicate/internal/durable"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/s3"
	"github.com/replctl/replicate/store/config"
	"github.com/replctl/replicate/store/kv"
	"github.com/replctl/replicate/store/resource"
)

// env is the place of one run, and what opens it: each handle is a fresh one.
type env struct {
	ctx  context.Context
	url  string
	out  string // a path in a fresh directory
	fast int    // how soon its handles give up

	srv  *fakes3.Server // nil for a directory
	name string         // of the place: below the bucket, or of the directory

	source string // the replica, in a directory where nothing fails
	kept   any    // what prepare leaves to run: a token, a grant
}

// with is the same place under another context.
func (e *env) with(ctx context.Context) *env {
	clone := *e
	clone.ctx = ctx
	return &clone
}

// The haste of handles: where nothing fails they have time, for the machine may be busy. Where
// something does they give up soon, so that a failure for good does not take long.
const (
	slow = iota
	fast
	faster
)

// timeouts are those of the handles.
func (e *env) timeouts() (stall, retry time.Duration) {
	switch e.fast {
	case faster:
		return 700 * time.Millisecond, 2 * time.Second
	case fast:
		return 4 * time.Second, 10 * time.Second
	}
	return 15 * time.Second, 30 * time.Second
}

var quiet = slog.New(slog.DiscardHandler)

func (e *env) client() (engines.Client, error) {
	p, err := engines.Parse(e.url)
	if err != nil {
		return nil, err
	}
	c, err := p.Replica(engines.Options{Logger: quiet, OnWait: func(s3.Wait) {}})
	if c, ok := c.(*s3.ReplicaClient); ok {
		c.StallTimeout, c.RetryTimeout = e.timeouts()
	}
	return c, err
}

func (e *env) leaser() (engines.LeaseClient, error) {
	p, err := engines.Parse(e.url)
	if err != nil {
		return nil, err
	}
	l, err := p.Leaser(engines.Options{Logger: quiet, OnWait: func(s3.Wait) {}, Owner: "me"})
	if l, ok := l.(*s3.Leaser); ok {
		l.StallTimeout, l.RetryTimeout = e.timeouts()
	}
	return l, err
}

func (e *env) records() (cas.Store, error) {
	l, err := e.leaser()
	if err != nil {
		return nil, err
	}
	return l.Records(e.ctx)
}

func (e *env) blobs() (blob.Store, error) {
	c, err := e.client()
	if err != nil {
		return nil, err
	}
	store, _, err := c.Open(e.ctx)
	return store, err
}

// place is where the runs of one operation are made: a bucket, or directories.
type place struct {
	t   *testing.T
	op  operation
	dir string         // the replica
	srv *fakes3.Server // nil for a directory
	n   int

	base   *attempt // without a failure
	shared *env     // of an operation that only reads: all its runs are made here
}

// fresh returns a place that the operation can begin in.
func (p *place) fresh() *env {
	p.t.Helper()
	out := filepath.Join(p.t.TempDir(), "out")
	if p.shared != nil {
		e := p.shared.with(p.t.Context())
		e.out = out
		return e
	}
	p.n++
	e := &env{ctx: p.t.Context(), out: out, srv: p.srv, source: p.dir}
	if p.srv == nil {
		e.name = filepath.Join(p.t.TempDir(), "replica")
		e.url = "file://" + e.name
	} else {
		e.name = fmt.Sprintf("place%d", p.n)
		e.url = "s3://" + p.srv.Bucket + "/" + e.name + "?endpoint=" + p.srv.URL
	}
	if p.op.replica {
		p.fill(e)
	}
	if p.op.state == nil && p.op.prepare == nil {
		p.shared = e
	}
	return e
}

// fill writes the replica to a place, with its times where the engine has them.
func (p *place) fill(e *env) {
	p.t.Helper()
	if p.srv == nil {
		err := os.CopyFS(e.name, os.DirFS(p.dir))
		if err := errors.Join(err, testreplica.RestoreTimes(filepath.Dir(e.name))); err != nil {
			p.t.Log(err)
		}
		return
	}
	err := filepath.WalkDir(p.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(name)
		key, _ := filepath.Rel(p.dir, name)
		p.srv.Put(e.name+"/"+filepath.ToSlash(key), content)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// attempt is one run of the operation.
type attempt struct {
	Result
	e        *env
	before   string   // the state that it began in
	calls    []string // its requests by name, or the names below its directory
	requests int
	failed   bool // the request was made that has to fail

	again *Result // the run after it, at the same place, without a failure
}

// run runs the operation once. Fail is called just before it, with what ends it.
func (p *place) run(haste int, fail func(e *env, stop func())) *attempt {
	p.t.Helper()
	a := &attempt{e: p.fresh()}
	if p.op.prepare != nil {
		if err := p.op.prepare(a.e); err != nil {
			p.t.Fatalf("%s: prepare: %v", p.op.name, err)
		}
	}
	a.before = p.state(a.e)
	if p.srv == nil {
		a.calls = names(p.t, a.e.name)
	} else {
		p.srv.Reset()
	}
	ctx, stop := context.WithTimeout(p.t.Context(), 2*Bound)
	defer stop()
	fail(a.e, stop)
	failing := a.e.with(ctx)
	failing.fast = haste
	a.Result = p.once(failing)
	if p.srv != nil {
		for _, req := range p.srv.Requests() {
			a.requests++
			if c := Call(req, a.e.name); !slices.Contains(a.calls, c) {
				a.calls = append(a.calls, c)
			}
		}
		p.srv.Reset()
	}
	slices.Sort(a.calls)
	a.State = p.state(a.e)
	return a
}

// once is one run of the operation, without the state afterwards.
func (p *place) once(e *env) (r Result) {
	p.t.Helper()
	began := time.Now()
	seen, err := p.op.run(e)
	r.Took, r.Seen = time.Since(began), seen
	if err != nil {
		r.Failed, r.Said, r.Seen = true, err.Error(), ""
		r.Absence = errors.Is(err, replica.ErrNoReplica) || p.op.records && isAbsence(err)
		r.Unknown = e.ctx.Err() != nil || errors.Is(err, cas.ErrIndeterminate) || errors.Is(err, blob.ErrIndeterminate)
	}
	for _, name := range names(p.t, filepath.Dir(e.out)) {
		if durable.IsTempName(filepath.Base(name)) {
			r.Left = append(r.Left, name)
		}
	}
	return r
}

// repeat runs the operation at the same place again, without a failure, as its caller would
// after an error.
func (p *place) repeat(a *attempt) {
	p.t.Helper()
	ctx, stop := context.WithTimeout(p.t.Context(), 2*Bound)
	defer stop()
	if p.op.again != nil {
		if err := p.op.again(a.e); err != nil {
			p.t.Errorf("%s: before the next run: %v", p.op.name, err)
		}
	}
	r := p.once(a.e.with(ctx))
	r.State = p.state(a.e)
	a.again = &r
}

// done forgets the place of an attempt.
func (p *place) done(a *attempt) {
	if p.shared == nil && p.srv != nil {
		p.srv.Remove(a.e.name + "/")
	}
}

// state is what a fresh reader sees.
func (p *place) state(e *env) string {
	p.t.Helper()
	if p.op.state == nil {
		return ""
	}
	s, err := p.op.state(e.with(p.t.Context()))
	if err != nil {
		return "unreadable: " + err.Error()
	}
	return s
}

// prepareBase runs the operation without a failure, twice: it has to repeat itself. Then it
// runs it again at the second place.
func (p *place) prepareBase() {
	p.t.Helper()
	first := p.run(slow, func(*env, func()) {})
	if first.Failed {
		p.t.Fatalf("without a failure: %s", first.Said)
	}
	p.base = p.run(slow, func(*env, func()) {})
	if p.base.Seen != first.Seen || p.base.State != first.State {
		p.t.Fatalf("it does not repeat itself:\n%s\n%s\nthen\n%s\n%s", first.Seen, first.State, p.base.Seen, p.base.State)
	}
	p.repeat(p.base)
}

func isAbsence(err error) bool {
	for _, absence := range []error{
		fs.ErrNotExist, kv.ErrNotFound, config.ErrSnapshotNotFound, resource.ErrNotFound,
	} {
		if errors.Is(err, absence) {
			return true
		}
	}
	return strings.Contains(err.Error(), "NotFound desc")
}

// names are those below a directory.
func names(t *testing.T, root string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, _ fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		rel, _ := filepath.Rel(root, name)
		found = append(found, rel)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
