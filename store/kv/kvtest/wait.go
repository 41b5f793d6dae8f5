package kvtest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
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
// neither a record nor an error.
func testWaitForEnd(t *testing.T, h Harness) {
	var s kv.Storage
	// waiter returns another handle, and a channel that is closed when it waits, as far as that shows.
	var waiter func() (kv.Storage, <-chan struct{})
	if h.Records != nil {
		open := h.Records(t)
		s, waiter = on(t, open()), func() (kv.Storage, <-chan struct{}) {
			store := &lookedAt{Store: open(), again: make(chan struct{})}
			return on(t, store), store.again
		}
	} else {
		open, now := h.New(t), make(chan struct{})
		close(now)
		s, waiter = open(), func() (kv.Storage, <-chan struct{}) { return open(), now }
	}
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
		if h.Records == nil && errors.Is(err, kv.ErrNotFound) {
			err = nil
		}
		if err != nil || r.Version != 0 || r.Key != "" || r.Value != nil {
			t.Errorf("it was %s: got %+v, %v, want neither", key, r, err)
		}
	}
}

// testWaitIsTold: on a store that tells of changes nobody waits for the next look,
// which would be tomorrow.
func testWaitIsTold(t *testing.T, h Harness) {
	open := h.Records(t)
	if _, ok := open().(cas.Notifier); !ok {
		return
	}
	other := on(t, open())
	v := create(t, other, "k", "x", kv.NoLeaseId)
	store := &lookedAt{Store: open(), again: make(chan struct{})}
	s, err := kv.New(store, kv.Options{PollEvery: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer later(store.again, func() {
		_, _ = other.CasByVersion(context.Background(), kv.Record{Key: "k", Value: []byte("y"), Version: v})
	})()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if r, err := s.WaitForVersionChange(ctx, "k", v); err != nil || r.Version != v+1 {
		t.Errorf("got %+v, %v", r, err)
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

// lookedAt is a store that tells when records are read a second time: by who has read
// one, and waits.
type lookedAt struct {
	cas.Store
	reads atomic.Int64
	again chan struct{}
}

func (s *lookedAt) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	if strings.HasPrefix(key, "kv/record/") && s.reads.Add(1) == 2 {
		close(s.again)
	}
	return s.Store.Read(ctx, key, known)
}

// Notify implements cas.Notifier, as far as the store does.
func (s *lookedAt) Notify(ctx context.Context, prefix string) (<-chan struct{}, error) {
	if n, ok := s.Store.(cas.Notifier); ok {
		return n.Notify(ctx, prefix)
	}
	return nil, errors.ErrUnsupported
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

// testWaitInFlight: that is the error, too, when the store is being read, and the engine
// calls the end of the context something else.
func testWaitInFlight(t *testing.T, h Harness) {
	open := h.Records(t)
	v := create(t, on(t, open()), "k", "x", kv.NoLeaseId)
	why := errors.New("why it ends")
	for reads := range 3 {
		ctx, cancel := context.WithCancelCause(t.Context())
		n := 0
		s := on(t, &castest.Faulty{Store: open(), Decide: func(op, _ string) castest.Fault {
			if op != "read" {
				return castest.None
			}
			if n++; n > reads {
				cancel(why)
				return castest.FailBefore
			}
			return castest.None
		}})
		if r, err := s.WaitForVersionChange(ctx, "k", v); r.Key != "" || !errors.Is(err, why) {
			t.Errorf("in read %d: got %+v, %v, want the cause of the context's end", reads+1, r, err)
		}
		cancel(nil)
	}
}
