package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fsnotify/fsnotify"
)

// event is one event in a directory that is watched.
func (n *notifier) event(e fsnotify.Event) error {
	switch {
	case isWithin(n.target, e.Name): // the target, or on the way to it
		n.hint()
		return n.arm()
	case !isWithin(e.Name, n.target), strings.HasPrefix(filepath.Base(e.Name), "."):
		return nil // beside the way, or a lock or temporary file
	}
	n.hint()
	if fi, err := os.Lstat(e.Name); err != nil || !fi.IsDir() || !e.Has(fsnotify.Create) {
		return nil
	}
	return n.addTree(e.Name)
}

// isWithin reports whether a path is dir, or below it.
func isWithin(path, dir string) bool {
	rest, ok := strings.CutPrefix(path, dir)
	return ok && (rest == "" || strings.HasSuffix(dir, string(filepath.Separator)) || rest[0] == filepath.Separator)
}

// arm watches the target and what is below it or, while there is none, the nearest
// directory above, from where the next event leads on.
func (n *notifier) arm() error {
	for {
		dir := existing(n.target)
		if err := n.add(dir); errors.Is(err, fs.ErrNotExist) {
			continue // it has just gone
		} else if err != nil {
			return err
		}
		if existing(n.target) != dir {
			continue // it has just come
		}
		n.leaveAll(dir)
		if dir != n.target {
			return nil
		}
		return n.addTree(dir)
	}
}

// existing is the nearest directory to path that exists, path itself or one above.
func existing(path string) string {
	for {
		fi, err := os.Stat(path)
		parent := filepath.Dir(path)
		if err == nil && fi.IsDir() || parent == path {
			return path
		}
		path = parent
	}
}

// leaveAll ends the watches above dir, which were on the way to it.
func (n *notifier) leaveAll(dir string) {
	for _, watched := range n.watcher.WatchList() {
		if watched != dir && isWithin(dir, watched) {
			_ = n.watcher.Remove(watched) // or it has gone by itself
		}
	}
}

// addTree watches a directory and those in it. What was made in one before it was
// watched is found by reading it afterwards.
func (n *notifier) addTree(dir string) error {
	err := n.add(dir)
	var entries []fs.DirEntry
	if err == nil {
		entries, err = os.ReadDir(dir)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone again
	} else if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue // no key leads there
		}
		n.hint()
		if e.IsDir() {
			if err := n.addTree(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// add watches a directory. Adding one that is watched already changes nothing.
func (n *notifier) add(dir string) error {
	err := n.watcher.Add(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		if _, statErr := os.Stat(dir); errors.Is(statErr, fs.ErrNotExist) {
			return statErr // not every system says why
		}
	}
	return err
}
