package ltx

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	sltx "github.com/superfly/ltx"
)

// benchmarkFile is a snapshot of a database of 64 MiB, in a file.
func benchmarkFile(b *testing.B) (*FileInfo, OpenFunc) {
	b.Helper()
	path := filepath.Join(b.TempDir(), "snapshot.ltx")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	s := snapshotSpec(4096, 64<<20/4096, 1, HeaderFlagNoChecksum)
	r, err := WriteSnapshot(f, snapshotOptions(s), func(pgno uint32, buf []byte) error {
		copy(buf, s.page(pgno))
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	open := func(context.Context, *FileInfo, int64, int64) (io.ReadCloser, error) { return os.Open(path) }
	return &FileInfo{Level: SnapshotLevel, MinTXID: 1, MaxTXID: 1, Size: r.Bytes}, open
}

func BenchmarkApply(b *testing.B) {
	info, open := benchmarkFile(b)
	db, err := os.Create(filepath.Join(b.TempDir(), "db"))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	b.SetBytes(64 << 20)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Apply(b.Context(), []*FileInfo{info}, open, db, ApplyOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStream(b *testing.B) {
	info, open := benchmarkFile(b)
	b.SetBytes(64 << 20)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Stream(b.Context(), []*FileInfo{info}, open, io.Discard, ApplyOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWriteSnapshot(b *testing.B) {
	s := snapshotSpec(4096, 64<<20/4096, 1, HeaderFlagNoChecksum)
	page := s.page(1)
	b.Run("ours", func(b *testing.B) {
		b.SetBytes(64 << 20)
		b.ReportAllocs()
		for b.Loop() {
			_, err := WriteSnapshot(io.Discard, snapshotOptions(s), func(_ uint32, buf []byte) error {
				copy(buf, page)
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("superfly", func(b *testing.B) {
		b.SetBytes(64 << 20)
		b.ReportAllocs()
		for b.Loop() {
			enc, err := sltx.NewEncoder(io.Discard)
			if err == nil {
				err = enc.EncodeHeader(s.header)
			}
			for i := 0; err == nil && i < len(s.pages); i++ {
				err = enc.EncodePage(sltx.PageHeader{Pgno: s.pages[i]}, page)
			}
			if err == nil {
				err = enc.Close()
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
