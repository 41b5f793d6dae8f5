package file

import (
	"os"
	"sync/atomic"
	"testing"
)

// CountStats counts how many files listings look at from now on.
func CountStats(tb testing.TB) *atomic.Int64 {
	var n atomic.Int64
	real := lstat
	lstat = func(d *os.File, dir *os.Root, name string) (look, error) {
		n.Add(1)
		return real(d, dir, name)
	}
	tb.Cleanup(func() { lstat = real })
	return &n
}
