package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"sync"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/flow"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/v3compat"
)

// IsDamage reports whether an error says that an object is not what it should be.
func IsDamage(err error) bool {
	return slices.ContainsFunc([]error{
		ltx.ErrCorrupt, ltx.ErrTruncated, v3compat.ErrContent, v3compat.ErrCorrupt, v3compat.ErrTruncated, ErrDamaged,
	}, func(damage error) bool { return errors.Is(err, damage) })
}

// IsRefusal reports whether an error may be everybody's: the store refused this reader,
// and not because of what the object is.
func IsRefusal(err error) bool {
	return blob.IsObjects(err) && !IsDamage(err) && !errors.Is(err, blob.ErrUnreadable)
}

// DamagedObject is the key of the object that an error says is damaged, or cannot be read.
func (f *Files) DamagedObject(err error) (key string, ok bool) {
	if IsDamage(err) || blob.IsObjects(err) {
		key = f.ObjectOf(err)
	}
	return key, key != ""
}

// ObjectOf is the key of the object that an error is about; empty if it is about
// something else, such as a directory to restore to that is not there.
func (f *Files) ObjectOf(err error) string {
	var file *ltx.FileError
	var object *v3compat.ObjectError
	switch {
	case errors.As(err, &file):
		return f.Key(file.File)
	case errors.As(err, &object):
		return object.Key
	}
	return ""
}

// WhyEmpty says why an object is listed without a byte, if it is because there is no
// object: a pipe, a link that leads nowhere or a directory has its name. An object that
// is gone by now is fs.ErrNotExist, and one that is really empty is no error.
func WhyEmpty(ctx context.Context, store blob.Reader, key string, size int64) error {
	if size > 0 {
		return nil
	}
	return WhyUnread(ctx, store, key)
}

// WhyUnread says why a listed object cannot be read; it is nil if it can be.
func WhyUnread(ctx context.Context, store blob.Reader, key string) error {
	rc, err := store.Open(ctx, key, 0, 1)
	if err == nil {
		return rc.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	opts := blob.ListOptions{Delimited: true, After: key[:len(key)-1]} // a byte less: it begins before the name
	for info, listErr := range store.List(ctx, path.Dir(key)+"/", opts) {
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

// Refusals tell objects that cannot be read from a store that hands out none. Each
// of the former is a problem of that object; the latter is an error, because nothing was
// looked at. The zero value is ready, also for concurrent use.
type Refusals struct {
	mu    sync.Mutex
	first error // that may be everybody's
	read  int   // objects that could be read
}

// Add counts objects: how many were read, and the error of one that was not.
func (r *Refusals) Add(read int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read += read
	if r.first == nil && err != nil && !errors.Is(err, blob.ErrUnreadable) {
		r.first = err
	}
}

// Check is for when all objects have been tried. It returns the refusal if no object
// could be read, or if the store refuses to list them as well by now: the credentials
// may have expired on the way.
func (r *Refusals) Check(ctx context.Context, store blob.Reader) error {
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

// maxTries is how many objects are tried before all of them are said to be refused.
const maxTries = 10

// OpensAny reports whether one of some objects can be read that are not among others.
func (f *Files) OpensAny(ctx context.Context, keys, others []string) bool {
	tries := 0
	for _, key := range keys {
		if slices.Contains(others, key) {
			continue
		}
		if tries++; tries > maxTries {
			return false
		}
		if rc, err := f.store().Open(ctx, key, 0, 1); err == nil {
			_ = rc.Close()
			return true
		}
	}
	return false
}

// VerifyObject verifies the content of an LTX file or, if file is nil, of a v0.3 object, and
// returns how many bytes it has. An encrypted v0.3 object is read and passes. Progress, if
// not nil, is told of bytes as they are read.
func VerifyObject(r io.Reader, file *ltx.FileInfo, progress func(int64)) (n int64, err error) {
	r = flow.Count(r, func(read int64) {
		n += read
		if progress != nil {
			progress(read)
		}
	})
	if file == nil {
		if err = v3compat.Verify(r); errors.Is(err, v3compat.ErrEncrypted) {
			err = nil
		}
	} else {
		var summary ltx.Summary
		if summary, err = ltx.Verify(r); err == nil {
			err = ltx.CheckInfo(file, summary.Header)
		}
	}
	if err == nil {
		_, err = io.Copy(io.Discard, r) // what follows
	}
	return n, err
}
