package sqlite

import (
	"errors"

	"golang.org/x/sys/unix"
)

// getLock asks for locks of other descriptors, of this process as well.
const getLock = unix.F_OFD_GETLK

// descriptors is the directory of the open descriptors of this process.
const descriptors = "/proc/self/fd"

// checkOpen returns ErrInUse if the file of a descriptor that can only read has another
// descriptor: then the kernel grants no write lease. Where it grants none to this user
// or on this filesystem, nothing is known.
func checkOpen(fd uintptr) error {
	_, err := unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_WRLCK)
	switch {
	case errors.Is(err, unix.EAGAIN):
		return ErrInUse
	case err != nil:
		return nil
	}
	_, err = unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_UNLCK)
	return err
}
