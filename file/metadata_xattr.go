//go:build linux || darwin || freebsd

package file

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/durable"
)

// maxNames bounds the list of a file's attributes: Linux's own limit.
const maxNames = 64 << 10

// noPlace are the answers of a filesystem that has no attributes, forbids them, or
// has no room for them: ext4 has a block for those of a file, tmpfs a quota.
var noPlace = []error{
	unix.ENOTSUP, unix.EOPNOTSUPP, unix.ENOSYS, unix.EPERM, unix.EACCES, unix.ENOSPC, unix.EDQUOT, unix.E2BIG, unix.ERANGE,
}

// writeMetadata sets the attributes of a file that is not visible yet. Where there
// is no place for them they are dropped.
func writeMetadata(f *os.File, m map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		err := onDescriptor(f, func(fd int) error {
			return unix.Fsetxattr(fd, metadataPrefix+name, []byte(m[name]), 0)
		})
		for _, no := range noPlace {
			if errors.Is(err, no) {
				return nil
			}
		}
		if err != nil {
			return fmt.Errorf("set attribute %s%s: %w", metadataPrefix, name, err)
		}
	}
	return nil
}

// attributes are the names of a file's attributes that are ours, less the prefix.
func attributes(f *os.File) []string {
	var n int
	size := func(fd int) (err error) {
		n, err = unix.Flistxattr(fd, nil)
		return err
	}
	if err := onDescriptor(f, size); err != nil || n <= 0 || n > maxNames {
		return nil
	}
	list := make([]byte, n)
	err := onDescriptor(f, func(fd int) (err error) {
		n, err = unix.Flistxattr(fd, list)
		return err
	})
	if err != nil || n > len(list) {
		return nil
	}
	return ourNames(list[:n])
}

// attribute is the value of one of them.
func attribute(f *os.File, name string) (string, bool) {
	var n int
	value := make([]byte, blob.MaxMetadata) // a longer one is none of ours
	err := onDescriptor(f, func(fd int) (err error) {
		n, err = unix.Fgetxattr(fd, metadataPrefix+name, value)
		return err
	})
	if err != nil || n < 0 || n > len(value) {
		return "", false
	}
	return string(value[:n]), true
}

// onDescriptor runs fn until it is not interrupted.
func onDescriptor(f *os.File, fn func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	err = conn.Control(func(fd uintptr) {
		result = durable.IgnoringEINTR(func() error { return fn(int(fd)) })
	})
	return errors.Join(err, result)
}
