package file

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/durable"
)

// TestRecordsDelete: nothing is left of a record but its directory, and a deletion that is
// refused makes nothing.
func TestRecordsDelete(t *testing.T) {
	r, dir := newRecords(t)
	if err := r.Delete(t.Context(), "a/k", "some-token"); !errors.Is(err, cas.ErrConflict) {
		t.Errorf("Delete of nothing: got error %v, want a conflict", err)
	}
	wantFiles(t, dir)
	written, err := r.Write(t.Context(), "a/k", []byte("v"), "")
	must(t, err)
	wantFiles(t, dir+"/a", ".k.lock", "k")
	must(t, r.Delete(t.Context(), "a/k", written.Token))
	wantFiles(t, dir+"/a")
}

// TestRecordsDeleteNotDurable: a removal whose fsync failed may be undone by a crash.
func TestRecordsDeleteNotDurable(t *testing.T) {
	defer func() { syncRemoval = durable.SyncDir }()
	r, _ := newRecords(t)
	written, err := r.Write(t.Context(), "k", []byte("v"), "")
	must(t, err)
	syncRemoval = func(*os.Root, string) error { return syscall.EIO }
	wantNotDurable(t, "Delete", r.Delete(t.Context(), "k", written.Token))
}

// TestRecordsDeleteLate: a context that ends, or a lock file that is taken away, before the
// removal prevents it.
func TestRecordsDeleteLate(t *testing.T) {
	defer func() { lockRecord = durable.AcquireLock }()
	r, dir := newRecords(t)
	written, err := r.Write(t.Context(), "k", []byte("v"), "")
	must(t, err)
	late := errors.New("too late")
	ctx, cancel := context.WithCancelCause(t.Context())
	lockRecord = func(ctx context.Context, root *os.Root, name string, perm os.FileMode) (*durable.Lock, error) {
		defer cancel(late)
		return durable.AcquireLock(ctx, root, name, perm)
	}
	if err := r.Delete(ctx, "k", written.Token); !errors.Is(err, late) || errors.Is(err, cas.ErrIndeterminate) {
		t.Errorf("Delete: got error %v, want the cause of the context's end", err)
	}
	lockRecord = func(ctx context.Context, root *os.Root, name string, perm os.FileMode) (*durable.Lock, error) {
		l, err := durable.AcquireLock(ctx, root, name, perm)
		return l, errors.Join(err, root.Remove(name))
	}
	if err := r.Delete(t.Context(), "k", written.Token); err == nil || errors.Is(err, cas.ErrIndeterminate) {
		t.Errorf("Delete without a lock: got error %v", err)
	}
	wantFiles(t, dir, "k")
}

// TestRecordsDeleteAndLock: with lock files that go, two writers never both hold the lock
// of a record.
func TestRecordsDeleteAndLock(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	must(t, err)
	defer root.Close()
	var wg sync.WaitGroup
	var held sync.Mutex
	for range 8 {
		wg.Go(func() {
			for range 200 {
				l, err := durable.AcquireLock(t.Context(), root, ".k.lock", 0o600)
				if err != nil {
					t.Error(err)
					return
				}
				if !held.TryLock() {
					t.Error("two hold the lock")
				} else {
					runtime.Gosched()
					held.Unlock()
				}
				l.Remove()
				l.Unlock()
			}
		})
	}
	wg.Wait()
}
