//go:build !unix

package main

import (
	"os"
	"path/filepath"
)

// statAll looks at files of one directory, the processors' number at a time.
func statAll(dir string, names []string) error {
	return shares(len(names), func(from, to int) error {
		for _, name := range names[from:to] {
			if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
				return err
			}
		}
		return nil
	})
}
