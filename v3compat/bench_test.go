package v3compat

import (
	"bytes"
	"io"
	"slices"
	"testing"
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
