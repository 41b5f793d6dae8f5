package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strings"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/durable"
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

var errStop = errors.New("the caller left the loop")

// lstat is how a listing looks at a file; tests count.
var lstat = (*os.Root).Lstat

type lister struct {
	root  *os.Root
	ctx   context.Context
	opts  blob.ListOptions
	yield func(blob.Info, error) bool
}

func (s *Store) list(l *lister, prefix string) error {
	if err := blob.CheckList(prefix, l.opts); err != nil {
		return err
	}
	root, err := s.openRoot()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer root.Close()
	dir, err := openPrefix(root, prefix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer dir.Close()
	l.root = root
	return l.walk(dir, prefix)
}

// walk yields what is in dir, whose keys start with prefix, in key order.
func (l *lister) walk(dir *os.Root, prefix string) error {
	names, err := l.names(dir, prefix)
	if err != nil {
		return err
	}
	for _, name := range names {
		if l.ctx.Err() != nil {
			return context.Cause(l.ctx)
		}
		if err := l.visit(dir, prefix, name); err != nil {
			return err
		}
	}
	return nil
}

// names returns the entries of dir that the listing wants, sorted as the keys
// they stand for: a directory sorts as "name/", behind "name.ltx".
func (l *lister) names(dir *os.Root, prefix string) ([]string, error) {
	f, err := durable.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	after := strings.TrimPrefix(l.opts.After, prefix)
	if len(after) == len(l.opts.After) && prefix != "" {
		after = "" // it is before the prefix, or walk would not be here
	}
	var names []string
	for {
		entries, err := f.ReadDir(4096)
		for _, e := range entries {
			if e.Name() < after && !strings.HasPrefix(after, e.Name()) {
				continue // also its key, whether file or directory
			}
			name, err := l.keyName(prefix, e)
			if err != nil {
				return nil, err // names the key
			}
			if name > after || name != "" && l.leadsTo(name, after) {
				names = append(names, name)
			}
		}
		if errors.Is(err, io.EOF) || err == nil && len(entries) == 0 {
			slices.Sort(names)
			return names, nil
		} else if err != nil {
			return nil, err
		}
	}
}

// keyName is "name" for a file, "name/" for a directory, and empty for what is
// neither, or hidden.
func (l *lister) keyName(prefix string, e fs.DirEntry) (string, error) {
	mode := e.Type()
	if mode&fs.ModeSymlink != 0 {
		fi, err := l.root.Stat(prefix + e.Name())
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil // dangling
		} else if err != nil {
			return "", err
		}
		mode = fi.Mode().Type()
	}
	switch {
	case mode.IsDir():
		return e.Name() + "/", nil
	case mode.IsRegular() && !reserved(e.Name()):
		return e.Name(), nil
	}
	return "", nil
}

// leadsTo reports whether what follows after may be below name.
func (l *lister) leadsTo(name, after string) bool {
	return !l.opts.Delimited && strings.HasSuffix(name, "/") && strings.HasPrefix(after, name)
}

func (l *lister) visit(dir *os.Root, prefix, name string) error {
	sub, isDir := strings.CutSuffix(name, "/")
	if !isDir {
		fi, err := lstat(dir, name)
		if err == nil && fi.Mode()&fs.ModeSymlink != 0 {
			fi, err = l.root.Stat(prefix + name) // it may lead out of dir, not of root
		}
		if errors.Is(err, fs.ErrNotExist) || err == nil && !fi.Mode().IsRegular() {
			return nil // deleted or replaced since the listing began
		} else if err != nil {
			return err
		}
		return l.emit(info(prefix+name, fi))
	}
	if l.opts.Delimited {
		return l.emit(blob.Info{Key: prefix + name})
	}
	if fi, err := dir.Lstat(sub); err == nil && fi.Mode()&fs.ModeSymlink != 0 {
		return fmt.Errorf("%s%s is a symbolic link to a directory, which a recursive listing does not follow", prefix, sub)
	}
	child, err := openDir(dir, sub)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer child.Close()
	return l.walk(child, prefix+name)
}

func (l *lister) emit(info blob.Info) error {
	if !l.yield(info, nil) {
		return errStop
	}
	return nil
}
