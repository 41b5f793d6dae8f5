package durable

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/replctl/replicate/internal/clock"
)

// ErrNoLocks: the filesystem has no locks that this process could take.
var ErrNoLocks = errors.New("filesystem has no file locks")

// Lock is an exclusive kernel lock on a file that exists for nothing else. It
// excludes every other Lock on the same file, in this process and in others on
// the same host, and on other hosts where the filesystem makes locks coherent
// (NFSv4 does; GPFS and others keep flock to one node, versitygw#2351).
//
// The kernel drops it when its process dies, however that dies. A process that
// is stopped, not dead, keeps it.
type Lock struct {
	dir  *os.Root
	name string
	file *os.File
	id   fileID
}

// LockName is the name of the file to lock for changes to the file name beside it.
func LockName(name string) string { return "." + name + ".lock" }

var lockName = regexp.MustCompile(`^\.[a-z0-9_=-][a-z0-9._=-]*\.lock$`)

// IsLockName reports whether a file name is the LockName of a record's.
func IsLockName(name string) bool {
	return strings.HasPrefix(name, ".") && lockName.MatchString(name) // of many names, few begin so
}

// AcquireLock locks the file name in dir, which it makes if it is missing. It
// waits until ctx ends. Only Remove removes the file: a waiter that then gets the lock
// on a file without a name notices, and waits for the lock on its successor.
func AcquireLock(ctx context.Context, dir *os.Root, name string, perm os.FileMode) (*Lock, error) {
	for {
		f, err := openLock(dir, name, perm)
		if err != nil {
			return nil, err
		}
		l := &Lock{dir: dir, name: name, file: f}
		if err := l.acquire(ctx); err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w", name, err)
		}
		err = l.Check()
		if err == nil {
			return l, nil
		}
		l.Unlock()
		if !errors.Is(err, errReplaced) {
			return nil, err
		}
	}
}

func openLock(dir *os.Root, name string, perm os.FileMode) (*os.File, error) {
	f, err := openToLock(dir, name, os.O_CREATE, perm)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	return f, nil
}

// acquire takes the process's lock, then the kernel's. Most kernels let two
// descriptors of one process exclude each other, but where flock is emulated by
// fcntl (NFS) they need not; and so only one goroutine waits for the kernel.
func (l *Lock) acquire(ctx context.Context) (err error) {
	if l.id, err = identify(l.file); err != nil {
		return err
	}
	if err := local.lock(ctx, l.id); err != nil {
		return err
	}
	for attempt := 0; ; attempt++ {
		locked, err := takeLock(l.file)
		switch {
		case err != nil && noLocks(err):
			err = fmt.Errorf("%w (%w)", ErrNoLocks, err)
		case err == nil && locked:
			return nil
		case err == nil:
			err = pause(ctx, attempt)
		}
		if err != nil {
			local.unlock(l.id)
			return err
		}
	}
}

var takeLock = tryLock // tests let it fail

// pause is between two attempts: 1 to 3 ms at first, 1 to 20 ms in the end. A
// blocking call could not be interrupted, and is slower in a crowd: it hands the
// lock to waiters whose comparison will fail before the one that could win.
func pause(ctx context.Context, attempt int) error {
	most := min(2*time.Millisecond<<min(attempt, 4), 19*time.Millisecond)
	return clock.System.Sleep(ctx, time.Millisecond+rand.N(most))
}

var errReplaced = errors.New("lock file was removed or replaced")

// Check is an error if the file's name does not lead to the locked file any more.
// Then somebody has removed it, and another may hold the lock on a new one.
func (l *Lock) Check() error {
	open, err := l.file.Stat()
	if err != nil {
		return fmt.Errorf("check lock: %w", err)
	}
	named, err := l.dir.Lstat(l.name)
	switch {
	case err == nil && !named.Mode().IsRegular():
		return fmt.Errorf("check lock: %s is not a regular file (mode %v)", l.name, named.Mode())
	case errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(open, named):
		return fmt.Errorf("check lock: %s: %w", l.name, errReplaced)
	case err != nil:
		return fmt.Errorf("check lock: %w", err)
	}
	return nil
}

// Remove removes the file, as far as the system lets one remove what is open: nothing
// depends on it. Others may hold the lock from then on. The caller still has to Unlock.
func (l *Lock) Remove() {
	if l.Check() == nil {
		_ = l.dir.Remove(l.name)
	}
}

// Unlock gives the lock up.
func (l *Lock) Unlock() {
	_ = l.file.Close() // and with it the kernel's lock
	local.unlock(l.id)
}

// local holds the locks of this process, by the identity of the file.
var local = localLocks{held: make(map[fileID]*localLock)}

type localLocks struct {
	mu   sync.Mutex
	held map[fileID]*localLock
}

type localLock struct {
	users int           // that hold it or wait
	token chan struct{} // of capacity 1: full while somebody holds it
}

func (ls *localLocks) lock(ctx context.Context, id fileID) error {
	ls.mu.Lock()
	l := ls.held[id]
	if l == nil {
		l = &localLock{token: make(chan struct{}, 1)}
		ls.held[id] = l
	}
	l.users++
	ls.mu.Unlock()
	select {
	case l.token <- struct{}{}:
		return nil
	case <-ctx.Done():
		ls.leave(id)
		return context.Cause(ctx)
	}
}

func (ls *localLocks) unlock(id fileID) {
	ls.mu.Lock()
	l := ls.held[id]
	ls.mu.Unlock()
	<-l.token
	ls.leave(id)
}

func (ls *localLocks) leave(id fileID) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.held[id]
	if l.users--; l.users == 0 {
		delete(ls.held, id)
	}
}
