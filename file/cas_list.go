package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/replctl/replicate/cas"
)

// List implements [cas.Store]. It holds the names of one directory at a time and
// reads each record when it yields it. Files and directories that no key can
// name are passed over.
func (r *Records) List(ctx context.Context, prefix, after string) iter.Seq2[cas.Entry, error] {
	return func(yield func(cas.Entry, error) bool) {
		l := &recordLister{ctx: ctx, after: after, yield: yield}
		if err := r.list(l, prefix); err != nil && !errors.Is(err, errStop) {
			yield(cas.Entry{}, fmt.Errorf("list %q: %w", prefix, err))
		}
	}
}

type recordLister struct {
	ctx   context.Context
	after string
	yield func(cas.Entry, error) bool
}

func (r *Records) list(l *recordLister, prefix string) error {
	if err := cas.CheckPrefix(prefix); err != nil {
		return err
	}
	err := r.store.below(prefix, func(_, dir *os.Root) error { return l.walk(dir, prefix) })
	if err == nil {
		err = context.Cause(l.ctx)
	}
	return err
}

// walk yields the records in dir, whose keys start with prefix, in key order: a
// directory sorts as "name/", behind "name-1".
func (l *recordLister) walk(dir *os.Root, prefix string) error {
	if err := context.Cause(l.ctx); err != nil {
		return err
	}
	entries, err := fs.ReadDir(dir.FS(), ".")
	if err != nil {
		return inDirectory(dir, err)
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		if cas.CheckKey(prefix+name) != nil {
			continue
		}
		if e.IsDir() {
			name += "/"
		}
		if key := prefix + name; key > l.after || e.IsDir() && strings.HasPrefix(l.after, key) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if err := l.visit(dir, prefix, name); err != nil {
			return err
		}
	}
	return nil
}

func (l *recordLister) visit(dir *os.Root, prefix, name string) error {
	if err := context.Cause(l.ctx); err != nil {
		return err
	}
	if strings.HasSuffix(name, "/") {
		child, err := openDir(dir, path.Clean(name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		defer child.Close()
		return l.walk(child, prefix+name)
	}
	rec, err := readRecord(dir, name)
	switch {
	case errors.Is(err, cas.ErrTooLarge):
		rec.Token = "too-large" // there is something, and Read says what
	case errors.Is(err, errDirectory):
		return nil // by now
	case err != nil:
		return fmt.Errorf("%s%s: %w", prefix, name, err)
	case !rec.Exists():
		return nil
	}
	if !l.yield(cas.Entry{Key: prefix + name, Token: rec.Token}, nil) {
		return errStop
	}
	return nil
}
