package durable

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// closeBeforeRename: an open file can be neither renamed nor removed.
const closeBeforeRename = true

// openFlags: pipes have names of their own, and are in no directory.
const openFlags = 0

// fsyncParent does nothing, as SyncDir.
func fsyncParent(*os.File) error { return nil }

// SyncDir does nothing: NTFS journals directory entries, and Windows has no call
// to flush them.
func SyncDir(*os.Root, string) error { return nil }

// OpenDir opens a directory for File.ReadDir, where Windows gives everything
// there is to know about an entry with its name.
func OpenDir(root *os.Root) (*os.File, error) { return root.Open(".") }

// tryLock takes an exclusive kernel lock that ends when f is closed or its
// process dies. An error means that the filesystem has no locks.
func tryLock(f *os.File) (bool, error) {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	// One byte far behind any content: a range lock would block readers.
	at := &windows.Overlapped{OffsetHigh: 1 << 30}
	err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}

// noLocks reports whether an error of tryLock is one that will not go away.
func noLocks(err error) bool {
	return errors.Is(err, windows.ERROR_NOT_SUPPORTED) || errors.Is(err, windows.ERROR_INVALID_FUNCTION)
}

// fileID is what names an open file within this host.
type fileID struct{ volume, high, low uint32 }

func identify(f *os.File) (fileID, error) {
	var info windows.ByHandleFileInformation
	err := windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &info)
	return fileID{info.VolumeSerialNumber, info.FileIndexHigh, info.FileIndexLow}, err
}
