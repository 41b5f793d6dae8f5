package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"

	"github.com/replctl/replicate/blob"
)

// guardedStore is a store that writes and deletes only under a fence.
type guardedStore struct {
	blob.Store
	*fence
}

// stamped are options with the lease in the metadata.
func (s guardedStore) stamped(opts blob.WriteOptions) blob.WriteOptions {
	metadata := maps.Clone(opts.Metadata)
	if metadata == nil {
		metadata = map[string]string{}
	}
	s.stamp(metadata)
	opts.Metadata = metadata
	return opts
}

var (
	_ blob.Sweeper       = guardedStore{}
	_ blob.ModTimeKeeper = guardedStore{}
)

// KeepsModTime implements [blob.ModTimeKeeper].
func (s guardedStore) KeepsModTime() bool {
	k, ok := s.Store.(blob.ModTimeKeeper)
	return ok && k.KeepsModTime()
}

// Write implements [blob.Store].
func (s guardedStore) Write(ctx context.Context, key string, r io.Reader, opts blob.WriteOptions) (blob.Info, error) {
	if err := s.guard(); err != nil {
		return blob.Info{}, fmt.Errorf("write %s: %w", key, err)
	}
	opts = s.stamped(opts)
	inner := opts.Guard
	opts.Guard = func() error {
		if err := s.guard(); err != nil || inner == nil {
			return err
		}
		return inner()
	}
	return s.Store.Write(ctx, key, guardReader(r, s.guard), opts)
}

// Delete implements [blob.Store]. It asks before each batch.
func (s guardedStore) Delete(ctx context.Context, keys []string) error {
	var errs []error
	for len(keys) > 0 {
		n := min(DeleteBatch, len(keys))
		if err := s.guard(); err != nil {
			for _, key := range keys {
				errs = append(errs, &blob.DeleteError{Key: key, Err: err})
			}
			break
		}
		errs = append(errs, s.Store.Delete(ctx, keys[:n]))
		keys = keys[n:]
	}
	return errors.Join(errs...)
}

// Sweep implements [blob.Sweeper]: what it removes is nobody's.
func (s guardedStore) Sweep(ctx context.Context, prefix string) error {
	if sw, ok := s.Store.(blob.Sweeper); ok {
		return sw.Sweep(ctx, prefix)
	}
	return nil
}

// guardReader calls guard after every Read, because the read itself may have outlived the
// lease. It can do what an engine looks for in a reader, as far as r can.
func guardReader(r io.Reader, guard func() error) io.Reader {
	g := guardedReader{r, guard}
	s, seeks := r.(io.Seeker)
	at, reads := r.(io.ReaderAt)
	switch {
	case seeks && reads:
		return &guardedSection{guardedSeeker{g, s}, at}
	case seeks:
		return &guardedSeeker{g, s}
	}
	return &g
}

type guardedReader struct {
	r     io.Reader
	guard func() error
}

func (g *guardedReader) Read(p []byte) (int, error) {
	n, err := g.r.Read(p)
	if lost := g.guard(); lost != nil {
		return 0, lost
	}
	return n, err
}

type guardedSeeker struct {
	guardedReader
	io.Seeker
}

type guardedSection struct {
	guardedSeeker
	at io.ReaderAt
}

func (g *guardedSection) ReadAt(p []byte, off int64) (int, error) {
	n, err := g.at.ReadAt(p, off)
	if lost := g.guard(); lost != nil {
		return 0, lost
	}
	return n, err
}
