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

// unanswered is a write that is applied, or lands after a while, and whose answer
// does not come before the caller's context ends.
func unanswered(c *contender, lands time.Duration) script {
	return func(ctx context.Context, write func() (cas.Written, error)) (cas.Written, error) {
		c.script(nil)
		if lands == 0 {
			_, _ = write()
		} else {
			time.AfterFunc(lands, func() { _, _ = write() })
		}
		c.onRead = func(ctx context.Context, read func() (cas.Record, error)) (cas.Record, error) {
			if ctx.Err() != nil {
				return cas.Record{}, context.Cause(ctx)
			}
			return read()
		}
		<-ctx.Done()
		return cas.Written{}, errors.Join(cas.ErrIndeterminate, context.Cause(ctx))
	}
}

// TestUnknownAcquisitionIsGivenBack: who is not told that the lease is theirs does not
// hold it, nor later when the request lands.
func TestUnknownAcquisitionIsGivenBack(t *testing.T) {
	type acquire = func(context.Context, replicate.Leaser, lease.Options) (*lease.Session, error)
	for how, acquire := range map[string]acquire{"Acquire": lease.Acquire, "TryAcquire": lease.TryAcquire} {
		for when, lands := range map[string]time.Duration{"applied": 0, "lands later": 6 * time.Second} {
			for before, prepare := range map[string]func(*contender){
				"no record": func(*contender) {},
				"released":  func(c *contender) { release(t, c.acquire(t)) },
			} {
				t.Run(how+", "+when+", "+before, func(t *testing.T) {
					inBubble(t, func(t *testing.T, store *cas.Memory) {
						c := newContender(store, "me")
						prepare(newContender(store, "before"))
						c.script(unanswered(c, lands))
						ctx, cancel := context.WithTimeout(t.Context(), time.Second)
						defer cancel()
						start := time.Now()
						_, err := acquire(ctx, c, c.opts)
						if !errors.Is(err, cas.ErrIndeterminate) || !errors.Is(err, context.DeadlineExceeded) {
							t.Errorf("got error %v, want ErrIndeterminate, and that the time was over", err)
						}
						if took := time.Since(start); took > 2*time.Second {
							t.Errorf("it took %v", took)
						}
						time.Sleep(10 * time.Second)
						_, state, err := newContender(store, "other").ReadLease(t.Context())
						if err != nil || state != lease.Released {
							t.Errorf("the lease is %q (%v), want released", state, err)
						}
						release(t, newContender(store, "me").acquire(t)) // a leaser that remembers nothing
					})
				})
			}
		}
	}
}

// TestWithdrawalIsBounded: a store that is away keeps nobody who has given up.
func TestWithdrawalIsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		c := newContender(store, "me")
		c.script(func(ctx context.Context, _ func() (cas.Written, error)) (cas.Written, error) {
			<-ctx.Done()
			return cas.Written{}, cas.ErrIndeterminate
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := lease.Acquire(ctx, c, c.opts); !errors.Is(err, cas.ErrIndeterminate) {
			t.Errorf("Acquire: got %v, want ErrIndeterminate", err)
		}
		if took := time.Since(start); took > 6*time.Second {
			t.Errorf("it took %v, want five seconds more than the second that it was given", took)
		}
	})
}

// TestWithdrawalOfOthers: what somebody else has taken meanwhile is left alone.
func TestWithdrawalOfOthers(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		c := newContender(store, "me")
		time.AfterFunc(time.Second/2, func() { mustAcquire(t, newContender(store, "other")) })
		c.script(unanswered(c, time.Minute))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := lease.TryAcquire(ctx, c, c.opts); err == nil {
			t.Error("acquired")
		}
		wantHeld(t, store, "other")
	})
}
