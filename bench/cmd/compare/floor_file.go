package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
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
