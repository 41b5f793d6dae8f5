package file

import (
	"context"
	"io/fs"
	"iter"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/replctl/replicate/internal/ordered"
)

// lstat is how a listing looks at a file; tests count.
var lstat = lookAt

// look is what a listing finds out about a file.
type look struct {
	size    int64
	modTime time.Time
	mode    fs.FileMode // the type only
	err     error
}

func lookOf(fi fs.FileInfo) look {
	return look{size: fi.Size(), modTime: fi.ModTime(), mode: fi.Mode().Type()}
}

// A listing looks at its files in batches, while the caller has the ones before. The
// first batches are small: whoever wants the first file need not wait for, or pay
// for, many others.
const maxBatch = 256

// batchesAhead is how many of them are there or under way at a time: the caller's,
// who is soon done with it, and one for each processor.
func batchesAhead() int { return 1 + min(3, runtime.GOMAXPROCS(0)) }

// batch is a part of a listing, with what there is to say of each file.
type batch struct {
	keys  []string
	looks []look
}

var batches = sync.Pool{New: func() any { return &batch{looks: make([]look, 0, maxBatch)} }}

// done hands back the memory.
func (b *batch) done() { batches.Put(b) }

// inBatches yields keys in parts of 1, 1, 2, 4 and so on up to maxBatch.
func inBatches(keys []string) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		for from := 0; from < len(keys); {
			to := min(from+max(1, min(from, maxBatch)), len(keys))
			if !yield(keys[from:to], nil) {
				return
			}
			from = to
		}
	}
}

// lookAhead yields the keys, which are in dir, with what there is to say of those
// that are files.
func (l *lister) lookAhead(dir *os.Root, d *os.File, prefix string, keys []string) iter.Seq2[*batch, error] {
	return ordered.Map(l.ctx, batchesAhead(), inBatches(keys), func(ctx context.Context, keys []string) (*batch, error) {
		b := batches.Get().(*batch)
		b.keys, b.looks = keys, b.looks[:0]
		for _, key := range keys {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			var found look
			if !strings.HasSuffix(key, "/") {
				found = l.look(dir, d, key, prefix)
			}
			b.looks = append(b.looks, found)
		}
		return b, nil
	})
}

// look looks at one file, or at what a link to it leads to. What is no file has no size.
func (l *lister) look(dir *os.Root, d *os.File, key, prefix string) look {
	found, err := lstat(d, dir, key[len(prefix):])
	if err != nil {
		return look{err: err}
	}
	if found.mode&fs.ModeSymlink != 0 {
		if fi, err := l.root.Stat(key); err == nil { // it may lead out of dir, not of root
			found = lookOf(fi)
		}
	}
	if !found.mode.IsRegular() {
		found.size = 0
	}
	return found
}
