package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/durable"
	"github.com/replctl/replicate/internal/errs"
)

// Write implements [blob.Store].
func (s *Store) Write(ctx context.Context, key string, r io.Reader, opts blob.WriteOptions) (_ blob.Info, err error) {
	defer errs.Wrap(&err, "write %s", key)
	if err := errors.Join(s.check(ctx, key), blob.CheckMetadata(opts.Metadata)); err != nil {
		return blob.Info{}, err
	}
	dir, err := s.makeDir(path.Dir(key))
	if err != nil {
		return blob.Info{}, err
	}
	defer dir.Close()
	s.sweep(path.Dir(key), dir)

	t, err := durable.CreateTemp(dir, s.opts.FileMode)
	if err != nil {
		return blob.Info{}, err
	}
	n, err := copyPooled(t, blob.ContextReader(ctx, r))
	if err == nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		err = writeMetadata(t.File, opts.Metadata)
	}
	if err != nil {
		t.Abort()
		return blob.Info{}, err
	}
	var metadata map[string]string
	if len(opts.Metadata) > 0 {
		metadata = readMetadata(t.File) // what there was place for
	}
	if err := publish(dir, t, path.Base(key), opts); err != nil {
		return blob.Info{}, err
	}
	if opts.ModTime.IsZero() {
		opts.ModTime = time.Now()
	}
	return blob.Info{Key: key, Size: n, ModTime: opts.ModTime, Metadata: metadata}, nil
}

// publish gives the file its name. A caller that is told that the name exists may rely on
// it, and the writer that made it may not have got to its fsync of the directory.
func publish(dir *os.Root, t *durable.Temp, name string, opts blob.WriteOptions) error {
	t.Guard = opts.Guard
	err := publishTemp(t, name, opts.ModTime, opts.IfAbsent)
	switch {
	case errors.Is(err, durable.ErrUncertain):
		return fmt.Errorf("%w: %w", blob.ErrNotDurable, err)
	case errors.Is(err, fs.ErrExist):
		if syncErr := durable.SyncDir(dir, "."); syncErr != nil {
			return fmt.Errorf("sync what is there: %w", syncErr)
		}
	}
	return err
}

var copyBuffers = sync.Pool{New: func() any { return new([256 << 10]byte) }}

func copyPooled(dst io.Writer, src io.Reader) (int64, error) {
	buf := copyBuffers.Get().(*[256 << 10]byte)
	defer copyBuffers.Put(buf)
	// The struct hides File.ReadFrom, which would bring a buffer of its own.
	return io.CopyBuffer(struct{ io.Writer }{dst}, src, buf[:])
}
