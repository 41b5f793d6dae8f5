package kvtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/replctl/replicate/store/kv"
)

func testLeases(t *testing.T, h Harness) {
	open := h.New(t)
	l, other := newLease(t, open(), time.Minute, false), newLease(t, open(), time.Hour, true)
	if l.Id() <= kv.NoLeaseId || l.Id() == other.Id() {
		t.Errorf("leases %d and %d", l.Id(), other.Id())
	}
	found, err := open().Lessor().GetLease(l.Id())
	if err != nil || found.Id() != l.Id() {
		t.Fatalf("GetLease: got %+v, %v", found, err)
	}
	for name, l := range map[string]kv.Lease{"made": l, "found": found} {
		if ttl := l.TTL(); ttl <= 0 || ttl > time.Minute {
			t.Errorf("a lease of a minute expires in %v where it was %s", ttl, name)
		}
	}
	if ttl := other.TTL(); ttl <= time.Minute || ttl > time.Hour {
		t.Errorf("a lease of an hour expires in %v", ttl)
	}
	v := create(t, open(), "k", "one", l.Id())
	want := kv.Record{Key: "k", Value: []byte("one"), Version: v, Lease: l.Id()}
	wantRecord(t, open(), want)
	_, err = open().Create(t.Context(), kv.Record{Key: "k", Lease: other.Id()})
	wantIs(t, "Create of what is there", err, kv.ErrAlreadyExists)
	want.Value = []byte("two") // and the lease stays
	again := kv.Record{Key: "k", Value: want.Value, Version: v, Lease: other.Id()}
	if want.Version, err = open().CasByVersion(t.Context(), again); err != nil {
		t.Errorf("CasByVersion with another lease: %v", err)
	}
	wantRecord(t, open(), want)
	wantKeys(t, open(), "", "", "k")
}

func testNoLease(t *testing.T, h Harness) {
	s := h.New(t)()
	for _, id := range []kv.LeaseId{-1, kv.NoLeaseId, 1, math.MaxInt64} {
		_, err := s.Lessor().GetLease(id)
		wantIs(t, fmt.Sprintf("GetLease(%d)", id), err, kv.ErrNotFound)
	}
	_, err := s.Create(t.Context(), kv.Record{Key: "k", Lease: 1})
	wantIs(t, "Create with no such lease", err, kv.ErrNotFound)
	_, err = s.Create(t.Context(), kv.Record{Key: "k", Lease: -1})
	wantIs(t, "Create with a lease of -1", err, kv.ErrNotFound)
	wantNone(t, s, "k")
	for _, ttl := range []time.Duration{-1, 0, kv.MinTTL - 1, kv.MaxTTL + 1} {
		if _, err := s.Lessor().NewLease(t.Context(), ttl, false); err == nil {
			t.Errorf("a lease of %v", ttl)
		}
	}
}

// kept is what a lease may offer besides, as that of a kv.Store does.
type kept interface {
	Done() <-chan struct{}
	Err() error
}

// testRelease: by whoever knows the lease, also while it is kept alive; and what
// happens to its records then.
func testRelease(t *testing.T, h Harness) {
	open := h.New(t)
	for name, keepAlive := range map[kv.Key]bool{"kept": true, "left": false} {
		l := newLease(t, open(), time.Minute, keepAlive)
		v := create(t, open(), name, "x", l.Id())
		reader := open()
		wantRecord(t, reader, kv.Record{Key: name, Value: []byte("x"), Version: v, Lease: l.Id()})
		found, err := open().Lessor().GetLease(l.Id())
		if err != nil {
			t.Fatal(err)
		}
		_, tells := l.(kept)
		for i, l := range []kv.Lease{found, l, found} { // the second and the third find it done
			err := l.Release()
			lost := errors.Is(err, kv.ErrLeaseLost)
			if tells && lost != (keepAlive && i == 1) || err != nil && !lost {
				t.Fatalf("release %d of a lease that is %s: %v", i+1, name, err)
			}
			if ttl := l.TTL(); ttl != 0 && i != 1 {
				t.Errorf("a lease that was released expires in %v", ttl)
			}
			wantNone(t, reader, name)
		}
		_, err = open().Lessor().GetLease(l.Id())
		wantIs(t, "GetLease of one that has ended", err, kv.ErrNotFound)
		wantGone(t, open(), name, v, l.Id())
	}
}

// wantGone is what is true of a record whose lease has ended, as of one that was deleted.
func wantGone(t *testing.T, s kv.Storage, key kv.Key, v kv.Version, lease kv.LeaseId) {
	t.Helper()
	wantNone(t, s, key)
	wantKeys(t, s, key, key)
	wantIs(t, "Delete", s.Delete(t.Context(), key), kv.ErrNotFound)
	_, err := s.CasByVersion(t.Context(), kv.Record{Key: key, Version: v})
	wantIs(t, "CasByVersion", err, kv.ErrNotFound)
	_, err = s.WaitForVersionChange(t.Context(), key, v)
	wantIs(t, "WaitForVersionChange", err, kv.ErrNotFound)
	_, err = s.Create(t.Context(), kv.Record{Key: key, Lease: lease})
	wantIs(t, "Create with the lease that has ended", err, kv.ErrNotFound)
	if again := create(t, s, key, "again", kv.NoLeaseId); again <= v {
		t.Errorf("version %d after %d", again, v)
	}
	wantKeys(t, s, key, key, key)
}

func testExpiry(t *testing.T, h Harness) {
	open := h.New(t)
	patiently(t, func(ttl time.Duration) error {
		l, err := open().Lessor().NewLease(t.Context(), ttl, false)
		if err != nil {
			return err
		}
		key := kv.Key(ttl.String())
		v, err := open().Create(t.Context(), kv.Record{Key: key, Lease: l.Id()})
		if err != nil {
			return err
		}
		s := open()
		eventually(t, "the record of a lease that has expired is gone", func() bool {
			_, err = s.Get(t.Context(), key)
			return err != nil
		})
		wantGone(t, open(), key, v, l.Id())
		return nil
	})
}

// testKeepAlive: a lease that is kept alive outlives its TTL.
func testKeepAlive(t *testing.T, h Harness) {
	open := h.New(t)
	patiently(t, func(ttl time.Duration) error {
		s := open()
		l := newLease(t, s, ttl, true)
		if _, err := s.Create(t.Context(), kv.Record{Key: kv.Key(ttl.String()), Lease: l.Id()}); err != nil {
			return err
		}
		reader := open()
		for end := time.Now().Add(2 * ttl); time.Now().Before(end); time.Sleep(ttl / 10) {
			if _, err := reader.Get(t.Context(), kv.Key(ttl.String())); err != nil {
				return err
			}
		}
		return nil
	})
}

// leased makes n records with one lease.
func leased(ctx context.Context, s kv.Storage, l kv.Lease, n int) error {
	for i := range n {
		if _, err := s.Create(ctx, kv.Record{Key: kv.Key(fmt.Sprintf("%d/%03d", l.Id(), i)), Lease: l.Id()}); err != nil {
			return err
		}
	}
	return nil
}

const together = 100

// testVanishTogether: when a lease is released, its records vanish at one instant.
func testVanishTogether(t *testing.T, h Harness) {
	open := h.New(t)
	l := newLease(t, open(), time.Minute, true)
	if err := leased(t.Context(), open(), l, together); err != nil {
		t.Fatal(err)
	}
	watched := watchRange(t, open, l)
	watched.see(t, together)
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	watched.ended.Store(true)
	watched.wantEnd(t)
}
