//go:build faults

package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/engines"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/mirror"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/store/config"
	"github.com/replctl/replicate/store/kv"
	"github.com/replctl/replicate/store/logstate"
	"github.com/replctl/replicate/store/resource"
)

type runFunc = func(e *env) (string, error)

// with makes a run of a function of a handle: open opens the handle, and it is done with it
// when the function returns.
func with[T any](open func(e *env) (T, error), f func(e *env, handle T) (string, error)) runFunc {
	return func(e *env) (string, error) {
		handle, err := open(e)
		if err != nil {
			return "", err
		}
		if c, ok := any(handle).(io.Closer); ok {
			defer c.Close()
		}
		return f(e, handle)
	}
}

func withClient(f func(*env, engines.Client) (string, error)) runFunc {
	return with((*env).client, f)
}
func withBlobs(f func(*env, blob.Store) (string, error)) runFunc { return with((*env).blobs, f) }
func withLeaser(f func(*env, engines.LeaseClient) (string, error)) runFunc {
	return with((*env).leaser, f)
}
func withRecords(f func(*env, cas.Store) (string, error)) runFunc { return with((*env).records, f) }

// over opens a facade over the records.
func over[T any](open func(s cas.Store) (T, error), f func(*env, T) (string, error)) runFunc {
	return with(func(e *env) (none T, err error) {
		s, err := e.records()
		if err != nil {
			return none, err
		}
		return open(s)
	}, f)
}

func withKV(f func(*env, *kv.Store) (string, error)) runFunc {
	return over(func(s cas.Store) (*kv.Store, error) { return kv.New(s, kv.Options{}) }, f)
}

func withConfig(f func(*env, *config.Store) (string, error)) runFunc {
	return over(func(s cas.Store) (*config.Store, error) { return config.New(s, config.Options{}), nil }, f)
}

func withLogs(f func(*env, *logstate.Store) (string, error)) runFunc {
	return func(e *env) (string, error) {
		return over(
			func(s cas.Store) (*logstate.Store, error) { return logstate.New(s).WithContext(e.ctx), nil },
			f,
		)(
			e,
		)
	}
}

func withResources(f func(*env, *resource.Store) (string, error)) runFunc {
	return over(func(s cas.Store) (*resource.Store, error) {
		return resource.Open(s, resource.Options{Timeout: 5 * time.Second})
	}, f)
}

// fenced is a run under a lease, which is elsewhere and does not fail.
func fenced(f func(*env, *replica.FencedClient) (string, error)) runFunc {
	return withClient(func(e *env, c engines.Client) (string, error) {
		records := new(cas.Memory)
		leaser := lease.NewLeaser("memory", func() lease.Config { return lease.Config{Owner: "me"} },
			func(context.Context) (cas.Store, error) { return records, nil })
		s, err := lease.TryAcquire(context.Background(), leaser, lease.Options{Guard: 50 * time.Millisecond})
		if err != nil {
			return "", err
		}
		seen, err := f(e, replica.NewFencedClient(c, s))
		return seen, errors.Join(err, s.Release(context.Background()))
	})
}

// session is a run that acquires a session, and does something with it.
func session(
	acquire func(context.Context, replicate.Leaser, lease.Options) (*lease.Session, error),
	f func(*env, *lease.Session) error,
) runFunc {
	return withLeaser(func(e *env, l engines.LeaseClient) (string, error) {
		s, err := acquire(e.ctx, l, lease.Options{})
		if err != nil {
			return "", err
		}
		if f != nil {
			return "", f(e, s)
		}
		s.Abandoned()
		return text(s.Generation(), nil)
	})
}

// withRun makes a run a preparation.
func withRun(run runFunc) func(e *env) error {
	return func(e *env) error { _, err := run(e); return err }
}

// What the preparations leave.

var held = withRun(withLeaser(func(e *env, l engines.LeaseClient) (string, error) {
	lease, err := l.AcquireLease(e.ctx)
	e.kept = lease
	return "", err
}))

// broken is an operator who breaks the lease that a run has left, if it has.
func broken(e *env) error {
	return withRun(withLeaser(func(e *env, l engines.LeaseClient) (string, error) {
		held, state, err := l.ReadLease(e.ctx)
		if err == nil && state == lease.Held {
			_, err = l.BreakLease(e.ctx, lease.BreakOptions{Generation: held.Generation})
		}
		return "", err
	}))(e)
}

var written = withRun(withRecords(func(e *env, s cas.Store) (string, error) {
	w, err := s.Write(e.ctx, "a/b", []byte("old"), "")
	e.kept = w.Token
	return "", err
}))

var kvPut = withRun(withKV(func(e *env, s *kv.Store) (string, error) {
	v, err := s.Create(e.ctx, kv.Record{Key: "a/b", Value: []byte("1")})
	e.kept = v
	return "", err
}))

var kvLease = withRun(withKV(func(e *env, s *kv.Store) (string, error) {
	l, err := s.NewLease(e.ctx, time.Hour, false)
	if err == nil {
		e.kept = l.Id()
	}
	return "", err
}))

var saved = withRun(withConfig(func(e *env, s *config.Store) (string, error) {
	return "", s.SaveSnapshot(e.ctx, "c", "v1", []byte("content"))
}))

func active(e *env) error {
	return errors.Join(saved(e), withRun(withConfig(func(e *env, s *config.Store) (string, error) {
		return "", s.ActivateSnapshot(e.ctx, "c", "v1")
	}))(e))
}

func applied(e *env) error {
	return errors.Join(active(e), withRun(withConfig(func(e *env, s *config.Store) (string, error) {
		return "", s.LogApply(e.ctx, "i", "c", "v1", config.Applied)
	}))(e))
}

var checkpointed = withRun(withLogs(func(e *env, s *logstate.Store) (string, error) {
	return "", s.Update("log", func([]byte) ([]byte, error) { return []byte("one"), nil })
}))

var resourcePut = withRun(withResources(func(e *env, s *resource.Store) (string, error) {
	r, err := s.WriteCAS(e.ctx, &resource.Resource{ID: id, Data: []byte("1"), Owner: &id})
	if err == nil {
		e.kept = r.Version
	}
	return "", err
}))

// onlyV3 leaves the v0.3 backup alone.
func onlyV3(e *env) error {
	if e.srv == nil {
		return os.RemoveAll(strings.TrimPrefix(e.url, "file://") + "/ltx")
	}
	e.srv.Remove(e.name + "/ltx/")
	return nil
}

func keepLTX(e *env) error {
	content, err := os.ReadFile(e.source + "/ltx/0/0000000000000043-0000000000000043.ltx")
	e.kept = content
	return err
}

// What a fresh reader sees.

var leaseState = withLeaser(func(e *env, l engines.LeaseClient) (string, error) {
	held, state, err := l.ReadLease(e.ctx)
	if err != nil || held == nil {
		return string(state), err
	}
	return fmt.Sprint(state, held.Generation, held.Owner), nil
})

var recordState = withRecords(func(e *env, s cas.Store) (string, error) {
	r, err := s.Read(e.ctx, "a/b", "")
	return fmt.Sprint(r.Exists(), string(r.Value)), err
})

var kvState = withKV(func(e *env, s *kv.Store) (string, error) {
	found, err := s.GetRange(e.ctx, "", "")
	var b strings.Builder
	for _, r := range found {
		fmt.Fprintf(&b, "%s=%s ", r.Key, r.Value)
	}
	return b.String(), err
})

var configState = withConfig(func(e *env, s *config.Store) (string, error) {
	found, err := s.ListSnapshots(e.ctx, "c")
	var b strings.Builder
	for _, snap := range found {
		n, err := s.CountApplied(e.ctx, "c", snap.Version)
		full, err2 := s.GetSnapshot(e.ctx, "c", snap.Version)
		if err := errors.Join(err, err2); err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%s=%s %s %d ", snap.Version, full.Content, full.Status, n)
	}
	return b.String(), err
})

var logState = withLogs(func(e *env, s *logstate.Store) (string, error) {
	b, err := s.Latest("log")
	return string(b), err
})

var resourceState = withResources(func(e *env, s *resource.Store) (string, error) {
	found, err := s.List(e.ctx, resource.Strong, id.Type.Unversioned(), id.Tenancy, "")
	var b strings.Builder
	for _, r := range found {
		fmt.Fprintf(&b, "%s=%s ", r.ID.Name, r.Data)
	}
	return b.String(), err
})

// objects are the names and contents of all objects.
func objects(e *env) (string, error) {
	if e.srv == nil {
		return blobs(e)
	}
	found := e.srv.Objects(e.name + "/")
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(found)) {
		fmt.Fprintln(&b, name, digest(found[name]))
	}
	return b.String(), nil
}

// blobs are the names and contents of all objects, as a client lists and reads them.
var blobs = withBlobs(func(e *env, s blob.Store) (string, error) {
	var b strings.Builder
	for info, err := range s.List(e.ctx, "", blob.ListOptions{}) {
		if err != nil {
			return "", err
		}
		content, err := readAll(s.Open(e.ctx, info.Key, 0, 0))
		if err != nil {
			return "", err
		}
		if path.Base(info.Key) == "times.json" {
			content = "" // it has the times of the objects at the source
		}
		fmt.Fprintln(&b, info.Key, content)
	}
	return b.String(), nil
})

// copied are the objects at the destination.
func copied(e *env) (string, error) {
	return blobs(&env{ctx: e.ctx, url: "file://" + e.out})
}

// migrated is the database that a migrated replica gives: its files have the times of the objects.
func migrated(e *env) (string, error) { return newest(&env{ctx: e.ctx, url: "file://" + e.out}) }

// newest is the database that a replica gives. A snapshot that was written in part is a transaction
// of its own, and the next run writes the one after it.
func newest(e *env) (string, error) {
	c, err := e.client()
	if err != nil {
		return "", err
	}
	var db bytes.Buffer
	_, err = restore.To(e.ctx, c, restore.Target{}, &db, restore.Options{})
	return digest(db.Bytes()), err
}

// restored is the database that a restore has made.
func restored(e *env) (string, error) {
	content, err := os.ReadFile(e.out)
	if errors.Is(err, os.ErrNotExist) {
		return "none", nil
	}
	return digest(content), err
}

// What comes of a call, as text.

func listed(files ltx.FileIterator, err error) (string, error) {
	if err != nil {
		return "", err
	}
	n := 0
	for files.Next() {
		n++
	}
	return text(n, errors.Join(files.Err(), files.Close()))
}

func keys(e *env, s blob.Store) (string, error) {
	n := 0
	for _, err := range s.List(e.ctx, "", blob.ListOptions{}) {
		if err != nil {
			return "", err
		}
		n++
	}
	return text(n, nil)
}

func planned(plan *restore.Plan, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return text(plan.State.TXID, nil)
}

func grant(l *replicate.Lease, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return text(l.Generation, nil)
}

func content(s *config.Snapshot, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return string(s.Content), nil
}

func copyTo(e *env, src, dst replica.Source) (string, error) {
	report, err := mirror.Copy(e.ctx, src, dst, mirror.Options{})
	if err != nil {
		return "", err
	}
	return text(report.Objects, damage("copy", report.Problems))
}

// damage is an error of the first problem that is one. A problem says what is wrong with an
// object; which operation found it, the caller knows whose report it is in.
func damage(op string, problems []replica.Problem) error {
	for _, p := range problems {
		if p.Severity == replica.SeverityError {
			return errors.New(op + ": " + p.Object + ": " + p.Message)
		}
	}
	return nil
}
