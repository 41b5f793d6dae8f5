//go:build unix

package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// closeBeforeRename: a file may be renamed and removed while it is open.
const closeBeforeRename = false

// openFlags: a pipe is opened without waiting, a link not at all.
const openFlags = unix.O_NONBLOCK | unix.O_NOFOLLOW

// SyncDir makes the entries of a directory below root durable.
func SyncDir(root *os.Root, name string) error {
	d, err := root.Open(name + onlyDir)
	if err != nil {
		return fmt.Errorf("sync directory %s: %w", filepath.Join(root.Name(), name), err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync directory %s: %w", filepath.Join(root.Name(), name), err)
	}
	return nil
}

// fsyncParent makes the entry of an open directory in its parent durable. A mount
// point needs nothing. A parent that cannot be read was synced by its maker, as a
// maker of ours would have failed.
func fsyncParent(d *os.File) error {
	var fd int
	err := IgnoringEINTR(func() (err error) {
		fd, err = unix.Openat(int(d.Fd()), "..", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		return err
	})
	if errors.Is(err, fs.ErrPermission) {
		return nil
	} else if err != nil {
		return fmt.Errorf("open parent: %w", err)
	}
	parent := os.NewFile(uintptr(fd), "..")
	defer parent.Close()
	own, err := identify(d)
	if err != nil {
		return err
	}
	above, err := identify(parent)
	if err != nil || above.dev != own.dev {
		return err
	}
	return parent.Sync()
}

// OpenDir opens a directory for File.ReadDir. A file that os.Root opened would
// lstat each entry there (seen in Go 1.26), and a listing needs only the names
// and types, which the kernel gives for free.
func OpenDir(root *os.Root) (*os.File, error) {
	d, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	fd, err := unix.FcntlInt(d.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open directory: %w", err)
	}
	return os.NewFile(uintptr(fd), d.Name()), nil
}

// tryLock takes an exclusive kernel lock that ends when f is closed or its
// process dies. An error means that the filesystem has no locks.
func tryLock(f *os.File) (bool, error) {
	err := IgnoringEINTR(func() error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) })
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// noLocks reports whether an error of tryLock is one that will not go away:
// ENOLCK is NFS without a lock service, EBADF NFS with a file that is open for
// reading only.
func noLocks(err error) bool {
	for _, no := range []error{unix.ENOLCK, unix.ENOSYS, unix.ENOTSUP, unix.EOPNOTSUPP, unix.EINVAL, unix.EBADF} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

// fileID is what names an open file within this host.
type fileID struct{ dev, ino uint64 }

func identify(f *os.File) (fileID, error) {
	var st unix.Stat_t
	err := IgnoringEINTR(func() error { return unix.Fstat(int(f.Fd()), &st) })
	return fileID{uint64(st.Dev), uint64(st.Ino)}, err //nolint:unconvert // types differ between systems
}

// IgnoringEINTR calls fn until no signal interrupts it.
func IgnoringEINTR(fn func() error) error {
	for {
		if err := fn(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
