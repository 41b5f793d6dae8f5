package history

import (
	"bytes"
	"context"
	"sync"

	"github.com/replctl/replicate/sqlite"
)

// reading is the database of a step, and the pages that were read of it: an answer that was read from
// it is the same as long as none of these changes. It is a sqlite.View.
type reading struct {
	db       sqlite.View
	pageSize int64

	mu    sync.Mutex
	pages map[uint32]bool
	size  int64
	first []byte // page 1, but for what every transaction may change; nil if that counts too
}

func newReading(s *step) *reading {
	return &reading{db: s.db, pageSize: int64(s.pageSize), pages: map[uint32]bool{}, size: s.db.Size()}
}

// newLookup is a reading whose answer does not depend on the size of the database, nor on its free
// pages.
func newLookup(s *step) (*reading, error) {
	r := newReading(s)
	var err error
	r.first, err = r.firstPage(s)
	return r, err
}

// firstPage is page 1 without the change counters, the size, the free list and the version of the
// library.
func (r *reading) firstPage(s *step) ([]byte, error) {
	page := make([]byte, s.pageSize)
	if _, err := s.db.ReadAt(page, 0); err != nil {
		return nil, err
	}
	clear(page[24:40])
	clear(page[92:100])
	return page, nil
}

// isStale reports whether what was read may be another at a step, whose database has a size. A nil
// reading is.
func (r *reading) isStale(s *step, size int64) (bool, error) {
	if r == nil || s.whole {
		return true, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first == nil && size != r.size {
		return true, nil
	}
	for _, pgno := range s.pages {
		if !r.pages[pgno] {
			continue
		}
		if pgno != 1 || r.first == nil {
			return true, nil
		}
		now, err := r.firstPage(s)
		if err != nil || !bytes.Equal(now, r.first) {
			return true, err
		}
	}
	return false, nil
}

// Size implements sqlite.View.
func (r *reading) Size() int64 { return r.size }

// ReadAt implements io.ReaderAt.
func (r *reading) ReadAt(p []byte, off int64) (int, error) {
	return r.ReadAtContext(context.Background(), p, off)
}

// ReadAtContext notes the pages.
func (r *reading) ReadAtContext(ctx context.Context, p []byte, off int64) (int, error) {
	r.mu.Lock()
	for at := off / r.pageSize; at*r.pageSize < off+int64(len(p)); at++ {
		r.pages[uint32(at)+1] = true
	}
	r.mu.Unlock()
	return readAt(ctx, r.db, p, off)
}

// readAt reads with a context, if the view takes one.
func readAt(ctx context.Context, v sqlite.View, p []byte, off int64) (int, error) {
	if v, ok := v.(interface {
		ReadAtContext(ctx context.Context, p []byte, off int64) (int, error)
	}); ok {
		return v.ReadAtContext(ctx, p, off)
	}
	return v.ReadAt(p, off)
}
