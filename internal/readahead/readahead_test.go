package readahead

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/iotest"
)

func content(n int) []byte {
	data := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{byte(n)})
	_, _ = rng.Read(data)
	return data
}

func object(data []byte, size int64) Object {
	return Object{Size: size, Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(iotest.HalfReader(bytes.NewReader(data))), nil
	}}
}

// Objects come in their order, whatever their size was listed as.
func TestRead(t *testing.T) {
	sizes := []int{0, 1, smallSize - 1, smallSize, 3*ChunkSize + 17, 5, 9 * ChunkSize}
	var objects []Object
	for i, n := range sizes {
		objects = append(objects, object(content(n), int64(n+i-2)))
	}
	var progress int64
	r := New(t.Context(), objects, Options{Streams: 3, Ahead: 2, Progress: func(n int64) { progress += n }})
	defer r.Stop()
	for _, n := range sizes {
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content(n)) {
			t.Errorf("got %d bytes, %v, want %d", len(got), err, n)
		}
	}
	if r.Bytes() != progress || progress < 12*ChunkSize {
		t.Errorf("%d bytes, and progress of %d", r.Bytes(), progress)
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last object: %v, want io.EOF", err)
	}
}

func TestPrepend(t *testing.T) {
	for _, n := range []int{10, smallSize + 10} {
		r := New(t.Context(), []Object{object(content(n), int64(n))}, Options{Streams: 1, Ahead: 1, Room: 4})
		c, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		c.Prepend([]byte("rest"))
		if want := append([]byte("rest"), content(n)...); !bytes.Equal(c.Data, want) {
			t.Errorf("%d bytes: wrong chunk of %d bytes", n, len(c.Data))
		}
		c.Release()
		c.Release()
		r.Stop()
	}
}

// An error is the object's own, and only io.EOF itself is an end.
func TestErrors(t *testing.T) {
	broken := errors.New("reset by peer")
	wrapped := errors.Join(broken, io.EOF)
	for _, want := range []error{broken, wrapped, io.ErrUnexpectedEOF} {
		for name, o := range map[string]Object{
			"open": {Open: func(context.Context) (io.ReadCloser, error) { return nil, want }},
			"read": {Open: func(context.Context) (io.ReadCloser, error) {
				return io.NopCloser(io.MultiReader(bytes.NewReader(content(100)), iotest.ErrReader(want))), nil
			}},
		} {
			r := New(t.Context(), []Object{object(content(7), 7), o}, Options{Streams: 2, Ahead: 1})
			if got, err := io.ReadAll(r); err != nil || len(got) != 7 {
				t.Errorf("%s: first object: %d bytes, %v", name, len(got), err)
			}
			var err error
			for err == nil {
				var c Chunk
				c, err = r.Next()
				c.Release()
			}
			if !errors.Is(err, want) || err == io.EOF { //nolint:errorlint // that would be the end
				t.Errorf("%s: got %v, want %v", name, err, want)
			}
			if _, again := r.Next(); !errors.Is(again, want) {
				t.Errorf("%s: then %v, want %v again", name, again, want)
			}
			r.Stop()
		}
	}
}

// No more is open at a time than may be, and nothing after Stop.
func TestStop(t *testing.T) {
	var open, most atomic.Int64
	var objects []Object
	for range 20 {
		objects = append(objects, Object{Size: 1 << 30, Open: func(ctx context.Context) (io.ReadCloser, error) {
			most.Store(max(most.Load(), open.Add(1)))
			return &endless{ctx, &open}, nil
		}})
	}
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	r := New(ctx, objects, Options{Streams: 3, Ahead: 2})
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	cancel(cause)
	var err error
	for err == nil {
		_, err = r.Next()
	}
	if !errors.Is(err, cause) {
		t.Errorf("got %v, want %v", err, cause)
	}
	r.Stop()
	if open.Load() != 0 || most.Load() > 3 {
		t.Errorf("%d are open, %d were at a time", open.Load(), most.Load())
	}
}

type endless struct {
	ctx  context.Context
	open *atomic.Int64
}

func (e *endless) Read(p []byte) (int, error) { return len(p), context.Cause(e.ctx) }

func (e *endless) Close() error { e.open.Add(-1); return nil }
