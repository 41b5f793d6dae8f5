package v3compat

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/replctl/replicate/blob"
)

const defaultConcurrency = 4

// read decompresses and checks every object. Damage is noted in the objects; an
// error means that an object could not be read for another reason.
func (in *inspection) read(parent context.Context, store blob.Reader, opts InspectOptions) error {
	c := &checker{store: store, progress: opts.Progress, refused: in.refuse}
	g, ctx := errgroup.WithContext(parent)
	g.SetLimit(cmp.Or(max(opts.Concurrency, 0), defaultConcurrency))
	for _, s := range in.snapshots {
		g.Go(func() error { return c.check(ctx, s, checkSnapshot) })
	}
	for _, s := range in.segments {
		g.Go(func() error { return c.check(ctx, &s.object, s.checkContent) })
	}
	return g.Wait()
}

func (in *inspection) refuse(err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.refused++
	if in.refusal == nil && !errors.Is(err, blob.ErrUnreadable) {
		in.refusal = err
	}
}

// checker reads objects and says what is wrong with them.
type checker struct {
	store    blob.Reader
	mu       sync.Mutex
	progress func(int64)
	refused  func(error) // is told of an object that cannot be read
}

func (c *checker) check(ctx context.Context, o *object, content func(io.Reader) error) error {
	if ctx.Err() != nil || o.damage != "" {
		return context.Cause(ctx)
	}
	rc, err := c.store.Open(ctx, o.Key, 0, 0)
	if err == nil {
		r := newFrameReader(o.Key, countingReader{rc, c})
		err = content(r)
		r.Close() // all of it was read, or it failed already
	}
	var wrong contentError
	var failed *ObjectError
	switch {
	case errors.As(err, &wrong):
		o.damage = wrong.Error()
	case errors.Is(err, ErrTruncated), errors.Is(err, ErrCorrupt):
		errors.As(err, &failed)
		o.damage = failed.Err.Error() // the problem names the object already
	case errors.Is(err, ErrEncrypted):
		o.encrypted = true
	case errors.Is(err, fs.ErrNotExist):
		o.damage = "gone since the listing: retention may be at work, look again"
	case blob.IsObjects(err):
		o.bar(err)
		c.refused(err)
	default:
		return err
	}
	return nil
}

type countingReader struct {
	io.ReadCloser
	c *checker
}

func (r countingReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if r.c.progress != nil && n > 0 {
		r.c.mu.Lock()
		defer r.c.mu.Unlock()
		r.c.progress(int64(n))
	}
	return n, err
}
