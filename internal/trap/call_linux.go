package trap

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Call is a system call that a child is about to make on a file below the root.
type Call struct {
	// Name is what the call does: open, create, read, write, fsync, lock, rename, ...
	// Calls that do the same have one name.
	Name string

	Path string // of the file, below the root, with "/" as separators; of a rename or link, the new one

	Size int // of a read or write, the number of bytes

	s        *supervisor
	n        *notification
	from, to place
	answered bool
}

// call describes a notification. It is nil for a call on something else than a file below the root.
func (s *supervisor) call(n *notification) *Call {
	shape := calls[int(n.Nr)]
	c := &Call{Name: shape.name, s: s, n: n}
	fd, path := -1, ""
	if shape.fd >= 0 {
		fd = int(int32(n.Args[shape.fd]))
	}
	if shape.path >= 0 {
		path = s.text(n.Args[shape.path])
	}
	c.from = s.locate(fd, path)
	c.to = c.from
	switch {
	case shape.to < 0:
	case shape.fd < 0:
		c.to = s.locate(-1, s.text(n.Args[shape.to]))
	default:
		c.to = s.locate(int(int32(n.Args[shape.to])), s.text(n.Args[shape.to+1]))
	}
	if !c.below() {
		return nil
	}
	return c.detail(shape)
}

// below finds the path below the root.
func (c *Call) below() bool {
	name, err := c.to.name()
	if err != nil {
		return false
	}
	rel, err := filepath.Rel(c.s.root, name)
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return false
	}
	c.Path = filepath.ToSlash(rel)
	return true
}

// place is where a call has its file.
type place struct {
	base string // a link below /proc to what the child has open, or to its working directory
	path string // below that, or absolute
}

// file is what to call the place in this process.
func (p place) file() string {
	if strings.HasPrefix(p.path, "/") || p.path == "" {
		return cmp.Or(p.path, p.base)
	}
	return p.base + "/" + p.path
}

// name is the absolute name of the place. What is open need not have a name any more: then it
// is the last that it had.
func (p place) name() (string, error) {
	if strings.HasPrefix(p.path, "/") {
		return filepath.Clean(p.path), nil
	}
	target, err := os.Readlink(p.base)
	return filepath.Join(strings.TrimSuffix(target, " (deleted)"), p.path), err
}

// detail tells calls of one number apart.
func (c *Call) detail(shape shape) *Call {
	args := c.n.Args
	switch c.Name {
	case "open":
		flags := args[shape.path+1]
		if int(c.n.Nr) == unix.SYS_OPENAT2 {
			var how [8]byte
			_, _ = c.s.mem.ReadAt(how[:], int64(args[2]))
			flags = *(*uint64)(unsafe.Pointer(&how))
		}
		if flags&unix.O_CREAT != 0 {
			c.Name = "create"
		}
	case "fcntl":
		switch args[1] {
		case unix.F_DUPFD, unix.F_DUPFD_CLOEXEC:
			c.Name = "dup"
		case unix.F_SETLK, unix.F_SETLKW, unix.F_OFD_SETLK, unix.F_OFD_SETLKW, unix.F_GETLK, unix.F_OFD_GETLK:
			c.Name = "lock"
		default:
			return nil
		}
	case "read", "write":
		c.Size = int(args[2])
	}
	return c
}

// locate is the place of a path below a descriptor of the child's, or its working directory.
func (s *supervisor) locate(fd int, path string) place {
	if fd < 0 {
		return place{fmt.Sprintf("/proc/%d/cwd", s.pid), path}
	}
	return place{fmt.Sprintf("/proc/%d/fd/%d", s.pid, fd), path}
}

// text reads a string that ends with a zero byte from the child's memory.
func (s *supervisor) text(addr uint64) string {
	var buf []byte
	for chunk := make([]byte, 256); addr != 0 && len(buf) < unix.PathMax; {
		n, err := s.mem.ReadAt(chunk[:256-addr%256], int64(addr)) // a chunk crosses no page
		if end := bytes.IndexByte(chunk[:n], 0); end >= 0 {
			return string(append(buf, chunk[:end]...))
		}
		if err != nil {
			break
		}
		buf, addr = append(buf, chunk[:n]...), addr+uint64(n)
	}
	return string(buf)
}

// Regular reports whether the call is on an open file that is a regular one.
func (c *Call) Regular() bool {
	var st unix.Stat_t
	return calls[int(c.n.Nr)].path < 0 && unix.Stat(c.from.file(), &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG
}

// send answers. The child may have been killed meanwhile.
func (c *Call) send(r response) {
	c.answered = true
	if err := c.s.ioctl(unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r)); err != nil && !errors.Is(err, unix.ENOENT) {
		panic(fmt.Sprintf("trap: answer %s: %v", c.Name, err))
	}
}

// Fail answers with an error, and the call is not made. A descriptor that is closed is closed
// all the same, as Linux does it.
func (c *Call) Fail(errno unix.Errno) {
	if c.Name == "close" {
		c.closeFD()
	}
	c.send(response{ID: c.n.ID, Error: -int32(errno)})
}

// closeFD puts /dev/null in place of the descriptor.
func (c *Call) closeFD() {
	null, err := os.Open(os.DevNull)
	if err != nil {
		panic(err)
	}
	defer null.Close()
	add := newFD{ID: c.n.ID, Flags: unix.SECCOMP_ADDFD_FLAG_SETFD, Src: uint32(null.Fd()), New: uint32(c.n.Args[0]),
		NewFlag: unix.O_CLOEXEC}
	_ = c.s.ioctl(addFD, unsafe.Pointer(&add)) // ENOENT: the child has been killed
}

// Signal sends the child a signal. The call is made all the same, if the child lives.
func (c *Call) Signal(sig unix.Signal) {
	_ = unix.Kill(c.s.pid, sig)
	c.answered = sig == unix.SIGKILL // it waits for an answer until it is dead
}
