package file

import (
	"io/fs"
	"os"
	"sync/atomic"
	"testing"
)

// CountStats counts how many files listings look at from now on.
func CountStats(tb testing.TB) *atomic.Int64 {
	var n atomic.Int64
	real := lstat
	lstat = func(dir *os.Root, name string) (fs.FileInfo, error) {
		n.Add(1)
		return real(dir, name)
	}
	tb.Cleanup(func() { lstat = real })
	return &n
}
