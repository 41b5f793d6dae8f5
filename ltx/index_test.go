package ltx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"testing/iotest"

	sltx "github.com/superfly/ltx"
)

// indexOf encodes an index of triples: page number, offset, size.
func indexOf(entries ...uint64) []byte {
	var b []byte
	for _, v := range entries {
		b = binary.AppendUvarint(b, v)
	}
	return append(b, 0)
}

func indexHeader() Header {
	return deltaSpec(65536, 2, 2).header // 20 pages; the lock page is beyond
}

func TestReadIndex(t *testing.T) {
	b := indexOf(3, 100, 20, 7, 120, 300, 20, 420, 11)
	x, err := readIndex(bytes.NewReader(b), int64(len(b)), 431, indexHeader())
	if err != nil {
		t.Fatal(err)
	}
	type entry struct {
		pgno         uint32
		offset, size int64
	}
	var got []entry
	for i := range x.Len() {
		pgno, offset, size := x.At(i)
		got = append(got, entry{pgno, offset, size})
	}
	want := []entry{{3, 100, 20}, {7, 120, 300}, {20, 420, 11}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestReadIndexRefuses(t *testing.T) {
	locked := indexHeader()
	locked.Commit = 20000
	lock := uint64(sltx.LockPgno(65536))
	snapshot := indexHeader()
	snapshot.MinTXID = 1
	for _, tt := range []struct {
		name   string
		index  []byte
		header Header
	}{
		{"empty", nil, indexHeader()},
		{"no end marker", indexOf(3, 100, 100)[:3], indexHeader()},
		{"cut in an entry", []byte{3, 100}, indexHeader()},
		{"bytes after end marker", append(indexOf(3, 100, 100), 0), indexHeader()},
		{"descending", indexOf(3, 100, 50, 2, 150, 50), indexHeader()},
		{"same page twice", indexOf(3, 100, 50, 3, 150, 50), indexHeader()},
		{"page beyond commit", indexOf(21, 100, 100), indexHeader()},
		{"page beyond 32 bits", indexOf(1<<32+3, 100, 100), indexHeader()},
		{"lock page", indexOf(lock, 100, 100), locked},
		{"begins in the header", indexOf(3, 99, 101), indexHeader()},
		{"hole", indexOf(3, 100, 40, 4, 150, 50), indexHeader()},
		{"overlap", indexOf(3, 100, 60, 4, 150, 50), indexHeader()},
		{"ends early", indexOf(3, 100, 99), indexHeader()},
		{"ends late", indexOf(3, 100, 101), indexHeader()},
		{"frame too small", indexOf(3, 100, 90, 4, 190, 10), indexHeader()},
		{"size that overflows", indexOf(3, 100, 1<<63), indexHeader()},
		{"offset that overflows", indexOf(3, 1<<64-1, 100), indexHeader()},
		{"number not in shortest form", []byte{3 | 0x80, 0, 100, 100, 0}, indexHeader()},
		{"number beyond 64 bits", append(bytes.Repeat([]byte{0xff}, 9), 2), indexHeader()},
		{"number without end", bytes.Repeat([]byte{0xff}, 100), indexHeader()},
		{"snapshot with a gap", indexOf(3, 100, 100), snapshot},
	} {
		_, err := readIndex(bytes.NewReader(tt.index), int64(len(tt.index)), 200, tt.header)
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: got %v, want ErrCorrupt", tt.name, err)
		}
	}
}

func TestReadIndexFrameTooLarge(t *testing.T) {
	h := indexHeader()
	h.PageSize = 512
	b := indexOf(3, 100, 5000)
	if _, err := readIndex(bytes.NewReader(b), int64(len(b)), 5100, h); !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v, want ErrCorrupt", err)
	}
}

func TestReadIndexReaderFails(t *testing.T) {
	want := errors.New("reset")
	if _, err := readIndex(iotest.ErrReader(want), 10, 200, indexHeader()); !errors.Is(err, want) ||
		errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v, want %v", err, want)
	}
}

func TestIndexLength(t *testing.T) {
	for n, want := range map[uint64]bool{0: false, 1: true, 70: true, 71: false, 1 << 63: false, 1<<64 - 1: false} {
		_, err := indexLength(binary.BigEndian.AppendUint64(nil, n), MinFileSize+69)
		if got := err == nil; got != want {
			t.Errorf("%d: got %v, want valid: %t", n, err, want)
		}
	}
}

func FuzzPageIndex(f *testing.F) {
	f.Add(indexOf(3, 100, 20, 7, 120, 300, 20, 420, 11), int64(431))
	f.Add(indexOf(3, 100, 1<<63), int64(200))
	f.Add(bytes.Repeat([]byte{0xff}, 20), int64(200))
	f.Fuzz(func(t *testing.T, b []byte, end int64) {
		x, err := readIndex(bytes.NewReader(b), int64(len(b)), end, indexHeader())
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%v is of no kind", err)
			}
			return
		}
		var entries []uint64
		for i := range x.Len() {
			pgno, offset, size := x.At(i)
			entries = append(entries, uint64(pgno), uint64(offset), uint64(size))
		}
		if got := indexOf(entries...); !bytes.Equal(got, b) {
			t.Fatalf("%x passes, but is written %x", b, got)
		}
	})
}
