package file_test

import (
	"testing"

	"github.com/replctl/replicate/ltx"
)

// BenchmarkList lists a level of 100,000 files: all of it, up to the first item,
// and the last ten.
func BenchmarkList(b *testing.B) {
	const n = 100_000
	c := plantLevel(b, b.TempDir(), n)
	for name, bc := range map[string]struct {
		seek ltx.TXID
		want int
	}{"Full": {0, n}, "FirstItem": {0, 1}, "LastTen": {n - 9, 10}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
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
