package kvtest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/replctl/replicate/store/kv"
)

// testWait: every change is seen by who waits for it, from the version that it has on.
func testWait(t *testing.T, h Harness) {
	open := h.New(t)
	s, other := open(), open()
	_, err := s.WaitForVersionChange(t.Context(), "k", 0)
	wantIs(t, "waiting for nothing", err, kv.ErrNotFound)
	v := create(t, s, "k", "0", kv.NoLeaseId)
	if r, err := s.WaitForVersionChange(t.Context(), "k", v-1); err != nil || r.Version != v {
		t.Errorf("of another version: got %+v, %v", r, err)
	}
	for range max(4, h.rounds(20)) {
		var change sync.WaitGroup
		change.Go(func() {
			_, _ = other.CasByVersion(t.Context(), kv.Record{Key: "k", Value: []byte("x"), Version: v})
		})
		r, err := s.WaitForVersionChange(t.Context(), "k", v)
		change.Wait()
		if err != nil || r.Version <= v || string(r.Value) != "x" || r.Key != "k" {
			t.Fatalf("version %d was replaced: got %+v, %v", v, r, err)
		}
		v = r.Version
	}
}

// testWaitForEnd: who waits while the record is deleted, or its lease released, gets
// neither a record nor an error. Whether it waits yet does not show: it may be too late.
func testWaitForEnd(t *testing.T, h Harness) {
	open, now := h.New(t), make(chan struct{})
	close(now)
	waitForEnd(t, open(), func() (kv.Storage, <-chan struct{}) { return open(), now }, kv.ErrNotFound)
}

// waitForEnd ends records when a waiter waits. The waiter is another handle with a channel
// that is closed when it waits; it may get the error tooLate.
func waitForEnd(t *testing.T, s kv.Storage, waiter func() (kv.Storage, <-chan struct{}), tooLate error) {
	l := newLease(t, s, time.Minute, true)
	for key, c := range map[kv.Key]struct {
		lease kv.LeaseId
		end   func() error
	}{
		"deleted":  {kv.NoLeaseId, func() error { return s.Delete(context.Background(), "deleted") }},
		"released": {l.Id(), l.Release},
	} {
		v := create(t, s, key, "x", c.lease)
		w, waits := waiter()
		end := later(waits, func() { _ = c.end() })
		r, err := w.WaitForVersionChange(t.Context(), key, v)
		end()
		if tooLate != nil && errors.Is(err, tooLate) {
			err = nil
		}
		if err != nil || r.Version != 0 || r.Key != "" || r.Value != nil {
			t.Errorf("it was %s: got %+v, %v, want neither", key, r, err)
		}
	}
}

// later calls fn when waits is closed. The function that it returns waits for the end of
// that, and does not wait for waits.
func later(waits <-chan struct{}, fn func()) (end func()) {
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-waits:
		case <-over:
		}
		fn()
	}()
	return func() {
		close(over)
		<-done
	}
}

func testWaitEnds(t *testing.T, h Harness) {
	s := h.New(t)()
	v := create(t, s, "k", "x", kv.NoLeaseId)
	why := errors.New("why it ends")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer time.AfterFunc(50*time.Millisecond, func() { cancel(why) }).Stop()
	if r, err := s.WaitForVersionChange(ctx, "k", v); r.Key != "" || !errors.Is(err, why) {
		t.Errorf("got %+v, %v, want the cause of the context's end", r, err)
	}
}
