package file

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/durable"
	"github.com/replctl/replicate/internal/errs"
)

// Records is a directory as a cas.Store: a record is a file, its key the path
// below the directory, its token a hash of its content. The directory is opened
// anew for each operation, and made by the first write.
//
// A write compares and replaces under a kernel lock on a file beside the record
// (".lock.json.lock" for "lock.json"), which stays there until the record is deleted.
// Nobody waits for a dead process, as the kernel drops its lock. A write does wait for a process that is
// stopped in the middle of one, until its context ends; reads wait for nobody.
//
// Writers on several hosts need a filesystem that makes flock coherent between
// them. Where there are no locks at all, a write is cas.ErrUnsupported.
//
// A key cannot be another's directory: of "a" and "a/b" only one can be written. While "a"
// is there, to read or list what is below it is an error.
//
// It tells of changes, too: see Notify. [NewRecords] makes one: the methods of a zero Records
// return errors.
type Records struct {
	store *Store
}

var _ cas.Deleter = (*Records)(nil)

// NewRecords returns the records in a directory, which need not exist. An empty
// name is the current directory.
func NewRecords(dir string, opts Options) *Records {
	return &Records{store: NewStore(dir, opts)}
}

// Read implements [cas.Store]. The token is in the content, so that there is
// nothing to save by knowing it.
func (r *Records) Read(ctx context.Context, key string, _ cas.Token) (cas.Record, error) {
	rec, err := r.read(ctx, key)
	if err != nil && !errors.Is(err, errDirectory) {
		return cas.Record{}, fmt.Errorf("read %s: %w", key, err)
	}
	return rec, nil
}

func (r *Records) read(ctx context.Context, key string) (cas.Record, error) {
	if err := checkRecord(ctx, key, nil); err != nil {
		return cas.Record{}, err
	}
	root, err := r.store.openRoot()
	if errors.Is(err, fs.ErrNotExist) {
		return cas.Record{}, nil
	} else if err != nil {
		return cas.Record{}, err
	}
	defer root.Close()
	rec, err := readRecord(root, key)
	if err == nil && !rec.Exists() {
		err = inPlaceOf(root, path.Dir(key)) // which may hide a record
	}
	return rec, err
}

// Write implements [cas.Store].
func (r *Records) Write(ctx context.Context, key string, value []byte, expect cas.Token) (_ cas.Written, err error) {
	defer errs.Wrap(&err, "write %s", key)
	if err := checkRecord(ctx, key, value); err != nil {
		return cas.Written{}, err
	}
	err = r.locked(ctx, key, expect, func(c change) error {
		return r.publish(c.dir, c.name, value, expect == "", c.guard)
	})
	if err != nil {
		return cas.Written{}, err
	}
	return cas.Written{Token: tokenOf(value)}, nil
}

// Delete implements [cas.Deleter]. It removes the lock file, too.
func (r *Records) Delete(ctx context.Context, key string, expect cas.Token) (err error) {
	defer errs.Wrap(&err, "delete %s", key)
	if err := checkRecord(ctx, key, nil); err != nil {
		return err
	}
	if expect == "" {
		return cas.ErrConflict
	}
	return r.locked(ctx, key, expect, change.remove)
}

// change is a record that is locked, and is the expected one.
type change struct {
	ctx  context.Context
	dir  *os.Root
	name string
	lock *durable.Lock
}

// guard has the last word: nothing has been changed yet.
func (c change) guard() error {
	if err := context.Cause(c.ctx); err != nil {
		return err
	}
	return c.lock.Check()
}

func (c change) remove() error {
	if err := c.guard(); err != nil {
		return err
	}
	if err := c.dir.Remove(c.name); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", cas.ErrConflict, err) // by somebody without a lock
	} else if err != nil {
		return err
	}
	if err := syncRemoval(c.dir, "."); err != nil {
		return fmt.Errorf("%w: %w", cas.ErrNotDurable, err)
	}
	c.lock.Remove()
	return nil
}

// locked runs apply under the lock of a record whose version is the expected one.
func (r *Records) locked(ctx context.Context, key string, expect cas.Token, apply func(change) error) error {
	// Check before locking: a stale token fails at once, without creating the directory.
	if now, err := r.read(ctx, key); err != nil {
		return err
	} else if now.Token != expect {
		return cas.ErrConflict
	}
	dir, err := r.store.makeDir(path.Dir(key))
	if err != nil {
		return err
	}
	defer dir.Close()
	r.store.sweep(path.Dir(key), dir)

	name := path.Base(key)
	lock, err := lockRecord(ctx, dir, durable.LockName(name), r.store.opts.FileMode)
	if errors.Is(err, durable.ErrNoLocks) {
		return fmt.Errorf("%w: %w", cas.ErrUnsupported, err)
	} else if err != nil {
		return err
	}
	defer lock.Unlock()
	if now, err := readRecord(dir, name); err != nil {
		return err
	} else if now.Token != expect {
		return cas.ErrConflict
	}
	return apply(change{ctx, dir, name, lock})
}

// lockRecord is a variable for tests of what happens without a lock.
var lockRecord = durable.AcquireLock

// publishTemp and syncRemoval are variables for tests of a disk that fails.
var (
	publishTemp = (*durable.Temp).Publish
	syncRemoval = durable.SyncDir
)

// publish makes value the record; guard has the last word.
func (r *Records) publish(dir *os.Root, name string, value []byte, create bool, guard func() error) error {
	t, err := durable.CreateTemp(dir, r.store.opts.FileMode)
	if err != nil {
		return err
	}
	if _, err := t.Write(value); err != nil {
		t.Abort()
		return err
	}
	t.Guard = guard
	err = publishTemp(t, name, time.Time{}, create)
	switch {
	case errors.Is(err, durable.ErrUncertain):
		return fmt.Errorf("%w: %w", cas.ErrNotDurable, err) // reading would show the page cache
	case create && errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%w: %w", cas.ErrConflict, err) // by somebody without a lock
	case create && (errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EPERM)):
		return fmt.Errorf("%w: hard links: %w", cas.ErrUnsupported, err)
	}
	return err
}

func checkRecord(ctx context.Context, key string, value []byte) error {
	if err := cas.CheckWrite(key, value); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// readRecord reads the record in a file below root. A symbolic link is none: to
// replace it would leave the record that it leads to as it was, with a lock of
// its own.
func readRecord(root *os.Root, name string) (cas.Record, error) {
	f, err := durable.OpenFile(root, name, os.O_RDONLY, 0)
	var other *durable.NotRegularError
	switch err = missing(err); {
	case errors.Is(err, fs.ErrNotExist):
		return cas.Record{}, nil
	case errors.As(err, &other) && other.Mode.IsDir():
		return cas.Record{}, errDirectory
	case err != nil:
		return cas.Record{}, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return cas.Record{}, err
	}
	var buf bytes.Buffer
	buf.Grow(int(min(fi.Size(), cas.MaxValueSize)) + bytes.MinRead)
	if _, err := buf.ReadFrom(io.LimitReader(f, cas.MaxValueSize+1)); err != nil {
		return cas.Record{}, err
	}
	if buf.Len() > cas.MaxValueSize {
		return cas.Record{}, fmt.Errorf("%w: %d bytes, at most %d allowed", cas.ErrTooLarge, fi.Size(), cas.MaxValueSize)
	}
	return cas.Record{Token: tokenOf(buf.Bytes()), Value: buf.Bytes()}, nil
}

// errDirectory: there is no such record, and none can be made.
var errDirectory = errors.New("is a directory, with room for records below it only")

// tokenOf is never the same for two values; half of the hash is enough for that.
func tokenOf(value []byte) cas.Token {
	sum := sha256.Sum256(value)
	return cas.Token(hex.EncodeToString(sum[:16]))
}
