package kvtest

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/store/kv"
)

// testWaitSeesEnd: a waiter that waits when the record ends gets no error at all.
func testWaitSeesEnd(t *testing.T, h engine) {
	open := h.records(t)
	waitForEnd(t, h.on(t, open()), func() (kv.Storage, <-chan struct{}) {
		store := &lookedAt{Store: open(), again: make(chan struct{})}
		return h.on(t, store), store.again
	}, nil)
}

// testWaitIsTold: on a store that tells of changes nobody waits for the next look,
// which would be tomorrow.
func testWaitIsTold(t *testing.T, h engine) {
	open := h.records(t)
	if _, ok := open().(cas.Notifier); !ok {
		return
	}
	other := h.on(t, open())
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

// testWaitInFlight: that is the error, too, when the store is being read, and the engine
// calls the end of the context something else.
func testWaitInFlight(t *testing.T, h engine) {
	open := h.records(t)
	v := create(t, h.on(t, open()), "k", "x", kv.NoLeaseId)
	why := errors.New("why it ends")
	for reads := range 3 {
		ctx, cancel := context.WithCancelCause(t.Context())
		n := 0
		s := h.on(t, &castest.Faulty{Store: open(), Decide: func(op, _ string) castest.Fault {
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
