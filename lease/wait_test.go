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

// TestWaitIsBounded: a waiter gives up when Wait is over, also in the middle of a request,
// and names the holder all the same.
func TestWaitIsBounded(t *testing.T) {
	for name, hangsAfter := range map[string]time.Duration{"between requests": time.Hour,
		"in a request": 3 * time.Second} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *cas.Memory) {
				s := newContender(store, "holder").acquire(t)
				start, me := time.Now(), newContender(store, "me")
				me.onRead = func(ctx context.Context, read func() (cas.Record, error)) (cas.Record, error) {
					if time.Since(start) > hangsAfter {
						<-ctx.Done()
						return cas.Record{}, ctx.Err()
					}
					return read()
				}
				me.opts.Wait = 5 * time.Second
				_, err := lease.Acquire(t.Context(), me, me.opts)
				var exists *replicate.LeaseExistsError
				if !errors.Is(err, lease.ErrWaitOver) || !errors.As(err, &exists) || exists.Owner != "holder" ||
					exists.Generation != 1 {
					t.Errorf("Acquire: got %v, want ErrWaitOver, and generation 1 of the holder", err)
				}
				if waited := time.Since(start); waited != 5*time.Second {
					t.Errorf("waited for %v, want 5s", waited)
				}
				release(t, s)
			})
		})
	}
}

// TestWaitEndsWithTheWait: what runs under the lease has all the time that it wants.
func TestWaitEndsWithTheWait(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		me := newContender(store, "me")
		me.opts.Wait = time.Second
		err := lease.Run(t.Context(), me, me.opts, func(ctx context.Context, _ *lease.Session) error {
			time.Sleep(2 * sessionTTL)
			return context.Cause(ctx)
		})
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// TestNegativeWait tries once.
func TestNegativeWait(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		s := newContender(store, "holder").acquire(t)
		start, me := time.Now(), newContender(store, "me")
		me.opts.Wait = -1
		err := lease.Run(t.Context(), me, me.opts, func(context.Context, *lease.Session) error {
			t.Error("runs without the lease")
			return nil
		})
		var exists *replicate.LeaseExistsError
		if !errors.As(err, &exists) || errors.Is(err, lease.ErrWaitOver) || time.Since(start) != 0 {
			t.Errorf("Run: got %v after %v, want that the lease exists, at once", err, time.Since(start))
		}
		release(t, s)
	})
}

// TestLeave: the session ends, and its lease goes on, to be released by its value.
func TestLeave(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		me := newContender(store, "me")
		var session *lease.Session
		err := lease.Run(t.Context(), me, me.opts, func(_ context.Context, s *lease.Session) error {
			session = s
			s.Abandoned()
			s.Leave()
			return nil
		})
		if err != nil || session.Valid() {
			t.Errorf("Run: %v, and the session is valid: %v", err, session.Valid())
		}
		time.Sleep(sessionTTL / 2)
		wantHeld(t, store, "me")
		if _, _, writes := me.counts(); writes != 1 {
			t.Errorf("%d writes: the lease is renewed or released", writes)
		}
		lease := session.Lease()
		if err := me.ReleaseLease(t.Context(), &lease); err != nil {
			t.Error(err)
		}
		wantFree(t, store, 2)
	})
}

// TestLostDoesNotWait for ever for a renewal that does not heed its context.
func TestLostDoesNotWait(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		me, ends := newContender(store, "me"), make(chan struct{})
		err := lease.Run(t.Context(), me, me.opts, func(ctx context.Context, _ *lease.Session) error {
			me.script(func(context.Context, func() (cas.Written, error)) (cas.Written, error) {
				<-ends
				return cas.Written{}, errors.New("too late")
			})
			<-ctx.Done()
			return nil
		})
		if !errors.Is(err, lease.ErrLost) {
			t.Errorf("Run: got %v, want ErrLost", err)
		}
		close(ends)
	})
}
