package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
)

// copyJob is one object of the source.
type copyJob struct {
	key, to string // here and there
	size    int64
	present bool // at the destination already, with this size
	there   int64

	// Of a v0.3 object.
	at    time.Time // zero if not known
	index int

	// Of an LTX file.
	file   *ltx.FileInfo
	onPath int // position on the way to the latest state; math.MaxInt if not on it
	depth  int // steps from nothing; math.MaxInt if it cannot be restored

	// gate, if set, returns when the object may become visible, or why not. It is
	// asked when the whole source has been read, and is fine.
	gate func(ctx context.Context) error

	cleared chan struct{} // closed when the object is read whole, or over
	done    chan struct{} // closed when it is there, or over
	once    sync.Once
	err     error // once done is closed
}

func newCopyJob(key, to string, size int64) *copyJob {
	return &copyJob{key: key, to: to, size: size, cleared: make(chan struct{}), done: make(chan struct{})}
}

// isThere is for an object that the destination has, with a size.
func (j *copyJob) isThere(size int64) {
	j.present, j.there = true, size
	j.finish(nil)
}

func (j *copyJob) clear() { j.once.Do(func() { close(j.cleared) }) }

func (j *copyJob) finish(err error) {
	j.err = err
	close(j.done)
	j.clear()
}

var (
	// errHeld: what the object depends on is not there.
	errHeld = errors.New("held back")
	// errVanished: listed, and gone or changed since.
	errVanished = errors.New("gone since the listing")
	// errUnfinished: the goroutine of the copy ended before the copy did.
	errUnfinished = errors.New("not finished")
)

// damageError says that an object of the source is not what it has to be.
type damageError struct{ Err error }

func (e *damageError) Error() string { return e.Err.Error() }

func (e *damageError) Unwrap() error { return e.Err }

// isOver reports whether a job's failure concerns it alone, and what depends on it.
func isOver(err error) bool {
	var bad *damageError
	return errors.Is(err, errHeld) || errors.Is(err, errVanished) || errors.As(err, &bad)
}

func await(ctx context.Context, c <-chan struct{}) error {
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// behind is a gate: after the objects of other jobs are there.
func behind(others ...*copyJob) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, other := range others {
			if err := await(ctx, other.done); err != nil {
				return err
			}
			if other.err != nil {
				return fmt.Errorf("%w: %s is not copied", errHeld, other.key)
			}
		}
		return nil
	}
}

// clearOf is a gate: when all objects of a line up to another one were read, and
// were fine. Another gate waits until they are there.
func clearOf(other *copyJob) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := await(ctx, other.cleared); err != nil {
			return err
		}
		select {
		case <-other.done:
			return behind(other)(ctx)
		default: // cleared before it is done: it was fine
			return nil
		}
	}
}

// copyOne copies one object.
func (c *copier) copyOne(ctx context.Context, j *copyJob) error {
	r, err := c.openSource(ctx, j, &c.meter)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", j.key, errVanished)
	} else if err != nil {
		return err
	}
	defer r.close()
	if j.file != nil {
		_, err = c.dst.Write(ctx, j.file, r, true)
	} else {
		_, err = replica.Create(ctx, c.dst.Store, j.to, r, blob.WriteOptions{ModTime: j.at})
	}
	return c.explain(j, r, err)
}

// openSource opens an object of the source. One that is there and cannot be read is a
// *damageError.
func (c *copier) openSource(ctx context.Context, j *copyJob, meter *copyMeter) (*copyReader, error) {
	err := replica.WhyEmpty(ctx, c.src.Store, j.key, j.size)
	var rc io.ReadCloser
	if err == nil {
		rc, err = c.src.Store.Open(ctx, j.key, 0, 0)
	}
	switch {
	case err == nil:
		c.refusals.Add(1, nil)
		return newCopyReader(ctx, rc, j, meter), nil
	case blob.IsObjects(err):
		c.refusals.Add(0, err)
		return nil, &damageError{err}
	}
	return nil, fmt.Errorf("source: %w", err)
}

// explain finds the cause of a failed write.
func (c *copier) explain(j *copyJob, r *copyReader, err error) error {
	var conflict *replica.ConflictError
	switch {
	case err == nil:
		return nil
	case r.failed != nil && errors.Is(r.failed, fs.ErrNotExist):
		return fmt.Errorf("%s: %w", j.key, errVanished)
	case r.failed != nil:
		return r.failed
	case errors.Is(err, ltx.ErrTruncated), errors.Is(err, ltx.ErrCorrupt): // of the header, which Write looks at first
		return &damageError{err}
	case errors.As(err, &conflict):
		return &ConflictError{j.key, j.to, fmt.Sprintf("%v and %v", conflict.Ours, conflict.Theirs), false}
	}
	return fmt.Errorf("destination: %w", err)
}
