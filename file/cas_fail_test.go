package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/durable"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newRecords(t *testing.T) (*Records, string) {
	dir := t.TempDir()
	return NewRecords(dir, Options{}), dir
}

// wantFailedWrite checks a write of key that must fail, certainly.
func wantFailedWrite(t *testing.T, r *Records, key string, expect cas.Token) error {
	t.Helper()
	_, err := r.Write(t.Context(), key, []byte("new"), expect)
	if err == nil || errors.Is(err, cas.ErrIndeterminate) || !strings.HasPrefix(err.Error(), "write "+key+": ") {
		t.Errorf("Write(%q): got error %v", key, err)
	}
	return err
}

func wantFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
}

// TestRecordsNoLocks: a filesystem without locks is not written to.
func TestRecordsNoLocks(t *testing.T) {
	defer func() { lockRecord = durable.AcquireLock }()
	for cause, want := range map[error]bool{durable.ErrNoLocks: true, syscall.EIO: false} {
		lockRecord = func(context.Context, *os.Root, string, os.FileMode) (*durable.Lock, error) {
			return nil, fmt.Errorf("lock: %w", cause)
		}
		r, dir := newRecords(t)
		err := wantFailedWrite(t, r, "k", "")
		if !errors.Is(err, cause) || errors.Is(err, cas.ErrUnsupported) != want {
			t.Errorf("Write where locking fails with %v: got error %v", cause, err)
		}
		wantFiles(t, dir)
	}
}

// TestRecordsLockRemoved: a writer whose lock file is taken away before it has
// replaced the record does not replace it.
func TestRecordsLockRemoved(t *testing.T) {
	defer func() { lockRecord = durable.AcquireLock }()
	r, dir := newRecords(t)
	written, err := r.Write(t.Context(), "k", []byte("old"), "")
	must(t, err)
	lockRecord = func(ctx context.Context, root *os.Root, name string, perm os.FileMode) (*durable.Lock, error) {
		l, err := durable.AcquireLock(ctx, root, name, perm)
		return l, errors.Join(err, root.Remove(name))
	}
	wantFailedWrite(t, r, "k", written.Token)
	if rec, err := r.Read(t.Context(), "k", ""); err != nil || string(rec.Value) != "old" {
		t.Errorf("Read: got %q, %v, want the old value", rec.Value, err)
	}
	wantFiles(t, dir, "k")
}

// TestRecordsLateWrite: a context that ends in the middle of a write is the
// last chance to prevent it.
func TestRecordsLateWrite(t *testing.T) {
	defer func() { lockRecord = durable.AcquireLock }()
	r, dir := newRecords(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	late := errors.New("too late")
	lockRecord = func(ctx context.Context, root *os.Root, name string, perm os.FileMode) (*durable.Lock, error) {
		defer cancel(late)
		return durable.AcquireLock(ctx, root, name, perm)
	}
	if _, err := r.Write(ctx, "k", []byte("new"), ""); !errors.Is(err, late) || errors.Is(err, cas.ErrIndeterminate) {
		t.Errorf("Write: got error %v, want the cause of the context's end", err)
	}
	wantFiles(t, dir, ".k.lock")
}

// TestRecordsPublish is what errors of publishing mean for a record.
func TestRecordsPublish(t *testing.T) {
	for _, c := range []struct {
		err    error
		create bool
		want   error // nil: none of the waist's
	}{
		{durable.ErrUncertain, true, cas.ErrIndeterminate},
		{durable.ErrUncertain, false, cas.ErrIndeterminate},
		{fs.ErrExist, true, cas.ErrConflict},
		{syscall.EPERM, true, cas.ErrUnsupported},
		{errors.ErrUnsupported, true, cas.ErrUnsupported},
		{syscall.EPERM, false, nil},
		{syscall.ENOSPC, true, nil},
	} {
		r, dir := newRecords(t)
		root, err := os.OpenRoot(dir)
		must(t, err)
		err = r.publish(root, "k", []byte("v"), c.create, func() error { return c.err })
		for _, kind := range []error{cas.ErrIndeterminate, cas.ErrConflict, cas.ErrUnsupported} {
			if got, want := errors.Is(err, kind), errors.Is(c.want, kind); got != want {
				t.Errorf("%v with create %v: got error %v, want %v", c.err, c.create, err, c.want)
			}
		}
		if !errors.Is(err, c.err) {
			t.Errorf("%v is not in the chain of %v", c.err, err)
		}
		must(t, root.Close())
	}
}

// TestRecordsRefusedWriteLeavesNothing: not even a directory or a lock file.
func TestRecordsRefusedWriteLeavesNothing(t *testing.T) {
	r, dir := newRecords(t)
	if err := wantFailedWrite(t, r, "a/b", "some-token"); !errors.Is(err, cas.ErrConflict) {
		t.Errorf("Write over nothing: got error %v, want a conflict", err)
	}
	wantFiles(t, dir)
}
