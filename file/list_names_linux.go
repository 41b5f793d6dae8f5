package file

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// A directory entry as getdents64(2) has it: inode and position, which are of no
// use here, the length of the whole, the type, and the name up to a zero byte.
const (
	direntLen  = 16
	direntType = 18
	direntName = 19
)

// eachEntry calls fn with the name and type of each entry of an open directory. The
// name is only valid during the call. A filesystem need not tell types: then it
// is fs.ModeIrregular.
//
// It is os.File.ReadDir without an allocation for each entry.
func eachEntry(d *os.File, fn func(name []byte, mode fs.FileMode) error) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.ReadDirent(int(d.Fd()), buf)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("read directory: %w", err)
		case n <= 0:
			return nil
		}
		if err := eachDirent(buf[:n], fn); err != nil {
			return err
		}
	}
}

func eachDirent(buf []byte, fn func(name []byte, mode fs.FileMode) error) error {
	for len(buf) > direntName {
		size := int(binary.NativeEndian.Uint16(buf[direntLen:]))
		if size <= direntName || size > len(buf) {
			return fmt.Errorf("read directory: an entry of %d bytes, %d left", size, len(buf))
		}
		name, _, _ := bytes.Cut(buf[direntName:size], []byte{0})
		mode := modeOf(buf[direntType])
		buf = buf[size:]
		if string(name) == "." || string(name) == ".." {
			continue
		}
		if err := fn(name, mode); err != nil {
			return err
		}
	}
	return nil
}

func modeOf(kind byte) fs.FileMode {
	switch kind {
	case unix.DT_REG:
		return 0
	case unix.DT_DIR:
		return fs.ModeDir
	case unix.DT_LNK:
		return fs.ModeSymlink
	case unix.DT_UNKNOWN:
		return fs.ModeIrregular
	}
	return fs.ModeDevice // or whatever else is no file
}
