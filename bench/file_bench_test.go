package bench

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/ltx"
)

// BenchmarkFileList lists 100,000 files: all, up to the first item, and from a
// seek to the last ten. Litestream's client does not sort.
func BenchmarkFileList(b *testing.B) {
	const n = 100_000
	dir := b.TempDir()
	level := filepath.Join(dir, filepath.FromSlash(ltx.LayoutFile.LevelPrefix(0)))
	if err := os.MkdirAll(level, 0o700); err != nil {
		b.Fatal(err)
	}
	for txid := ltx.TXID(1); txid <= n; txid++ {
		if err := os.WriteFile(filepath.Join(level, ltx.FormatName(txid, txid)), nil, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for _, bc := range []struct {
		name string
		seek ltx.TXID
		want int
	}{{"Full", 0, n}, {"FirstItem", 0, 1}, {"LastTen", n - 9, 10}} {
		for name, open := range clients {
			b.Run(bc.name+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				c := open(dir)
				for b.Loop() {
					itr, err := c.LTXFiles(b.Context(), 0, bc.seek, false)
					if err != nil {
						b.Fatal(err)
					}
					got := 0
					for got < bc.want && itr.Next() {
						got++
					}
					if err := itr.Close(); err != nil || got != bc.want {
						b.Fatalf("%d files, %v", got, err)
					}
				}
			})
		}
	}
}

// BenchmarkFileWrite writes a small file durably with either client in turn, as
// most of it is the disk's time, which is never twice the same.
func BenchmarkFileWrite(b *testing.B) {
	data := ltxFile(1, 1, 4000)
	ours, theirs := clients["ours"](b.TempDir()), clients["litestream"](b.TempDir())
	write := func(c replicate.ReplicaClient) time.Duration {
		start := time.Now()
		if _, err := c.WriteLTXFile(b.Context(), 0, 1, 1, bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}
	var a, l time.Duration
	for b.Loop() {
		a += write(ours)
		l += write(theirs)
	}
	b.ReportMetric(float64(a)/float64(b.N), "ours-ns/op")
	b.ReportMetric(float64(l)/float64(b.N), "litestream-ns/op")
	b.ReportMetric(float64(a)/float64(l), "x-litestream")
}
