package file

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/durable"
)

// Delete implements [blob.Store]: unlink each file, then fsync each directory
// once. Directories stay, as a writer may be about to use them.
func (s *Store) Delete(ctx context.Context, keys []string) error {
	dirs := &openDirs{store: s, roots: make(map[string]*os.Root), touched: make(map[string][]string)}
	defer dirs.close()
	err := blob.DeleteEach(ctx, keys, func(key string) error {
		if err := s.check(ctx, key); err != nil {
			return err
		}
		return dirs.remove(key)
	})
	return errors.Join(err, dirs.sync())
}

// openDirs holds the directories of the keys of one Delete open.
type openDirs struct {
	store   *Store
	roots   map[string]*os.Root
	touched map[string][]string // directory -> keys removed from it
}

func (d *openDirs) remove(key string) error {
	dir, err := d.open(path.Dir(key))
	if err != nil {
		return err
	}
	if fi, err := dir.Lstat(path.Base(key)); err != nil {
		return err
	} else if fi.IsDir() {
		return fs.ErrNotExist // a prefix, no object
	}
	if err := dir.Remove(path.Base(key)); err != nil {
		return err
	}
	d.touched[path.Dir(key)] = append(d.touched[path.Dir(key)], key)
	return nil
}

func (d *openDirs) open(dir string) (*os.Root, error) {
	if root, ok := d.roots[dir]; ok {
		return root, nil
	}
	root, err := d.store.openRoot()
	if err != nil {
		return nil, err
	}
	if dir != "." {
		defer root.Close()
		if root, err = openDir(root, dir); err != nil {
			return nil, err
		}
	}
	d.roots[dir] = root
	d.store.sweep(dir, root)
	return root, nil
}

// sync makes the removals durable; where it fails, they may come back.
func (d *openDirs) sync() error {
	var errs []error
	for dir, keys := range d.touched {
		if err := durable.SyncDir(d.roots[dir], "."); err != nil {
			for _, key := range keys {
				errs = append(errs, &blob.DeleteError{Key: key, Err: err})
			}
		}
	}
	return errors.Join(errs...)
}

func (d *openDirs) close() {
	for _, root := range d.roots {
		_ = root.Close()
	}
}
