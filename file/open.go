package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/replctl/replicate/blob"
)

// Open implements [blob.Reader]. A replaced file is read on in the version that
// was opened.
func (s *Store) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	f, err := s.openFile(ctx, key)
	if err != nil {
		return nil, blob.Named("open", key, err)
	}
	if offset != 0 {
		if _, err := f.Seek(offset, io.SeekStart); err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("open %s at %d: %w", key, offset, err)
		}
	}
	r := io.Reader(f)
	if length > 0 {
		r = io.LimitReader(f, length)
	}
	return &reader{Reader: blob.ContextReader(ctx, r), f: f, key: key}, nil
}

type reader struct {
	io.Reader
	f   *os.File
	key string
}

func (r *reader) Close() error { return r.f.Close() }

// Describe implements [blob.Describer].
func (r *reader) Describe() (blob.Info, bool) {
	fi, err := r.f.Stat()
	if err != nil {
		return blob.Info{}, false
	}
	return describe(r.key, r.f, fi), true
}

func describe(key string, f *os.File, fi fs.FileInfo) blob.Info {
	i := info(key, fi)
	i.Metadata = readMetadata(f)
	return i
}

// Stat implements [blob.Reader]. Metadata are for whoever may read the file.
func (s *Store) Stat(ctx context.Context, key string) (blob.Info, error) {
	i, err := s.stat(ctx, key)
	if err != nil {
		return blob.Info{}, blob.Named("stat", key, err)
	}
	return i, nil
}

func (s *Store) stat(ctx context.Context, key string) (blob.Info, error) {
	f, err := s.openFile(ctx, key)
	if errors.Is(err, fs.ErrPermission) {
		fi, err := s.lookAt(ctx, key)
		if err != nil {
			return blob.Info{}, err
		}
		return info(key, fi), nil
	} else if err != nil {
		return blob.Info{}, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return blob.Info{}, err
	}
	return describe(key, f, fi), nil
}

func (s *Store) openFile(ctx context.Context, key string) (*os.File, error) {
	if err := s.check(ctx, key); err != nil {
		return nil, err
	}
	root, err := s.openRoot()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	// Without O_NONBLOCK opening a named pipe waits for a writer.
	f, err := root.OpenFile(key, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, whyNot(root, key, err)
	}
	fi, err := f.Stat()
	if err == nil {
		err = regular(fi)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func (s *Store) lookAt(ctx context.Context, key string) (fs.FileInfo, error) {
	if err := s.check(ctx, key); err != nil {
		return nil, err
	}
	root, err := s.openRoot()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	fi, err := root.Stat(key)
	if err != nil {
		return nil, whyNot(root, key, err)
	}
	return fi, regular(fi)
}

// regular says that a pipe or a device cannot be read, and that a directory is no object.
func regular(fi fs.FileInfo) error {
	switch {
	case fi.Mode().IsRegular():
		return nil
	case fi.IsDir():
		return fs.ErrNotExist
	}
	return fmt.Errorf("%w: not a regular file (mode %v)", blob.ErrUnreadable, fi.Mode())
}

// whyNot says what an error of opening a file means. The name of a file that cannot
// be opened may be there all the same: a link to nothing, a socket.
func whyNot(root *os.Root, key string, err error) error {
	fi, statErr := root.Lstat(key)
	switch {
	case statErr != nil || fi.Mode().IsRegular() || fi.IsDir():
		return missing(err)
	case fi.Mode()&fs.ModeSymlink == 0:
		return fmt.Errorf("%w: not a regular file (mode %v)", blob.ErrUnreadable, fi.Mode())
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: a symbolic link that leads nowhere", blob.ErrUnreadable)
	case errors.Is(err, fs.ErrPermission):
		return err
	}
	return fmt.Errorf("%w: a symbolic link: %w", blob.ErrUnreadable, err)
}

func info(key string, fi fs.FileInfo) blob.Info {
	return blob.Info{Key: key, Size: fi.Size(), ModTime: fi.ModTime()}
}
