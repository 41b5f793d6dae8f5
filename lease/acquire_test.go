package lease_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/lease"
)

// TestAcquireAfterRelease: a waiter looks about once a second, and so need not wait
// for the end of the lease.
func TestAcquireAfterRelease(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		start, s := time.Now(), newContender(store, "one").acquire(t)
		time.AfterFunc(5*time.Second, func() { release(t, s) })
		two := newContender(store, "two")
		next, err := lease.Acquire(t.Context(), two, two.opts)
		if err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(start); waited < 5*time.Second || waited > 6*time.Second {
			t.Errorf("acquired after %v, want within a second of the release after 5s", waited)
		}
		if next.Generation() != 2 {
			t.Errorf("generation %d, want 2", next.Generation())
		}
		release(t, next)
	})
}

// TestAcquireAfterExpiry: the next look is just after the end of the lease.
func TestAcquireAfterExpiry(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		if _, err := newContender(store, "crashed").AcquireLease(t.Context()); err != nil {
			t.Fatal(err)
		}
		start, me := time.Now(), newContender(store, "me")
		me.opts.PollEvery = time.Hour
		s, err := lease.Acquire(t.Context(), me, me.opts)
		if err != nil {
			t.Fatal(err)
		}
		if got := time.Since(start); got != sessionTTL+time.Millisecond {
			t.Errorf("acquired after %v, want just after %v", got, sessionTTL)
		}
		release(t, s)
	})
}

// TestWaiting costs a read every half to whole second, without the record unless it
// has changed, and nothing else.
func TestWaiting(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		s := newContender(store, "holder").acquire(t)
		waiter := newContender(store, "waiter")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := lease.Acquire(ctx, waiter, waiter.opts); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Acquire: got %v, want that it timed out", err)
		}
		reads, unchanged, writes := waiter.counts()
		if reads < 60 || reads > 121 || writes != 0 {
			t.Errorf("%d reads and %d writes in a minute", reads, writes)
		}
		// The holder has renewed five or six times.
		if fetched := reads - unchanged; fetched > 7 {
			t.Errorf("the record was fetched %d times", fetched)
		}
		release(t, s)
	})
}

// TestRequests: what it costs to acquire, to lose a contest, to renew and to release.
func TestRequests(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		c, other := newContender(store, "me"), newContender(store, "other")
		var reads, writes int
		want := func(what string, of *contender, wantReads, wantWrites int) {
			t.Helper()
			r, _, w := of.counts()
			if r-reads != wantReads || w-writes != wantWrites {
				t.Errorf("%s: %d reads and %d writes, want %d and %d", what, r-reads, w-writes, wantReads, wantWrites)
			}
			reads, writes = r, w
		}
		s := c.acquire(t)
		want("acquire", c, 1, 1)
		time.Sleep(sessionTTL/3 + time.Second)
		want("renew", c, 0, 1)
		reads, writes = 0, 0
		if _, err := lease.TryAcquire(t.Context(), other, other.opts); err == nil {
			t.Error("held twice")
		}
		want("contended", other, 1, 0)
		reads, writes = 1, 2
		release(t, s)
		want("release", c, 0, 1)
	})
}

// TestAcquireGivesUp: what waiting cannot mend, and a store that cannot be reached at
// first, is an error at once.
func TestAcquireGivesUp(t *testing.T) {
	unreachable := errors.New("no route")
	for name, c := range map[string]struct {
		record string
		read   error
		want   error
	}{
		"corrupt":     {"nonsense", nil, replicate.ErrLeaseCorrupt},
		"unreachable": {"", unreachable, unreachable},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *cas.Memory) {
				if _, err := store.Write(t.Context(), lease.DefaultFile, []byte(c.record), ""); err != nil {
					t.Fatal(err)
				}
				start, me := time.Now(), newContender(store, "me")
				if c.read != nil {
					me.onRead = func(context.Context, func() (cas.Record, error)) (cas.Record, error) { return cas.Record{}, c.read }
				}
				if _, err := lease.Acquire(t.Context(), me, me.opts); !errors.Is(err, c.want) || time.Since(start) != 0 {
					t.Errorf("Acquire: got %v after %v, want %v at once", err, time.Since(start), c.want)
				}
			})
		})
	}
}

// TestAcquireOutlastsFailures: once there was contact, the store may be away.
func TestAcquireOutlastsFailures(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		if _, err := newContender(store, "crashed").AcquireLease(t.Context()); err != nil {
			t.Fatal(err)
		}
		start, me := time.Now(), newContender(store, "me")
		me.onRead = func(_ context.Context, read func() (cas.Record, error)) (cas.Record, error) {
			if at := time.Since(start); at > 10*time.Second && at < 50*time.Second {
				return cas.Record{}, errors.New("away")
			}
			return read()
		}
		s, err := lease.Acquire(t.Context(), me, me.opts)
		if err != nil {
			t.Fatal(err)
		}
		if got := time.Since(start); got < 50*time.Second || got > 51*time.Second {
			t.Errorf("acquired after %v", got)
		}
		release(t, s)
	})
}

// TestAcquiredTooLate: a lease that is over by the time that it is there is given
// back, so that nobody waits for it.
func TestAcquiredTooLate(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		c := newContender(store, "me")
		c.script(func(_ context.Context, write func() (cas.Written, error)) (cas.Written, error) {
			defer time.Sleep(28 * time.Second)
			c.script(nil)
			return write()
		})
		if _, err := lease.TryAcquire(t.Context(), c, c.opts); !errors.Is(err, lease.ErrLost) {
			t.Errorf("TryAcquire: got %v, want ErrLost", err)
		}
		if kinds := c.kinds(); len(kinds) != 0 {
			t.Errorf("events %v of a session that never was", kinds)
		}
		wantFree(t, store, 2)
	})
}
