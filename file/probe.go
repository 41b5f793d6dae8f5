package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/durable"
	"github.com/replctl/replicate/probe"
)

// ProbeTarget is the directory of the lease as package probe wants it. A directory
// that is not there when the first handle is opened is removed again.
func (l *Leaser) ProbeTarget() probe.Target {
	dir := filepath.Join(l.Dir, l.Path)
	made := ""
	return probe.Target{
		Records: func(ctx context.Context) (cas.Store, error) {
			if made == "" {
				made = firstMissing(dir)
			}
			return l.open(ctx)
		},
		Objects: func(context.Context) (blob.Store, error) { return NewStore(dir, Options{}), nil },
		Sweep: func(_ context.Context, prefix string) error {
			err := errors.Join(NewStore(dir, Options{}).removeTree(strings.TrimSuffix(prefix, "/")), removeEmpty(dir, made))
			made = ""
			return err
		},
	}
}

// removeTree removes a directory with all that is in it: what Delete leaves.
func (s *Store) removeTree(name string) error {
	root, err := s.openRoot()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer root.Close()
	if err := root.RemoveAll(name); err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return durable.SyncDir(root, ".")
}

// firstMissing is the highest directory on the way to dir that does not exist, or
// empty.
func firstMissing(dir string) (missing string) {
	for {
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
			return missing
		}
		missing, dir = dir, filepath.Dir(dir)
		if missing == dir {
			return missing
		}
	}
}

// removeEmpty removes dir and its parents up to first, unless there is something
// in them.
func removeEmpty(dir, first string) error {
	for first != "" {
		if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			if entries, readErr := os.ReadDir(dir); readErr == nil && len(entries) > 0 {
				return nil
			}
			return err
		}
		if dir == first {
			return nil
		}
		dir = filepath.Dir(dir)
	}
	return nil
}
