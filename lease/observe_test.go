package lease_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/lease"
)

// TestObservers: each observer is told, until it stops; a session is one of them, and
// stops when it ends.
func TestObservers(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		c := newContender(store, "me")
		var mine, other []lease.EventKind
		c.Observe(func(e lease.Event) { mine = append(mine, e.Kind) })
		stop := c.Observe(func(e lease.Event) { other = append(other, e.Kind) })
		for range 2 {
			s := c.acquire(t)
			stop()
			c.script(func(_ context.Context, write func() (cas.Written, error)) (cas.Written, error) {
				c.script(nil)
				return cas.Written{}, errors.Join(cas.ErrIndeterminate, func() error { _, err := write(); return err }())
			})
			release(t, s)
		}
		k := func(kinds ...lease.EventKind) []lease.EventKind { return kinds }
		of := k(lease.EventAcquired, lease.EventAmbiguous, lease.EventRecovered, lease.EventReleased)
		if diff := cmp.Diff(append(of, of...), mine); diff != "" {
			t.Errorf("the leaser's observer (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(k(lease.EventAcquired), other); diff != "" {
			t.Errorf("the observer that stopped (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(append(of, of...), c.kinds()); diff != "" {
			t.Errorf("the sessions' observer (-want +got):\n%s", diff)
		}
	})
}

// TestWaitingIsToldOnce for each holder, with its generation, however often it renews.
func TestWaitingIsToldOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		first, second := newContender(store, "holder"), newContender(store, "holder")
		s, next, waiter := first.acquire(t), make(chan *lease.Session, 1), newContender(store, "waiter")
		waiter.opts.PollEvery = 100 * time.Millisecond
		time.AfterFunc(2*sessionTTL, func() {
			release(t, s)
			next <- second.acquire(t)
		})
		ctx, cancel := context.WithTimeout(t.Context(), 4*sessionTTL)
		defer cancel()
		_, err := lease.Acquire(ctx, waiter, waiter.opts)
		var exists *replicate.LeaseExistsError
		if !errors.As(err, &exists) || exists.Generation != 2 {
			t.Errorf("Acquire: got %v, want that generation 2 is held", err)
		}
		var waited []int64
		for _, e := range waiter.events {
			if e.Kind == lease.EventWaiting {
				waited = append(waited, e.Lease.Generation)
			}
		}
		if diff := cmp.Diff([]int64{1, 2}, waited); diff != "" {
			t.Errorf("generations waited for (-want +got):\n%s", diff)
		}
		release(t, <-next)
	})
}

// TestWaitingForAStore that is away is told once, and the holder once more after it.
func TestWaitingForAStore(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		mustAcquire(t, newContender(store, "crashed"))
		start, me := time.Now(), newContender(store, "me")
		me.onRead = func(_ context.Context, read func() (cas.Record, error)) (cas.Record, error) {
			if at := time.Since(start); at > 5*time.Second && at < 15*time.Second {
				return cas.Record{}, errors.New("away")
			}
			return read()
		}
		s, err := lease.Acquire(t.Context(), me, me.opts)
		if err != nil {
			t.Fatal(err)
		}
		release(t, s)
		want := []lease.EventKind{lease.EventWaiting, lease.EventWaiting, lease.EventWaiting,
			lease.EventAcquired, lease.EventReleased}
		if diff := cmp.Diff(want, me.kinds()); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}
