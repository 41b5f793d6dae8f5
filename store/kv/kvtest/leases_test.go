package kvtest

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/store/kv"
)

// testLostKeepAlive: a holder that cannot renew its lease any more is told, and its
// Release says so, though the records are gone then.
func testLostKeepAlive(t *testing.T, h engine) {
	open := h.records(t)
	patiently(t, func(ttl time.Duration) error {
		holder := newMortal(open())
		s := h.on(t, holder)
		l := newLease(t, s, ttl, true).(kept)
		id := l.(kv.Lease).Id()
		key := kv.Key(ttl.String())
		if _, err := s.Create(t.Context(), kv.Record{Key: key, Lease: id}); err != nil {
			return err
		}
		if l.Err() != nil {
			return l.Err()
		}
		holder.dead.Store(true)
		select {
		case <-l.Done():
		case <-time.After(time.Minute):
			t.Fatal("nobody tells the holder that its lease is lost")
		}
		holder.dead.Store(false)
		err := l.(kv.Lease).Release()
		if !errors.Is(l.Err(), kv.ErrLeaseLost) || !errors.Is(err, kv.ErrLeaseLost) {
			t.Errorf("the holder is told %v, and Release returns %v", l.Err(), err)
		}
		wantNone(t, h.on(t, open()), key)
		return nil
	})
}

// testCrashTogether: and so they do when its holder cannot be heard of any more.
func testCrashTogether(t *testing.T, h engine) {
	open := h.records(t)
	patiently(t, func(ttl time.Duration) error {
		holder := newMortal(open())
		l := newLease(t, h.on(t, holder), ttl, true)
		if err := leased(t.Context(), h.on(t, open()), l, together); err != nil {
			return err
		}
		watched := watchRange(t, func() kv.Storage { return h.on(t, open()) }, l)
		if !watched.see(t, together) {
			watched.wantEnd(t)
			return errors.New("the lease was over before it was seen")
		}
		holder.dead.Store(true)
		watched.wantEnd(t)
		return nil
	})
}

// newMortal is a store whose leases cannot be written any more once it is dead.
func newMortal(s cas.Store) *mortal {
	m := new(mortal)
	m.Faulty = &castest.Faulty{Store: s, Decide: func(op, key string) castest.Fault {
		if m.dead.Load() && op == "write" && strings.HasPrefix(key, "kv/lease/") {
			return castest.FailBefore
		}
		return castest.None
	}}
	return m
}

type mortal struct {
	*castest.Faulty
	dead atomic.Bool
}
