package kvtest

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/kv"
)

// testWait: every change is seen by who waits for it, from the version that it has on.
func testWait(t *testing.T, h Harness) {
	open := h.handles(t)
	s, other := open(), open()
	_, err := s.WaitForVersionChange(t.Context(), "k", 0)
	wantIs(t, "waiting for nothing", err, kv.ErrNotFound)
	v := create(t, s, "k", "0", kv.NoLeaseId)
	if r, err := s.WaitForVersionChange(t.Context(), "k", v-1); err != nil || r == nil || r.Version != v {
		t.Errorf("of another version: got %+v, %v", r, err)
	}
	for range max(4, h.rounds(20)) {
		go func() { _, _ = other.CasByVersion(t.Context(), kv.Record{Key: "k", Value: []byte("x"), Version: v}) }()
		r, err := s.WaitForVersionChange(t.Context(), "k", v)
		if err != nil || r == nil || r.Version != v+1 || string(r.Value) != "x" || r.Key != "k" {
			t.Fatalf("version %d was replaced: got %+v, %v", v, r, err)
		}
		v = r.Version
	}
}

// testWaitForEnd: who waits while the record is deleted, or its lease released, gets
// neither a record nor an error.
func testWaitForEnd(t *testing.T, h Harness) {
	open := h.New(t)
	s := on(t, open())
	l := newLease(t, s, time.Minute, true)
	for key, c := range map[string]struct {
		lease kv.LeaseId
		end   func(context.Context) error
	}{
		"deleted":  {kv.NoLeaseId, func(ctx context.Context) error { return s.Delete(ctx, "deleted") }},
		"released": {l.Id(), l.Release},
	} {
		v := create(t, s, key, "x", c.lease)
		store := &lookedAt{Store: open(), again: make(chan struct{})}
		go func() {
			<-store.again
			_ = c.end(context.Background())
		}()
		if r, err := on(t, store).WaitForVersionChange(t.Context(), key, v); err != nil || r != nil {
			t.Errorf("it was %s: got %+v, %v, want neither", key, r, err)
		}
	}
}

// testWaitIsTold: on a store that tells of changes nobody waits for the next look,
// which would be tomorrow.
func testWaitIsTold(t *testing.T, h Harness) {
	open := h.New(t)
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
	go func() {
		<-store.again
		_, _ = other.CasByVersion(context.Background(), kv.Record{Key: "k", Value: []byte("y"), Version: v})
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if r, err := s.WaitForVersionChange(ctx, "k", v); err != nil || r == nil || r.Version != v+1 {
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

func testWaitEnds(t *testing.T, h Harness) {
	s := h.handles(t)()
	v := create(t, s, "k", "x", kv.NoLeaseId)
	why := errors.New("why it ends")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer time.AfterFunc(50*time.Millisecond, func() { cancel(why) }).Stop()
	if r, err := s.WaitForVersionChange(ctx, "k", v); r != nil || !errors.Is(err, why) {
		t.Errorf("got %+v, %v, want the cause of the context's end", r, err)
	}
}
