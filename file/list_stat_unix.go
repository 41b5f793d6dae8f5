//go:build linux || darwin || freebsd

package file

import (
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/replctl/replicate/internal/durable"
)

// lookAt is lstat of a name in an open directory; it does not follow links. An
// os.Root would do the same with twice the allocations and a lock.
func lookAt(d *os.File, _ *os.Root, name string) (look, error) {
	var st unix.Stat_t
	err := durable.IgnoringEINTR(func() error { return unix.Fstatat(int(d.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	if err != nil {
		return look{}, &fs.PathError{Op: "lstat", Path: name, Err: err}
	}
	l := look{size: st.Size, modTime: time.Unix(st.Mtim.Unix()), mode: fs.ModeIrregular}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		l.mode = 0
	case unix.S_IFLNK:
		l.mode = fs.ModeSymlink
	case unix.S_IFDIR:
		l.mode = fs.ModeDir
	}
	return l, nil
}
