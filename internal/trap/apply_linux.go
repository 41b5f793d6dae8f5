package trap

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// ErrNotApplied: the call is none that can be made here.
var ErrNotApplied = errors.New("this call cannot be made on behalf of the child")

// FailAfter makes the call and answers with an error: the answer got lost.
func (c *Call) FailAfter(errno unix.Errno) error {
	args := c.n.Args
	var err error
	switch c.Name {
	case "create":
		var fd int
		if fd, err = unix.Open(c.to.file(), unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o600); err == nil {
			err = unix.Close(fd)
		}
	case "mkdir":
		err = unix.Mkdir(c.to.file(), 0o700)
	case "rename":
		err = unix.Rename(c.from.file(), c.to.file())
	case "link":
		err = unix.Link(c.from.file(), c.to.file())
	case "unlink":
		if int(c.n.Nr) == unix.SYS_UNLINKAT && args[2]&unix.AT_REMOVEDIR != 0 {
			err = unix.Rmdir(c.to.file())
		} else {
			err = unix.Unlink(c.to.file())
		}
	case "fsync":
		err = c.withFD(unix.Fsync)
	case "write":
		_, err = c.transfer(c.Size)
	default:
		return ErrNotApplied
	}
	if err != nil {
		c.send(response{ID: c.n.ID, Error: -int32(asErrno(err))}) // it would have failed by itself
		return nil
	}
	c.send(response{ID: c.n.ID, Error: -int32(errno)})
	return nil
}

// Short reads or writes only half of the bytes, and answers with their number.
func (c *Call) Short() error {
	if c.Size < 2 {
		return ErrNotApplied
	}
	n, err := c.transfer(c.Size / 2)
	if errors.Is(err, ErrNotApplied) {
		return err
	}
	if err != nil {
		c.send(response{ID: c.n.ID, Error: -int32(asErrno(err))})
		return nil
	}
	c.send(response{ID: c.n.ID, Value: int64(n)})
	return nil
}

// transfer makes a read or write of size bytes.
func (c *Call) transfer(size int) (n int, err error) {
	buf, at := make([]byte, size), int64(c.n.Args[1])
	write := c.Name == "write"
	if write {
		if _, err := c.s.mem.ReadAt(buf, at); err != nil {
			return 0, fmt.Errorf("%w: %w", ErrNotApplied, err)
		}
	}
	err = c.withFD(func(fd int) error {
		switch int(c.n.Nr) {
		case unix.SYS_READ:
			n, err = unix.Read(fd, buf)
		case unix.SYS_PREAD64:
			n, err = unix.Pread(fd, buf, int64(c.n.Args[3]))
		case unix.SYS_WRITE:
			n, err = unix.Write(fd, buf)
		case unix.SYS_PWRITE64:
			n, err = unix.Pwrite(fd, buf, int64(c.n.Args[3]))
		default:
			err = ErrNotApplied
		}
		return err
	})
	if err == nil && !write {
		err = c.poke(at, buf[:n])
	}
	return n, err
}

// poke writes to the child's memory.
func (c *Call) poke(at int64, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	local := []unix.Iovec{{Base: &b[0], Len: uint64(len(b))}}
	remote := []unix.RemoteIovec{{Base: uintptr(at), Len: len(b)}}
	n, err := unix.ProcessVMWritev(c.s.pid, local, remote, 0)
	if err == nil && n != len(b) {
		err = unix.EFAULT
	}
	return err
}

// withFD calls fn with a descriptor of the child's open file: they share its position.
func (c *Call) withFD(fn func(fd int) error) error {
	pidfd, err := unix.PidfdOpen(c.s.pid, 0)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotApplied, err)
	}
	defer unix.Close(pidfd)
	fd, err := unix.PidfdGetfd(pidfd, int(c.n.Args[0]), 0)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotApplied, err)
	}
	defer unix.Close(fd)
	return fn(fd)
}

func asErrno(err error) unix.Errno {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return unix.EIO
}
