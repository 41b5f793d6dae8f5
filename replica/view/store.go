package view

import (
	"context"
	"fmt"
	"io"
	"iter"
	"sync/atomic"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
)

// listPage is how many entries of a listing come with one request.
const listPage = 1000

// tap is a store that counts what is read from it, and remembers what a plan has read.
type tap struct {
	blob.Store
	cachedStore
	maxBytes        int64 // 0: no limit
	requests, bytes atomic.Int64
	cached          atomic.Int64            // bytes that came from the cache
	flat            atomic.Pointer[listing] // nil when no plan is being made
	commit          atomic.Uint32           // pages of the database, by the header that was read last; 0 if none was
}

// tapped is the replica in a tap.
type tapped struct {
	store  *tap
	layout ltx.Layout
}

// Open implements replica.Source.
func (t tapped) Open(context.Context) (blob.Store, ltx.Layout, error) { return t.store, t.layout, nil }

// KeepsModTime implements blob.ModTimeKeeper.
func (t *tap) KeepsModTime() bool {
	k, ok := t.Store.(blob.ModTimeKeeper)
	return ok && k.KeepsModTime()
}

// List implements blob.Reader.
func (t *tap) List(ctx context.Context, prefix string, opts blob.ListOptions) iter.Seq2[blob.Info, error] {
	if l := t.flat.Load(); l != nil && l.answers(ctx, t, prefix, opts) {
		return l.entries.List(prefix, opts)
	}
	return func(yield func(blob.Info, error) bool) {
		n := 0
		for info, err := range t.Store.List(ctx, prefix, opts) {
			if n%listPage == 0 {
				t.requests.Add(1)
			}
			n++
			if err == nil {
				t.saw(info)
			}
			if !yield(info, err) {
				return
			}
		}
		if n == 0 {
			t.requests.Add(1)
		}
	}
}

// Stat implements blob.Reader.
func (t *tap) Stat(ctx context.Context, key string) (blob.Info, error) {
	t.requests.Add(1)
	return t.Store.Stat(ctx, key)
}

// Open implements blob.Reader.
func (t *tap) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	rc, ok := t.openCached(key, offset, length)
	if !ok {
		if err := t.allow(max(length, 0)); err != nil {
			return nil, err
		}
		t.requests.Add(1)
		var err error
		if rc, err = t.Store.Open(ctx, key, offset, length); err != nil {
			return nil, err
		}
		rc = t.collect(key, offset, length, rc)
	}
	r := &tapReader{ReadCloser: rc, tap: t, isCached: ok}
	if offset == 0 && length == ltx.HeaderSize {
		r.header = make([]byte, 0, ltx.HeaderSize)
	}
	return r, nil
}

// allow returns an error if n more bytes would be too many.
func (t *tap) allow(n int64) error {
	if read := t.bytes.Load(); t.maxBytes > 0 && read+n > t.maxBytes {
		return fmt.Errorf("%w: %d bytes were read, %d more are needed, and %d are allowed", ErrMaxBytes, read, n, t.maxBytes)
	}
	return nil
}

type tapReader struct {
	io.ReadCloser
	tap      *tap
	isCached bool
	header   []byte // what was read of a header; its capacity is 0 if it is not one
}

func (r *tapReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.sawHeader(p[:n])
	if r.isCached {
		return n, err
	}
	r.tap.bytes.Add(int64(n))
	if e := r.tap.allow(0); e != nil {
		return n, e
	}
	return n, err
}

// sawHeader notes the size of the database that a header says.
func (r *tapReader) sawHeader(p []byte) {
	if cap(r.header) < len(r.header)+len(p) {
		return
	}
	r.header = append(r.header, p...)
	if h, err := ltx.ParseHeader(r.header); err == nil {
		r.tap.commit.Store(h.Commit)
	}
}

// Describe implements blob.Describer.
func (r *tapReader) Describe() (blob.Info, bool) {
	if d, ok := r.ReadCloser.(blob.Describer); ok {
		return d.Describe()
	}
	return blob.Info{}, false
}
