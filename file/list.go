package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/durable"
	"github.com/replctl/replicate/internal/ordered"
)

// List implements [blob.Reader].
func (s *Store) List(ctx context.Context, prefix string, opts blob.ListOptions) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		l := &lister{ctx: ctx, opts: opts, yield: yield}
		if err := s.list(l, prefix); err != nil && !errors.Is(err, errStop) {
			yield(blob.Info{}, fmt.Errorf("list %q: %w", prefix, err))
		}
	}
}

var errStop = errors.New("the caller left the loop, or has as many as it wants")

type lister struct {
	root  *os.Root
	ctx   context.Context
	opts  blob.ListOptions
	yield func(blob.Info, error) bool
	n     int // entries that were yielded
}

func (s *Store) list(l *lister, prefix string) error {
	if err := blob.CheckList(prefix, l.opts); err != nil {
		return err
	}
	return s.below(prefix, func(root, dir *os.Root) error {
		l.root = root
		return l.walk(dir, prefix)
	})
}

// walk yields what is in dir, whose keys start with prefix, in key order.
func (l *lister) walk(dir *os.Root, prefix string) error {
	d, err := durable.OpenDir(dir)
	if err != nil {
		return inDirectory(dir, err)
	}
	defer d.Close()
	keys, err := l.keys(dir, d, prefix)
	if err != nil {
		return inDirectory(dir, err)
	}
	for b, err := range l.lookAhead(dir, d, prefix, keys) {
		if err != nil {
			return err
		}
		for i, key := range b.keys {
			if l.ctx.Err() != nil {
				return context.Cause(l.ctx)
			}
			if err := l.visit(dir, prefix, key, b.looks[i]); err != nil {
				return err
			}
		}
		b.done()
	}
	return nil
}

// inDirectory names the directory in an error: the listing may be of one far above it.
func inDirectory(dir *os.Root, err error) error {
	return fmt.Errorf("directory %s: %w", filepath.Clean(dir.Name()), err)
}

// keys returns what the listing wants of dir, sorted: the keys of files, and
// those of directories with a "/" at the end, behind "name.ltx". While the kernel
// is asked for the next names, those that are there are looked through.
func (l *lister) keys(dir *os.Root, d *os.File, prefix string) ([]string, error) {
	parts := ordered.Map(l.ctx, batchesAhead(), readParts(d), func(_ context.Context, p dirPart) ([]string, error) {
		defer p.done()
		return l.wanted(dir, prefix, p)
	})
	var all [][]string
	for keys, err := range parts {
		if err != nil {
			return nil, err
		}
		all = append(all, keys)
	}
	keys := slices.Concat(all...)
	sortKeys(keys)
	return keys, nil
}

// wanted is the keys of those entries of dir in a part of it that the listing wants.
func (l *lister) wanted(dir *os.Root, prefix string, p dirPart) (keys []string, err error) {
	after := strings.TrimPrefix(l.opts.After, prefix)
	if len(after) == len(l.opts.After) && prefix != "" {
		after = "" // it is before the prefix, or walk would not be here
	}
	if after == "" {
		keys = make([]string, 0, p.about())
	}
	var buf []byte // in which keys are put together
	err = p.each(func(name []byte, mode fs.FileMode) error {
		if string(name) < after && after[:min(len(name), len(after))] != string(name) {
			return nil // also its key, whether file or directory
		}
		buf = append(append(buf[:0], prefix...), name...)
		key, err := l.key(dir, prefix, string(buf), mode)
		if err != nil || key == "" {
			return err // names the key
		}
		if entry := key[len(prefix):]; entry > after || l.leadsTo(entry, after) {
			keys = append(keys, key)
		}
		return nil
	})
	return keys, err
}

// key is path for a file, with a "/" at the end for a directory, and empty for what
// is hidden. Whatever else has the name is listed like a file: a pipe, a link that
// leads nowhere or out of the root. It stands where an object may have been.
func (l *lister) key(dir *os.Root, prefix, path string, mode fs.FileMode) (string, error) {
	name := path[len(prefix):]
	if mode == fs.ModeIrregular || mode == fs.ModeSymlink {
		fi, err := dir.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil // deleted since
		} else if err != nil {
			return "", err
		}
		mode = fi.Mode().Type()
		if mode == fs.ModeSymlink {
			if fi, err := l.root.Stat(path); err == nil {
				mode = fi.Mode().Type()
			}
		}
	}
	switch {
	case mode.IsDir():
		return path + "/", nil
	case reserved(name):
		return "", nil
	}
	return path, nil
}

// leadsTo reports whether what follows after may be below name.
func (l *lister) leadsTo(name, after string) bool {
	return !l.opts.Delimited && strings.HasSuffix(name, "/") && strings.HasPrefix(after, name)
}

func (l *lister) visit(dir *os.Root, prefix, key string, found look) error {
	sub, isDir := strings.CutSuffix(key[len(prefix):], "/")
	switch {
	case errors.Is(found.err, fs.ErrNotExist):
		return nil
	case found.err != nil:
		return found.err
	case !isDir:
		return l.emit(blob.Info{Key: key, Size: found.size, ModTime: found.modTime})
	}
	fi, err := dir.Lstat(sub)
	isLink := err == nil && fi.Mode()&fs.ModeSymlink != 0
	switch {
	case l.opts.Delimited:
		return l.emit(blob.Info{Key: key, Link: isLink})
	case isLink:
		return fmt.Errorf("%s is a symbolic link to a directory, which a recursive listing does not follow", prefix+sub)
	}
	child, err := openDir(dir, sub)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer child.Close()
	before := l.n
	if err := l.walk(child, key); err != nil || !l.opts.EmptyDirs || l.n > before || key <= l.opts.After {
		return err
	}
	return l.emit(blob.Info{Key: key})
}

func (l *lister) emit(info blob.Info) error {
	if l.n++; !l.yield(info, nil) || l.n == l.opts.Limit {
		return errStop
	}
	return nil
}
