//go:build !linux

package file

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// eachEntry calls fn with the name and type of each entry of an open directory. The
// name is only valid during the call.
func eachEntry(d *os.File, fn func(name []byte, mode fs.FileMode) error) error {
	for {
		entries, err := d.ReadDir(4096)
		for _, e := range entries {
			if err := fn([]byte(e.Name()), e.Type()); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || err == nil && len(entries) == 0 {
			return nil
		} else if err != nil {
			return err
		}
	}
}
