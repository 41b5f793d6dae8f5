//go:build unix

package durable

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"
	"time"
)

// TestNoLocks: that there are none is told apart from a failure.
func TestNoLocks(t *testing.T) {
	defer func() { takeLock = tryLock }()
	for err, want := range map[error]bool{
		syscall.ENOLCK: true, syscall.ENOSYS: true, syscall.EOPNOTSUPP: true, syscall.EINVAL: true, syscall.EBADF: true,
		syscall.EIO: false, syscall.EINTR: false, syscall.EACCES: false,
	} {
		takeLock = func(*os.File) (bool, error) { return false, err }
		_, got := AcquireLock(t.Context(), openRoot(t), lockFile, 0o600)
		if !errors.Is(got, err) || errors.Is(got, ErrNoLocks) != want {
			t.Errorf("AcquireLock where flock fails with %v: got error %v", err, got)
		}
		wantIdle(t)
	}
}

// TestUncertain is what Publish makes of an error of link or rename.
func TestUncertain(t *testing.T) {
	for _, c := range []struct {
		name      string
		err       error
		published bool // nevertheless
		want      error
	}{
		{"applied", nil, true, nil},
		{"refused", syscall.EEXIST, false, fs.ErrExist},
		{"disk full", syscall.ENOSPC, false, syscall.ENOSPC},
		{"applied, repeated, refused", syscall.EEXIST, true, nil},
		{"applied, repeated, not found", syscall.ENOENT, true, nil},
		{"applied, answer lost", syscall.ETIMEDOUT, true, nil},
		{"lost", syscall.ETIMEDOUT, false, ErrUncertain},
		{"failed somehow", syscall.EIO, false, ErrUncertain},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := openRoot(t)
			temp := makeTemp(t, root, "content")
			defer temp.Abort()
			self, err := temp.Stat()
			must(t, err)
			must(t, root.WriteFile("k", []byte("other"), 0o600))
			if c.published {
				must(t, root.Remove("k"))
				must(t, root.Link(temp.name, "k"))
			}
			err = temp.named("link", "k", self, c.err)
			if !errors.Is(err, c.want) || errors.Is(err, ErrUncertain) != errors.Is(c.want, ErrUncertain) {
				t.Errorf("got error %v, want %v", err, c.want)
			}
		})
	}
}

// TestUnsynced: the file is there, but perhaps not for long.
func TestUnsynced(t *testing.T) {
	syncDir = func(*os.Root, string) error { return syscall.EIO }
	defer func() { syncDir = SyncDir }()
	for _, exclusive := range []bool{true, false} {
		root := openRoot(t)
		err := makeTemp(t, root, "content").Publish("k", time.Time{}, exclusive)
		if !errors.Is(err, ErrUncertain) || !errors.Is(err, syscall.EIO) {
			t.Errorf("Publish without an fsync of the directory: got error %v", err)
		}
		wantContent(t, root, "k", "content")
		wantNames(t, root, "k")
	}
}

// TestGuard: its error is the last one before anything has happened.
func TestGuard(t *testing.T) {
	for _, exclusive := range []bool{true, false} {
		root := openRoot(t)
		temp := makeTemp(t, root, "content")
		no := errors.New("no")
		temp.Guard = func() error { return no }
		if err := temp.Publish("k", time.Time{}, exclusive); !errors.Is(err, no) {
			t.Errorf("Publish past the guard: got error %v", err)
		}
		wantNames(t, root)
	}
}
