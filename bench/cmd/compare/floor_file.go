package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// replaceFile is what a durable write takes: a temporary file, fsync, rename, and
// fsync of the directory.
func replaceFile(name string, data io.Reader) error {
	f, err := os.Create(name + ".tmp")
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, struct{ io.Reader }{data}, scratch)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(name+".tmp", name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readDir reads the names in a directory.
func readDir(name string) ([]string, error) {
	d, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// shares calls fn for all names, in as many shares at once as there are processors.
func shares(names []string, fn func(name string) error) error {
	parts := runtime.GOMAXPROCS(0)
	return parallel(parts, func(i int) error {
		for _, name := range names[len(names)*i/parts : len(names)*(i+1)/parts] {
			if err := fn(name); err != nil {
				return err
			}
		}
		return nil
	})
}
