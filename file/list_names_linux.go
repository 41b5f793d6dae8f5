package file

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/replctl/replicate/internal/durable"
)

// A directory entry as getdents64(2) has it: inode and position, which are of no
// use here, the length of the whole, the type, and the name up to a zero byte.
const (
	direntLen  = 16
	direntType = 18
	direntName = 19

	direntLTX = 64 // bytes of the entry of an LTX file
)

// dirPart is some of a directory, as the kernel packs it.
type dirPart struct {
	buf []byte
	mem *[]byte // of buf
}

var partBuffers = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

// readParts reads an open directory in parts, each of which has its own memory.
//
// It is os.File.ReadDir without an allocation for each entry, and leaves it to
// others to take the parts apart.
func readParts(d *os.File) iter.Seq2[dirPart, error] {
	return func(yield func(dirPart, error) bool) {
		for {
			mem := partBuffers.Get().(*[]byte)
			n := 0
			err := durable.IgnoringEINTR(func() (err error) {
				n, err = unix.ReadDirent(int(d.Fd()), *mem)
				return err
			})
			if err != nil || n <= 0 {
				partBuffers.Put(mem)
				if err != nil {
					yield(dirPart{}, fmt.Errorf("read directory: %w", err))
				}
				return
			}
			if !yield(dirPart{(*mem)[:n], mem}, nil) {
				return
			}
		}
	}
}

// done hands back the memory.
func (p dirPart) done() { partBuffers.Put(p.mem) }

// about is how many entries there are.
func (p dirPart) about() int { return len(p.buf)/direntLTX + 1 }

// each calls fn with the name and type of each entry. The name is only valid during
// the call. A filesystem need not tell types: then it is fs.ModeIrregular.
func (p dirPart) each(fn func(name []byte, mode fs.FileMode) error) error {
	buf := p.buf
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
