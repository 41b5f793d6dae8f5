//go:build faults

package faults

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/engines"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/s3"
	"github.com/replctl/replicate/store/config"
	"github.com/replctl/replicate/store/kv"
	"github.com/replctl/replicate/store/resource"
)

func TestMain(m *testing.M) {
	fakes3.Isolate()
	_ = os.Setenv("AWS_ACCESS_KEY_ID", fakes3.AccessKeyID)
	_ = os.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey)
	os.Exit(m.Run())
}

// env is the place of one run, and what opens it: each handle is a fresh one.
type env struct {
	ctx context.Context
	url string
	out string // a path in a fresh directory

	source string // the replica, in a directory where nothing fails
	kept   any    // what prepare leaves to run: a token, a grant
}

// The timeouts of the handles, so that a failure for good ends in a second.
const (
	stall = 300 * time.Millisecond
	retry = time.Second
)

var quiet = slog.New(slog.DiscardHandler)

func (e *env) client() (engines.Client, error) {
	p, err := engines.Parse(e.url)
	if err != nil {
		return nil, err
	}
	c, err := p.Replica(engines.Options{Logger: quiet, OnWait: func(s3.Wait) {}})
	if c, ok := c.(*s3.ReplicaClient); ok {
		c.StallTimeout, c.RetryTimeout = stall, retry
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
		l.StallTimeout, l.RetryTimeout = stall, retry
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
	t      *testing.T
	op     operation
	dir    string         // the replica
	srv    *fakes3.Server // nil for a directory
	shared string         // of operations that only read
	n      int

	last, lastOut string // the URL and the path of the last attempt
}

// fresh returns the URL of a place that the operation can begin in.
func (p *place) fresh() (name, url string) {
	p.t.Helper()
	if p.shared != "" {
		name = p.shared
	} else {
		p.n++
		name = fmt.Sprintf("place%d", p.n)
		if p.srv == nil {
			name = filepath.Join(p.t.TempDir(), "replica")
		}
	}
	url = "file://" + name
	if p.srv != nil {
		url = "s3://" + p.srv.Bucket + "/" + name + "?endpoint=" + p.srv.URL
	}
	if p.op.replica && p.shared == "" {
		p.fill(url)
	}
	if p.op.state == nil && p.op.prepare == nil {
		p.shared = name
	}
	return name, url
}

// fill writes the replica to a place, with its times where the engine has them.
func (p *place) fill(url string) {
	p.t.Helper()
	if dir, ok := strings.CutPrefix(url, "file://"); ok {
		if err := errors.Join(os.CopyFS(dir, os.DirFS(p.dir)), testreplica.RestoreTimes(filepath.Dir(dir))); err != nil {
			p.t.Log(err)
		}
		return
	}
	store, err := (&env{ctx: p.t.Context(), url: url}).blobs()
	if err != nil {
		p.t.Fatal(err)
	}
	err = filepath.WalkDir(p.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		key, _ := filepath.Rel(p.dir, name)
		_, err = store.Write(p.t.Context(), filepath.ToSlash(key), f, blob.WriteOptions{})
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// attempt runs the operation once. Fail is called just before it, with what ends it.
func (p *place) attempt(fail func(name string, stop func())) (r Result, before string, calls []string) {
	t, op := p.t, p.op
	t.Helper()
	name, url := p.fresh()
	out := filepath.Join(t.TempDir(), "out")
	p.last, p.lastOut = url, out
	e := &env{ctx: t.Context(), url: url, out: out, source: p.dir}
	if op.prepare != nil {
		if err := op.prepare(e); err != nil {
			t.Fatalf("%s: prepare: %v", op.name, err)
		}
	}
	before = p.state(url, out)
	if p.srv != nil {
		p.srv.Reset()
	} else {
		calls = names(t, name)
	}
	ctx, stop := context.WithTimeout(t.Context(), 2*Bound)
	defer stop()
	e.ctx = ctx
	fail(name, stop)
	began := time.Now()
	seen, err := op.run(e)
	r.Took, r.Seen = time.Since(began), seen
	if err != nil {
		r.Failed, r.Said, r.Seen = true, err.Error(), ""
		r.Absence = errors.Is(err, replica.ErrNoReplica) || op.records && isAbsence(err)
		r.Unknown = ctx.Err() != nil || errors.Is(err, cas.ErrIndeterminate) || errors.Is(err, blob.ErrIndeterminate)
	}
	if p.srv != nil {
		for _, req := range p.srv.Requests() {
			if c := Call(req, name); !slices.Contains(calls, c) {
				calls = append(calls, c)
			}
		}
		p.srv.Reset()
	}
	slices.Sort(calls)
	r.Left, _ = filepath.Glob(filepath.Join(filepath.Dir(out), ".replicate-*"))
	return r, before, calls
}

// state is what a fresh reader sees.
func (p *place) state(url, out string) string {
	p.t.Helper()
	if p.op.state == nil {
		return ""
	}
	s, err := p.op.state(&env{ctx: p.t.Context(), url: url, out: out})
	if err != nil {
		return "unreadable: " + err.Error()
	}
	return s
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

// excused says why a failure of a call is none, or cannot be seen; it is empty for the rest.
func excused(op operation, kind, call string) string {
	verb, key, _ := strings.Cut(call, " ")
	read := verb == "GetObject" || verb == "HeadObject"
	switch {
	case kind == "404" && read && (op.records || path.Base(key) == "times.json" || path.Base(key) == "lock.json"):
		return "a record that does not exist is an answer"
	case kind == "stale read" && !(strings.HasPrefix(op.name, "cas.") || strings.HasPrefix(op.name, "Leaser.")):
		return "a reader cannot tell that what it was given is old"
	case op.raw && read && strings.HasPrefix(kind, "answer"):
		return "the object's reader checks it, not the store"
	case kind == "412 after applying" && !op.records:
		return "an unconditional write has no 412: the store is none of S3"
	case kind == "empty 200" && verb == "DeleteObject":
		return "it is the answer of a deletion"
	case op.excused != nil:
		return op.excused(kind, call)
	}
	return ""
}

// TestEveryRequestFails runs each operation of the library on S3, again for each of its
// requests and each kind of failure.
func TestEveryRequestFails(t *testing.T) {
	dir := SmallReplica(t)
	for i, op := range operations {
		if !Wanted(op.name) || !Turn(i) {
			continue
		}
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			p := &place{t: t, op: op, dir: dir, srv: fakes3.New(t)}
			base, calls := p.base()
			chosen := Sampler(op.name)
			for _, c := range calls {
				for _, k := range Kinds {
					if !k.Fits(c) || excused(op, k.Name, c) != "" || !chosen() {
						continue
					}
					r, before, _ := p.again(func(name string, stop func()) {
						p.srv.Fail(k.Rule(func(r fakes3.Request) bool { return Call(r, name) == c }, stop))
					})
					cause := k.Cause
					if !op.records && len(cause) > 0 && op.steps {
						cause = nil
					}
					Log(
						t,
						Line{Store: "s3", Op: op.name, Call: c, Kind: k.Name},
						r,
						Judge(base, r, before, op.steps, cause),
					)
				}
			}
		})
	}
}

// base is the operation without a failure, twice: it has to repeat itself.
func (p *place) base() (base Result, calls []string) {
	p.t.Helper()
	base, _, _ = p.again(func(string, func()) {})
	if base.Failed {
		p.t.Fatalf("without a failure: %s", base.Said)
	}
	again, _, calls := p.again(func(string, func()) {})
	if again.Seen != base.Seen || again.State != base.State {
		p.t.Fatalf("it does not repeat itself:\n%s\n%s\nthen\n%s\n%s", base.Seen, base.State, again.Seen, again.State)
	}
	return base, calls
}

// again attempts it, and looks at the place afterwards.
func (p *place) again(fail func(name string, stop func())) (r Result, before string, calls []string) {
	p.t.Helper()
	r, before, calls = p.attempt(fail)
	r.State = p.state(p.last, p.lastOut)
	return r, before, calls
}

// digest describes content in a few characters.
func digest(b []byte) string { return fmt.Sprintf("%d:%x", len(b), sha256.Sum256(b))[:16] }

// readAll reads a reader that was opened, and closes it.
func readAll(r io.ReadCloser, err error) (string, error) {
	if err != nil {
		return "", err
	}
	content, err := io.ReadAll(r)
	return digest(content), errors.Join(err, r.Close())
}
