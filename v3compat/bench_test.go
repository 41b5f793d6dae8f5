package v3compat

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/scratch"
	"github.com/replctl/replicate/internal/sqlitewal"
)

func BenchmarkWALSegments10000(b *testing.B) {
	r := New(manySegments(b, 10_000))
	b.ReportAllocs()
	for b.Loop() {
		if segments, err := r.WALSegments(b.Context(), genID); err != nil || len(segments) != 10_000 {
			b.Fatalf("%d segments, %v", len(segments), err)
		}
	}
}

func BenchmarkLZ4Read(b *testing.B) {
	data := slices.Concat(text(24<<20), noise(8<<20))
	object := compress(b, data)
	for name, size := range map[string]int{"buffer=32KiB": 32 << 10, "buffer=4MiB": 4 << 20} {
		b.Run(name, func(b *testing.B) {
			buf := make([]byte, size)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				r := newFrameReader(testKey, io.NopCloser(bytes.NewReader(object)))
				n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, buf)
				if err != nil || n != int64(len(data)) {
					b.Fatalf("%d bytes, %v", n, err)
				}
				r.Close()
			}
		})
	}
}

// BenchmarkRestore is all of a restore but reading and writing: 64 MiB of
// snapshot, and 32 MiB of log in two segments. The rate is that of both.
func BenchmarkRestore(b *testing.B) {
	const pages = 16 << 10
	h := sqlitewal.Header{PageSize: 4096}
	chain := sqlitewal.NewChain(h)
	half := slices.Concat(text(2048), noise(2048))
	db := bytes.Repeat(half, pages)
	copy(db, dbMagic)
	db[16], db[17] = 0x10, 0
	log := h.Append(nil)
	for i := range uint32(pages / 2) {
		log = chain.Append(log, sqlitewal.Frame{Pgno: 2 + i*7%pages, Commit: pages, Data: half})
	}
	cut := 32 + len(log)/2/h.FrameSize()*h.FrameSize()
	s := &small{store: blob.NewMemory()}
	s.put(b, SnapshotKey(genID, 0), db)
	s.put(b, WALSegmentKey(genID, 0, 0), log[:cut])
	s.put(b, WALSegmentKey(genID, 0, int64(cut)), log[cut:])
	r := New(s.store)
	plan, err := r.Plan(b.Context(), Target{})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(db) + len(log)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Restore(b.Context(), plan, scratch.Discard{}, RestoreOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
