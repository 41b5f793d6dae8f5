package replicate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"github.com/replctl/replicate/blob"
)

// whyEmpty says why an object is listed without a byte, if it is because there is no
// object: a pipe, a link that leads nowhere or a directory has its name. An object that
// is gone by now is fs.ErrNotExist, and one that is really empty is no error.
func whyEmpty(ctx context.Context, store blob.Reader, key string, size int64) error {
	if size > 0 {
		return nil
	}
	return whyUnread(ctx, store, key)
}

// whyUnread says why a listed object cannot be read; it is nil if it can be.
func whyUnread(ctx context.Context, store blob.Reader, key string) error {
	rc, err := store.Open(ctx, key, 0, 1)
	if err == nil {
		return rc.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	const before = 1 // byte less, so that the listing begins before the name
	for info, listErr := range store.List(ctx, dirOf(key), blob.ListOptions{Delimited: true, After: key[:len(key)-before]}) {
		switch {
		case listErr != nil:
			return listErr
		case info.Key == key+"/":
			return fmt.Errorf("%s: %w: a directory stands in its place", key, blob.ErrUnreadable)
		case info.Key > key+"/":
			return err
		}
	}
	return err
}

// refusals tell objects that cannot be read from a store that hands out none. Each
// of the former is a problem of that object; the latter is an error, because nothing was
// looked at. The zero value is ready.
type refusals struct {
	mu    sync.Mutex
	first error // that may be everybody's
	read  int   // objects that could be read
}

// add counts objects: how many were read, and the error of one that was not.
func (r *refusals) add(read int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read += read
	if r.first == nil && err != nil && !errors.Is(err, blob.ErrUnreadable) {
		r.first = err
	}
}

// check is for when all objects have been tried. It returns the refusal if no object
// could be read, or if the store refuses to list them as well by now: the credentials
// may have expired on the way.
func (r *refusals) check(ctx context.Context, store blob.Reader) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first == nil || r.read == 0 {
		return r.first
	}
	for _, err := range store.List(ctx, "", blob.ListOptions{Delimited: true, Limit: 1}) {
		return err
	}
	return nil
}

// isRefusal reports whether an error may be everybody's: the store refused this reader,
// and not because of what the object is.
func isRefusal(err error) bool {
	return blob.IsObjects(err) && !isDamage(err) && !errors.Is(err, blob.ErrUnreadable)
}

// maxTries is how many objects are tried before all of them are said to be refused.
const maxTries = 10

// opensAny reports whether one of some objects can be read that are not among others.
func (c *StoreClient) opensAny(ctx context.Context, keys, others []string) bool {
	store, err := c.Store(ctx)
	if err != nil {
		return false
	}
	tries := 0
	for _, key := range keys {
		if slices.Contains(others, key) {
			continue
		}
		if tries++; tries > maxTries {
			return false
		}
		if rc, err := store.Open(ctx, key, 0, 1); err == nil {
			_ = rc.Close()
			return true
		}
	}
	return false
}

// opensLTX reports whether any LTX file can be read that is not among others.
func (c *StoreClient) opensLTX(ctx context.Context, others []string) bool {
	files, err := c.allFiles(ctx)
	if err != nil {
		return false
	}
	var keys []string
	for _, f := range files {
		key, err := c.Key(ctx, f)
		if err != nil {
			return false
		}
		keys = append(keys, key)
	}
	return c.opensAny(ctx, keys, others)
}
