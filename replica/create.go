package replica

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"

	"github.com/replctl/replicate/blob"
)

// Create writes an object that must not replace another one, or finds it there with the
// same content. Other content under its name is a *[ConflictError].
func Create(ctx context.Context, store blob.Store, key string, r io.Reader, opts blob.WriteOptions) (blob.Info, error) {
	if g, ok := store.(guardedStore); ok {
		opts = g.stamped(opts) // a conflict names both sides
	}
	c := creator{store}
	opts.IfAbsent = true
	ours := contentOf(r)
	info, err := store.Write(ctx, key, ours.reader(), opts)
	exists := errors.Is(err, fs.ErrExist)
	inDoubt := errors.Is(err, blob.ErrIndeterminate) && !errors.Is(err, blob.ErrNotDurable)
	if err == nil || ctx.Err() != nil || !exists && !inDoubt {
		return info, err
	}
	there, statErr := c.Stat(ctx, key)
	if errors.Is(statErr, fs.ErrNotExist) && !exists {
		return blob.Info{}, err // it may still turn up
	} else if statErr != nil {
		return blob.Info{}, fmt.Errorf("%w; what is there cannot be compared: %w", err, statErr)
	}
	return there, c.compare(ctx, ours, there, opts)
}

// creator compares objects that must not replace others.
type creator struct{ blob.Store }

// compare returns nil if what is there is what was to be written.
func (c creator) compare(ctx context.Context, ours *content, there blob.Info, opts blob.WriteOptions) error {
	size, err := ours.length(ctx)
	if err != nil {
		return fmt.Errorf("compare %s with what is there: %w", there.Key, err)
	}
	same := size == there.Size
	if same {
		if same, err = c.equal(ctx, ours, there.Key); err != nil {
			return fmt.Errorf("compare %s with what is there: %w", there.Key, err)
		}
	}
	if !same {
		return &ConflictError{Key: there.Key, Ours: version(size, opts.Metadata), Theirs: version(there.Size, there.Metadata)}
	}
	return nil
}

func (c creator) equal(ctx context.Context, ours *content, key string) (bool, error) {
	rc, err := c.Open(ctx, key, 0, 0)
	if err != nil {
		return false, err
	}
	defer rc.Close()
	theirs := sha256.New()
	if _, err := io.Copy(theirs, rc); err != nil {
		return false, err
	}
	sum, err := ours.sum(ctx)
	return bytes.Equal(sum, theirs.Sum(nil)), err
}

// content is what is written, and can be told from something else afterwards,
// however much of it the engine has read: by reading it again, or, if it is a
// stream, because it was hashed on its way.
type content struct {
	at          io.ReaderAt // nil for a stream
	start, size int64

	stream io.Reader
	hash   hash.Hash
}

func contentOf(r io.Reader) *content {
	// Not what can only seek: the engine may not be done with it yet when it
	// returns, as HTTP goes on sending while it receives.
	if s, ok := r.(interface {
		io.ReadSeeker
		io.ReaderAt
	}); ok {
		start, err1 := s.Seek(0, io.SeekCurrent)
		end, err2 := s.Seek(0, io.SeekEnd)
		if err := errors.Join(err1, err2); err == nil {
			return &content{at: s, start: start, size: max(0, end-start)}
		}
	}
	c := &content{hash: sha256.New()}
	c.stream = io.TeeReader(r, countingHash{c})
	return c
}

type countingHash struct{ *content }

func (h countingHash) Write(p []byte) (int, error) {
	h.size += int64(len(p))
	return h.hash.Write(p)
}

func (c *content) reader() io.Reader {
	if c.at != nil {
		return io.NewSectionReader(c.at, c.start, c.size)
	}
	return c.stream
}

// length is that of the whole; what is left of a stream is read for it.
func (c *content) length(ctx context.Context) (int64, error) {
	if c.at == nil {
		if _, err := io.Copy(io.Discard, blob.ContextReader(ctx, c.stream)); err != nil {
			return 0, err
		}
	}
	return c.size, nil
}

// sum is the hash of the whole, once its length has been asked for.
func (c *content) sum(ctx context.Context) ([]byte, error) {
	if c.at == nil {
		return c.hash.Sum(nil), nil
	}
	h := sha256.New()
	_, err := io.Copy(h, blob.ContextReader(ctx, c.reader()))
	return h.Sum(nil), err
}
