package ltx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	sltx "github.com/superfly/ltx"
)

// ranges opens parts of a file in memory and counts the requests.
type ranges struct {
	file  []byte
	count int
	bytes int64
}

func (r *ranges) open(_ context.Context, offset, length int64) (io.ReadCloser, error) {
	if offset < 0 || length <= 0 {
		return nil, fmt.Errorf("open %d bytes from %d", length, offset)
	}
	r.count++
	r.bytes += length
	return io.NopCloser(iotest.HalfReader(io.NewSectionReader(bytes.NewReader(r.file), offset, length))), nil
}

func outlineOf(tb testing.TB, file []byte) Outline {
	tb.Helper()
	o, err := ReadOutline(context.Background(), int64(len(file)), (&ranges{file: file}).open)
	if err != nil {
		tb.Fatal(err)
	}
	return o
}

func TestReadOutline(t *testing.T) {
	noise := snapshotSpec(4096, 100, 4, 0)
	noise.noise = true
	for _, tt := range []struct {
		name     string
		spec     spec
		requests int
	}{
		{"small", snapshotSpec(512, 9, 4, 0), 1},
		{"index in the tail", noise, 2},
		{"index larger than the tail", snapshotSpec(512, 5000, 4, 0), 3},
		{"no pages", deltaSpec(512, 2, 2), 1},
	} {
		file := tt.spec.encode(t)
		r := &ranges{file: file}
		got, err := ReadOutline(t.Context(), int64(len(file)), r.open)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if r.count != tt.requests {
			t.Errorf("%s: %d requests, want %d", tt.name, r.count, tt.requests)
		}
		if r.bytes > 2*tailSize+HeaderSize+int64(20*len(tt.spec.pages)) {
			t.Errorf("%s: asked for %d bytes of %d", tt.name, r.bytes, len(file))
		}
		checkOutline(t, got, file)
	}
}

// checkOutline compares with what the other implementation finds in the whole
// file.
func checkOutline(t *testing.T, got Outline, file []byte) {
	t.Helper()
	dec := sltx.NewDecoder(bytes.NewReader(file))
	if err := dec.Verify(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(dec.Header(), got.Header); diff != "" {
		t.Errorf("header (-superfly +ours)\n%s", diff)
	}
	if diff := cmp.Diff(dec.Trailer(), got.Trailer); diff != "" {
		t.Errorf("trailer (-superfly +ours)\n%s", diff)
	}
	if got, want := got.Index.Len(), len(dec.PageIndex()); got != want {
		t.Errorf("index of %d pages, want %d", got, want)
	}
	for pgno, want := range dec.PageIndex() {
		if offset, size, ok := got.Index.Lookup(pgno); !ok || offset != want.Offset || size != want.Size {
			t.Errorf("page %d: got %d, %d, %t; want %d, %d", pgno, offset, size, ok, want.Offset, want.Size)
		}
	}
	if offset, size, ok := got.Index.Lookup(1 << 31); ok || offset != 0 || size != 0 {
		t.Errorf("page that is not there: got %d, %d, %t", offset, size, ok)
	}
}

func TestReadOutlineTruncated(t *testing.T) {
	file := deltaSpec(512, 2, 2, 1, 5, 9).encode(t)
	for n := range file {
		r := &ranges{file: file[:n]}
		_, err := ReadOutline(t.Context(), int64(n), r.open)
		if !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d of %d bytes: got %v, want an error", n, len(file), err)
		}
	}
}

// A listing can be older or newer than the file.
func TestReadOutlineWrongSize(t *testing.T) {
	file := snapshotSpec(512, 5000, 4, 0).encode(t)
	r := &ranges{file: file}
	if _, err := ReadOutline(t.Context(), int64(len(file))+1, r.open); !errors.Is(err, ErrTruncated) {
		t.Errorf("one byte less than told: got %v, want ErrTruncated", err)
	}
	if _, err := ReadOutline(t.Context(), int64(len(file))-1, r.open); !errors.Is(err, ErrCorrupt) {
		t.Errorf("one byte more than told: got %v, want ErrCorrupt", err)
	}
}

// The third request may find less than the first two did.
func TestReadOutlineIndexShrinks(t *testing.T) {
	file := snapshotSpec(512, 5000, 4, 0).encode(t)
	r := &ranges{file: file}
	open := func(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
		rc, err := r.open(ctx, offset, length)
		if r.count < 3 {
			return rc, err
		}
		return io.NopCloser(io.LimitReader(rc, length/2)), err
	}
	if _, err := ReadOutline(t.Context(), int64(len(file)), open); !errors.Is(err, ErrTruncated) {
		t.Errorf("got %v, want ErrTruncated", err)
	}
}

func TestReadOutlineStoreFails(t *testing.T) {
	file := snapshotSpec(512, 5000, 4, 0).encode(t)
	want := errors.New("denied")
	for n := range 3 {
		r := &ranges{file: file}
		open := func(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
			if r.count == n {
				return nil, want
			}
			return r.open(ctx, offset, length)
		}
		if _, err := ReadOutline(t.Context(), int64(len(file)), open); !errors.Is(err, want) {
			t.Errorf("request %d: got %v, want %v", n, err, want)
		}
	}
}

func FuzzOutline(f *testing.F) {
	for _, s := range goodSpecs() {
		f.Add(s.encode(f), int64(0))
	}
	f.Add(snapshotSpec(512, 3000, 4, 0).encode(f), int64(-1))
	for _, file := range smallFiles(f) {
		f.Add(file, int64(1))
	}
	f.Fuzz(func(t *testing.T, file []byte, wrong int64) {
		size := int64(len(file)) + wrong%1000
		o, err := ReadOutline(t.Context(), size, (&ranges{file: file}).open)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTruncated) {
				t.Fatalf("%v is of no kind", err)
			}
			return
		}
		end := int64(HeaderSize)
		for i := range o.Index.Len() {
			_, offset, size := o.Index.At(i)
			if offset != end || size < minFrame {
				t.Fatalf("page %d at %d has %d bytes, where %d is next", i, offset, size, end)
			}
			end += size
		}
		if end > size-TrailerSize {
			t.Fatalf("pages end at %d in a file of %d", end, size)
		}
	})
}
