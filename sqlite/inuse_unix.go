//go:build unix

package sqlite

import (
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// checkUnused returns ErrInUse if the file has a lock on any of its bytes, or is open.
func checkUnused(path string) error {
	var file unix.Stat_t
	if err := unix.Stat(path, &file); err != nil {
		return err
	}
	mine, err := openHere(&file)
	if err != nil {
		return fmt.Errorf("list the open files of this process: %w", err)
	}
	if mine {
		return ErrInUse
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart} // to the end of the file and beyond it
	if err := unix.FcntlFlock(f.Fd(), getLock, &lock); err != nil {
		return err
	}
	if lock.Type != unix.F_UNLCK {
		return ErrInUse
	}
	return checkOpen(f.Fd())
}

// openHere reports whether this process has a descriptor of a file.
func openHere(file *unix.Stat_t) (bool, error) {
	names, err := os.ReadDir(descriptors)
	if err != nil {
		return false, err
	}
	for _, name := range names {
		fd, err := strconv.Atoi(name.Name())
		if err != nil {
			return false, err
		}
		var open unix.Stat_t
		if unix.Fstat(fd, &open) == nil && open.Dev == file.Dev && open.Ino == file.Ino { // an error: closed by now
			return true, nil
		}
	}
	return false, nil
}
