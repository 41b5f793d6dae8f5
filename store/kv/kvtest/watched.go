package kvtest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/replctl/replicate/store/kv"
)

// watched is the records of one lease under the eyes of several readers, each with a
// handle of its own, that list and get them all the time.
type watched struct {
	seen    atomic.Int64 // records in the fullest listing
	ended   atomic.Bool  // somebody was told that the lease has ended
	readers sync.WaitGroup
}

func watchRange(t *testing.T, open func() kv.Storage, l kv.Lease) *watched {
	w := new(watched)
	prefix := kv.Key(fmt.Sprintf("%d/", l.Id()))
	for range 2 {
		w.readers.Go(func() {
			for s := open(); w.look(t, func() (int, error) {
				records, err := s.GetRange(t.Context(), prefix, prefix+"~")
				return len(records), err
			}); {
			}
		})
	}
	return w
}

// look lists once and reports whether to go on. After one reader has been
// shown nothing, every later listing must show nothing.
func (w *watched) look(t *testing.T, list func() (int, error)) bool {
	ended := w.ended.Load()
	n, err := list()
	switch {
	case err != nil:
		t.Errorf("GetRange: %v", err)
	case n != 0 && n != together:
		t.Errorf("GetRange shows %d of %d records of one lease", n, together)
	case n != 0 && ended:
		t.Error("GetRange shows records of a lease that was seen to have ended")
	case n == 0:
		w.ended.Store(true)
	}
	w.seen.Store(max(w.seen.Load(), int64(n)))
	return n == together && err == nil
}

// see waits until n records have been seen, and reports whether they were before the
// lease ended.
func (w *watched) see(t *testing.T, n int64) bool {
	t.Helper()
	eventually(t, "a listing", func() bool { return w.seen.Load() == n || w.ended.Load() })
	return w.seen.Load() == n
}

// wantEnd waits until every reader is shown nothing.
func (w *watched) wantEnd(t *testing.T) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		w.readers.Wait()
		close(done)
	}()
	eventually(t, "every reader sees that the records are gone", func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	})
}
