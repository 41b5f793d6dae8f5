//go:build !linux

package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
)

// dirPart is some of a directory.
type dirPart []fs.DirEntry

// readParts reads an open directory in parts.
func readParts(d *os.File) iter.Seq2[dirPart, error] {
	return func(yield func(dirPart, error) bool) {
		for {
			part, err := d.ReadDir(1024)
			if len(part) > 0 && !yield(part, nil) || errors.Is(err, io.EOF) || err == nil && len(part) == 0 {
				return
			}
			if err != nil {
				yield(nil, fmt.Errorf("read directory: %w", err))
				return
			}
		}
	}
}

func (dirPart) done() {} // there is nothing to hand back

// about is how many entries there are.
func (p dirPart) about() int { return len(p) }

// each calls fn with the name and type of each entry. The name is only valid during
// the call.
func (p dirPart) each(fn func(name []byte, mode fs.FileMode) error) error {
	for _, entry := range p {
		if err := fn([]byte(entry.Name()), entry.Type()); err != nil {
			return err
		}
	}
	return nil
}
