package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"
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

// CheckBelow returns the error of a listing of what is below an object's name. An engine
// with directories has one if the object stands in the place of a directory: what was
// below it is not absent, but hidden. A bucket has none.
func CheckBelow(ctx context.Context, r Reader, key string) error {
	for _, err := range r.List(ctx, key+"/", ListOptions{Delimited: true, Limit: 1}) {
		return err
	}
	return nil
}

// IsObjects reports whether an error is of the one object that was to be read, and says
// nothing of others: it is [ErrUnreadable], this reader is refused it, or its blocks on
// the disk are bad. That all of them are refused is for the caller to notice.
func IsObjects(err error) bool {
	return errors.Is(err, ErrUnreadable) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EIO)
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
