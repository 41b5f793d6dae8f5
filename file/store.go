package file

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/durable"
	"github.com/replctl/replicate/internal/errs"
)

// Default permissions, before the umask.
const (
	DefaultFileMode = fs.FileMode(0o600)
	DefaultDirMode  = fs.FileMode(0o700)
)

// Options configure a Store. The zero value is ready for use.
type Options struct {
	FileMode fs.FileMode // for new files; default DefaultFileMode
	DirMode  fs.FileMode // for new directories; default DefaultDirMode
}

// Store is a directory as a blob.Store: a key is a path below it. The directory
// is opened anew for each operation, so it may be made, removed or replaced at
// any time; the first write makes it.
type Store struct {
	dir   string
	opts  Options
	swept sync.Map // directory (relative) -> struct{}: leftovers are gone
}

var (
	_ blob.Sweeper       = (*Store)(nil)
	_ blob.ModTimeKeeper = (*Store)(nil)
)

// NewStore returns the store in a directory, which need not exist. An empty name
// is the current directory.
func NewStore(dir string, opts Options) *Store {
	opts = Options{cmp.Or(opts.FileMode, DefaultFileMode), cmp.Or(opts.DirMode, DefaultDirMode)}
	return &Store{dir: cmp.Or(dir, "."), opts: opts}
}

// errNoDirectory is the error of the zero Store, and of the zero Records.
var errNoDirectory = errors.New("no directory: NewStore or NewRecords makes what can be used")

// check is what every operation on a key begins with.
func (s *Store) check(ctx context.Context, key string) error {
	if err := blob.CheckKey(key); err != nil {
		return err
	}
	if reserved(path.Base(key)) {
		return fmt.Errorf("%w %q: reserved for temporary and lock files", blob.ErrInvalidKey, key)
	}
	return context.Cause(ctx)
}

// reserved reports whether a file of this name is no object, but the engine's own.
func reserved(name string) bool {
	return durable.IsTempName(name) || durable.IsLockName(name)
}

// openRoot opens the directory; it is fs.ErrNotExist while there is none. A link that
// leads nowhere is another error: what it led to may come back.
func (s *Store) openRoot() (*os.Root, error) {
	if s == nil || s.dir == "" {
		return nil, errNoDirectory
	}
	root, err := durable.OpenRoot(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		if fi, statErr := os.Lstat(filepath.Clean(s.dir)); statErr == nil && fi.Mode()&fs.ModeSymlink != 0 {
			return nil, fmt.Errorf("open %s: a symbolic link that leads nowhere", s.dir)
		}
	}
	return root, err
}

// openDir opens a directory below root. A file in its place, or in the place of
// a parent, is fs.ErrNotExist: nothing is below it, as in a bucket with such a
// key.
func openDir(root *os.Root, name string) (*os.Root, error) {
	dir, err := durable.OpenSubRoot(root, name)
	if err == nil {
		return dir, nil
	}
	if fi, statErr := root.Stat(name); statErr == nil && !fi.IsDir() {
		return nil, fmt.Errorf("%w (%w)", fs.ErrNotExist, err)
	}
	return nil, missing(err)
}

// makeDir opens the directory of a key for writing, making what is missing of
// it and of the store's own. An empty one may be that of a writer that was killed.
func (s *Store) makeDir(dir string) (*os.Root, error) {
	d, err := s.openDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := s.mkdirAll(dir); err != nil {
			return nil, err
		}
		return s.openDir(dir)
	case err != nil:
		return nil, err
	}
	if err := syncName(d); err != nil {
		_ = d.Close()
		return nil, err
	}
	return d, nil
}

// openDir opens a directory below the store's own, or that.
func (s *Store) openDir(dir string) (*os.Root, error) {
	root, err := s.openRoot()
	if err != nil || dir == "." {
		return root, err
	}
	defer root.Close()
	return openDir(root, dir)
}

// syncName is a variable for tests of a disk that fails.
var syncName = durable.SyncName

// mkdirAll makes a directory below the store's own, and that as well where it is missing.
func (s *Store) mkdirAll(dir string) error {
	root, err := s.openRoot()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return durable.MakeDir(filepath.Join(s.dir, filepath.FromSlash(dir)), s.opts.DirMode)
	case err != nil:
		return err
	}
	defer root.Close()
	return durable.MkdirAll(root, dir, s.opts.DirMode)
}

// sweep removes leftovers from a directory, once in the life of the Store.
func (s *Store) sweep(dir string, root *os.Root) {
	if _, done := s.swept.LoadOrStore(dir, struct{}{}); !done {
		_, _ = durable.Sweep(root) // what cannot be swept now is hidden anyway
	}
}

// KeepsModTime implements [blob.ModTimeKeeper].
func (s *Store) KeepsModTime() bool { return true }

// Sweep implements [blob.Sweeper]: it removes temporary files that dead writers
// left.
func (s *Store) Sweep(ctx context.Context, prefix string) (err error) {
	defer errs.Wrap(&err, "sweep %q", prefix)
	if err := errors.Join(blob.CheckList(prefix, blob.ListOptions{}), context.Cause(ctx)); err != nil {
		return err
	}
	return s.below(prefix, func(_, dir *os.Root) error {
		return fs.WalkDir(dir.FS(), ".", func(name string, d fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist): // removed meanwhile
				return nil
			case err != nil || !d.IsDir():
				return err
			}
			return errors.Join(sweepBelow(dir, name), context.Cause(ctx))
		})
	})
}

// sweepBelow sweeps one directory, unless it is gone.
func sweepBelow(root *os.Root, name string) error {
	dir, err := durable.OpenSubRoot(root, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer dir.Close()
	_, err = durable.Sweep(dir)
	return err
}

// below calls fn with the root and the directory of a prefix, if there is one.
func (s *Store) below(prefix string, fn func(root, dir *os.Root) error) error {
	root, err := s.openRoot()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer root.Close()
	dir, err := openDir(root, path.Clean(prefix))
	if errors.Is(err, fs.ErrNotExist) {
		return inPlaceOf(root, path.Clean(prefix))
	} else if err != nil {
		return fmt.Errorf("directory %s: %w", filepath.Join(s.dir, filepath.FromSlash(prefix)), err)
	}
	defer dir.Close()
	return fn(root, dir)
}

// inPlaceOf says what stands in the place of a directory that could not be opened, or
// of one above it: a file, a link that leads nowhere. It is nil if there is nothing,
// so that there is nothing below either.
func inPlaceOf(root *os.Root, dir string) error {
	for i := 0; i <= len(dir); i++ {
		if i < len(dir) && dir[i] != '/' {
			continue
		}
		name := dir[:i]
		fi, err := root.Lstat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case fi.Mode()&fs.ModeSymlink == 0 && !fi.IsDir():
			return fmt.Errorf("%s is not a directory (mode %v)", name, fi.Mode())
		case fi.IsDir():
			continue
		}
		switch fi, err := root.Stat(name); {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%s is a symbolic link that leads nowhere", name)
		case err != nil:
			return err
		case !fi.IsDir():
			return fmt.Errorf("%s is a symbolic link to what is not a directory (mode %v)", name, fi.Mode())
		}
	}
	return nil
}

// missing maps a file in the place of a parent directory to fs.ErrNotExist.
func missing(err error) error {
	if errors.Is(err, syscall.ENOTDIR) {
		return fmt.Errorf("%w (%w)", fs.ErrNotExist, err)
	}
	return err
}
