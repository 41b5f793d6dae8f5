package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Named is the error of an operation on a key: "open a/b: cause". Of a missing object it
// is a *fs.PathError around fs.ErrNotExist itself, so that os.IsNotExist holds as well,
// which does not unwrap.
func Named(op, key string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &fs.PathError{Op: op, Path: key, Err: fs.ErrNotExist}
	}
	return fmt.Errorf("%s %s: %w", op, key, err)
}

// ContextReader reads from r until ctx ends; then Read returns the context's
// cause. It checks between reads and does not interrupt one that is blocked.
func ContextReader(ctx context.Context, r io.Reader) io.Reader {
	return contextReader{ctx, r}
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}

// DeleteEach is [Store.Delete] for engines that delete one object at a time: it
// checks each key, calls remove, takes fs.ErrNotExist for success, and joins a
// *DeleteError for every key that failed or was not reached before ctx ended.
func DeleteEach(ctx context.Context, keys []string, remove func(key string) error) error {
	var errs []error
	for _, key := range keys {
		err := CheckKey(key)
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err == nil {
			err = remove(key)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, &DeleteError{Key: key, Err: err})
		}
	}
	return errors.Join(errs...)
}
