package durable

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

const lockFile = ".k.lock"

func acquire(t *testing.T, root *os.Root) *Lock {
	t.Helper()
	l, err := AcquireLock(t.Context(), root, lockFile, 0o600)
	must(t, err)
	return l
}

// wantLocked checks that nobody else gets the lock by way of root.
func wantLocked(t *testing.T, root *os.Root) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	cancel(cause)
	l, err := AcquireLock(ctx, root, lockFile, 0o600)
	if err == nil {
		l.Unlock()
	}
	if !errors.Is(err, cause) {
		t.Errorf("AcquireLock of a held lock: got error %v, want the cause of the context's end", err)
	}
}

// wantIdle checks that no lock is held in this process, and nobody waits.
func wantIdle(t *testing.T) {
	t.Helper()
	if len(local.held) != 0 {
		t.Errorf("%d locks are left in this process", len(local.held))
	}
}

func TestLock(t *testing.T) {
	root := openRoot(t)
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(root.Name(), link))
	alias, err := os.OpenRoot(link)
	must(t, err)
	defer alias.Close()

	l := acquire(t, root)
	wantLocked(t, root)
	wantLocked(t, alias)
	must(t, l.Check())
	l.Unlock()
	acquire(t, alias).Unlock()
	wantNames(t, root, lockFile)
	wantIdle(t)
}

// TestLockExcludes: the sum is right only if no two are between Lock and Unlock.
func TestLockExcludes(t *testing.T) {
	root := openRoot(t)
	const each, workers = 50, 8
	sum, done := 0, make(chan error, workers)
	for range workers {
		go func() {
			for range each {
				l, err := AcquireLock(t.Context(), root, lockFile, 0o600)
				if err != nil {
					done <- err
					return
				}
				n := sum
				runtime.Gosched()
				sum = n + 1
				l.Unlock()
			}
			done <- nil
		}()
	}
	for range workers {
		must(t, <-done)
	}
	if sum != each*workers {
		t.Errorf("the sum is %d, want %d", sum, each*workers)
	}
	wantIdle(t)
}

// TestKernelLock: what another descriptor has locked is waited for, without
// anything that this process knows.
func TestKernelLock(t *testing.T) {
	root := openRoot(t)
	f, err := root.Create(lockFile)
	must(t, err)
	if locked, err := tryLock(f); !locked || err != nil {
		t.Fatalf("tryLock: %v, %v", locked, err)
	}
	refused := make(chan struct{})
	tries := 0
	takeLock = func(f *os.File) (bool, error) {
		locked, err := tryLock(f)
		if tries++; tries == 3 {
			close(refused)
		}
		return locked, err
	}
	defer func() { takeLock = tryLock }()
	done := make(chan *Lock, 1)
	go func() {
		l, err := AcquireLock(t.Context(), root, lockFile, 0o600)
		if err != nil {
			t.Error(err)
		}
		done <- l
	}()
	<-refused
	if len(done) != 0 {
		t.Error("AcquireLock does not wait for a lock of the kernel's")
	}
	must(t, f.Close())
	if l := <-done; l != nil {
		l.Unlock()
	}
	wantIdle(t)
}

// TestLockFileRemoved: who holds the lock on a file that was removed finds out;
// who waited for it goes on to the file that has the name now.
func TestLockFileRemoved(t *testing.T) {
	root := openRoot(t)
	held := acquire(t, root)
	waiter := make(chan *Lock, 1)
	go func() {
		l, err := AcquireLock(t.Context(), root, lockFile, 0o600)
		if err != nil {
			t.Error(err)
		}
		waiter <- l
	}()
	for waiting := 1; waiting < 2; runtime.Gosched() {
		local.mu.Lock()
		waiting = local.held[held.id].users
		local.mu.Unlock()
	}
	must(t, root.Remove(lockFile))
	if err := held.Check(); !errors.Is(err, errReplaced) {
		t.Errorf("Check after the file was removed: got error %v", err)
	}
	held.Unlock()
	l := <-waiter
	if l == nil {
		t.Fatal("the waiter has no lock")
	}
	must(t, l.Check())
	must(t, root.Rename(lockFile, "elsewhere"))
	must(t, root.WriteFile(lockFile, nil, 0o600))
	if err := l.Check(); !errors.Is(err, errReplaced) {
		t.Errorf("Check after the file was replaced: got error %v", err)
	}
	l.Unlock()
	wantIdle(t)
}

// TestLockFileIsNoFile: whatever else has the name is an error, at once.
func TestLockFileIsNoFile(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"directory":     func(path string) error { return os.Mkdir(path, 0o700) },
		"link":          func(path string) error { return os.Symlink("target", path) },
		"link to it":    func(path string) error { return os.Symlink(lockFile, path) },
		"link outwards": func(path string) error { return os.Symlink("../outside", path) },
	} {
		t.Run(name, func(t *testing.T) {
			root := openRoot(t)
			must(t, make(filepath.Join(root.Name(), lockFile)))
			if l, err := AcquireLock(t.Context(), root, lockFile, 0o600); err == nil {
				l.Unlock()
				t.Error("AcquireLock locks it")
			}
			wantIdle(t)
		})
	}
}

// TestLockFileReadOnly: a mode without write permission is no obstacle.
func TestLockFileReadOnly(t *testing.T) {
	root := openRoot(t)
	for range 2 {
		l, err := AcquireLock(t.Context(), root, lockFile, 0o400)
		must(t, err)
		l.Unlock()
	}
	fi, err := root.Stat(lockFile)
	must(t, err)
	if got := fi.Mode().Perm(); got != 0o400 {
		t.Errorf("mode %o, want 400", got)
	}
}

func TestIsLockName(t *testing.T) {
	for name, want := range map[string]bool{
		LockName("lock.json"): true, LockName("a"): true, LockName("_=.-"): true,
		".lock": false, "..lock": false, "...lock": false, "a.lock": false, ".a.LOCK": false, ".A.lock": false,
		".a.lock~": false, "x.a.lock": false, ".a b.lock": false, "": false,
		".replicate-ABCDEFGHIJKLMNOPQRSTUVWXYZ.tmp": false,
	} {
		if got := IsLockName(name); got != want {
			t.Errorf("IsLockName(%q) = %v", name, got)
		}
	}
}
