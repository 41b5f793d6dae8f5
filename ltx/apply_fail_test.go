package ltx

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// damage changes a file in each class of position: header, page header, block
// length, page index, its length, trailer; and cuts and prolongs it.
func damage(file []byte) map[string][]byte {
	flip := func(at int) []byte {
		b := bytes.Clone(file)
		b[at] ^= 0x41
		return b
	}
	n, end := len(file), len(file)-TrailerSize-indexSizeLen
	return map[string][]byte{
		"magic":                flip(0),
		"flags":                flip(7),
		"page size":            flip(10),
		"commit":               flip(15),
		"transaction":          flip(23),
		"time":                 flip(36),
		"page number":          flip(HeaderSize + 3),
		"page flags":           flip(HeaderSize + 4),
		"block length":         flip(HeaderSize + 9),
		"block":                flip(HeaderSize + 12),
		"index":                flip(end - 3),
		"index length":         flip(end + 7),
		"database checksum":    flip(n - 9),
		"file checksum":        flip(n - 1),
		"no header":            file[:HeaderSize-1],
		"header only":          file[:HeaderSize],
		"cut in a page":        file[:HeaderSize+20],
		"cut in the index":     file[:end-1],
		"cut in the trailer":   file[:n-1],
		"empty":                nil,
		"bytes after the file": append(bytes.Clone(file), 0),
	}
}

func TestApplyDamaged(t *testing.T) {
	h := newHistory(5, 1024, 0, 9)
	files, replica := encodeAll(t, []spec{h.spec(1, 4), h.spec(4, 6), h.spec(6, 9)})
	for _, f := range files {
		whole := replica[f]
		for name, b := range damage(whole) {
			replica[f] = b
			_, err := restore(t, files, replica)
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTruncated) {
				t.Errorf("%s: %s: got %v, want ErrCorrupt or ErrTruncated", IDOf(f), name, err)
			} else if strings.Count(err.Error(), IDOf(f).String()) != 2 {
				t.Errorf("%s: %s: not named by both errors: %v", IDOf(f), name, err)
			}
		}
		replica[f] = whole
	}
}

// A page that is not needed is checked nevertheless, and files that stand in for
// each other are noticed.
func TestApplySwapped(t *testing.T) {
	h := newHistory(6, 512, HeaderFlagNoChecksum, 4)
	files, replica := encodeAll(t, []spec{h.spec(1, 3), h.spec(4, 4)})
	replica[files[0]], replica[files[1]] = replica[files[1]], replica[files[0]]
	if _, err := restore(t, files, replica); !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v, want ErrCorrupt", err)
	}
}

func TestApplyFileVanishes(t *testing.T) {
	h := newHistory(7, 512, 0, 9)
	files, replica := encodeAll(t, []spec{h.spec(1, 4), h.spec(5, 6), h.spec(7, 9)})
	for _, f := range files {
		whole := replica[f]
		delete(replica, f)
		if _, err := restore(t, files, replica); err == nil || strings.Count(err.Error(), IDOf(f).String()) != 2 {
			t.Errorf("got %v, want an error naming %s", err, IDOf(f))
		}
		replica[f] = whole
	}
}

func TestApplyReaderFails(t *testing.T) {
	h := newHistory(8, 512, 0, 9)
	files, replica := encodeAll(t, []spec{h.spec(1, 4), h.spec(5, 9)})
	want := errors.New("connection reset")
	for _, f := range files {
		open := func(ctx context.Context, g *FileInfo, offset, length int64) (io.ReadCloser, error) {
			if g != f {
				return replica.open(ctx, g, offset, length)
			}
			half := bytes.NewReader(replica[f][:len(replica[f])/2])
			return io.NopCloser(io.MultiReader(half, iotest.ErrReader(want))), nil
		}
		_, err := Apply(t.Context(), files, open, new(memDB), ApplyOptions{})
		_, streamErr := Stream(t.Context(), files, open, io.Discard, ApplyOptions{})
		for _, err := range []error{err, streamErr} {
			if !errors.Is(err, want) || errors.Is(err, ErrTruncated) || !strings.Contains(err.Error(), IDOf(f).String()) {
				t.Errorf("got %v, want %v naming %s", err, want, IDOf(f))
			}
		}
	}
}

func TestApplyWriteFails(t *testing.T) {
	h := newHistory(9, 512, 0, 9)
	files, replica := encodeAll(t, []spec{h.spec(1, 9)})
	want := errors.New("no space left on device")
	if _, err := Apply(t.Context(), files, replica.open, &memDB{err: want}, ApplyOptions{}); !errors.Is(err, want) {
		t.Errorf("Apply: got %v, want %v", err, want)
	}
	r, w := io.Pipe()
	r.CloseWithError(want)
	if _, err := Stream(t.Context(), files, replica.open, w, ApplyOptions{}); !errors.Is(err, want) {
		t.Errorf("Stream: got %v, want %v", err, want)
	}
}

// A stuckReader gives some bytes, and then nothing until its context ends.
type stuckReader struct {
	ctx   context.Context
	first io.Reader
	stuck func()
}

func (r *stuckReader) Read(b []byte) (int, error) {
	if n, err := r.first.Read(b); err == nil {
		return n, nil
	}
	r.stuck()
	<-r.ctx.Done()
	return 0, r.ctx.Err()
}

func (r *stuckReader) Close() error { return nil }

func TestApplyCanceled(t *testing.T) {
	h := newHistory(10, 512, 0, 9)
	files, replica := encodeAll(t, []spec{h.spec(1, 4), h.spec(5, 9)})
	before := runtime.NumGoroutine()
	for name, restore := range map[string]func(context.Context, OpenFunc) error{
		"Apply": func(ctx context.Context, open OpenFunc) error {
			_, err := Apply(ctx, files, open, new(memDB), ApplyOptions{})
			return err
		},
		"Stream": func(ctx context.Context, open OpenFunc) error {
			_, err := Stream(ctx, files, open, io.Discard, ApplyOptions{})
			return err
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		open := func(ctx context.Context, f *FileInfo, _, _ int64) (io.ReadCloser, error) {
			return &stuckReader{ctx, bytes.NewReader(replica[f][:HeaderSize+9]), cancel}, nil
		}
		if err := restore(ctx, open); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want context.Canceled", name, err)
		}
		cancel()
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}
