package lease_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/lease"
)

// refuses is a store that takes no more writes.
func refuses(context.Context, func() (cas.Written, error)) (cas.Written, error) {
	return cas.Written{}, errors.New("no")
}

// TestRunLostIsTold: whatever fn makes of the end of its context, the error says that
// the lease was lost, once.
func TestRunLostIsTold(t *testing.T) {
	stopped := errors.New("stopped in the middle")
	for name, c := range map[string]struct {
		returns func(context.Context) error
		want    error
	}{
		"the context's error": {func(ctx context.Context) error { return ctx.Err() }, context.Canceled},
		"the context's cause": {context.Cause, lease.ErrLost},
		"another error":       {func(context.Context) error { return stopped }, stopped},
		"nothing":             {func(context.Context) error { return nil }, lease.ErrLost},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *cas.Memory) {
				me := newContender(store, "me")
				err := lease.Run(t.Context(), me, me.opts, func(ctx context.Context, _ *lease.Session) error {
					me.script(refuses)
					<-ctx.Done()
					return c.returns(ctx)
				})
				if !errors.Is(err, lease.ErrLost) || !errors.Is(err, c.want) {
					t.Errorf("Run: got %v, want ErrLost and %v", err, c.want)
				}
				if n := strings.Count(err.Error(), lease.ErrLost.Error()); n != 1 {
					t.Errorf("Run: %q says %d times that the lease was lost", err, n)
				}
			})
		})
	}
}

// TestRunReleasesInAnyCase: a function that panics, or ends its goroutine, holds the
// lease no longer than one that returns.
func TestRunReleasesInAnyCase(t *testing.T) {
	for name, leave := range map[string]func(){
		"panics":             func() { panic("in fn") },
		"ends its goroutine": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *cas.Memory) {
				me := newContender(store, "me")
				var session *lease.Session
				go func() {
					defer func() { _ = recover() }()
					_ = lease.Run(t.Context(), me, me.opts, func(_ context.Context, s *lease.Session) error {
						session = s
						leave()
						return nil
					})
				}()
				synctest.Wait()
				if session.Valid() {
					t.Error("the session goes on")
					release(t, session)
				}
				wantFree(t, store, 2)
			})
		})
	}
}

// silent is a leaser that does not tell its TTL.
type silent struct{ replicate.Leaser }

// TestSessionTTLOfLeaser: a session cannot have another TTL than its leaser.
func TestSessionTTLOfLeaser(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		c := newContender(store, "me")
		for _, ttl := range []time.Duration{20 * time.Second, 40 * time.Second} {
			o := c.opts
			o.TTL = ttl
			_, err := lease.TryAcquire(t.Context(), c, o)
			if err == nil || !strings.Contains(err.Error(), ttl.String()) || !strings.Contains(err.Error(), "30s") {
				t.Errorf("ttl %v: got error %v, want one that names it and 30s", ttl, err)
			}
		}
		if reads, _, writes := c.counts(); reads+writes > 0 {
			t.Errorf("%d requests were sent", reads+writes)
		}
		c.opts.TTL = 2 * time.Minute // of a leaser that does not tell, so that nobody can know before
		_, err := lease.TryAcquire(t.Context(), silent{c}, c.opts)
		if err == nil || !strings.Contains(err.Error(), "2m0s") || !strings.Contains(err.Error(), "30s") {
			t.Errorf("a lease that ends before its first renewal: got error %v, want one that names 2m0s and 30s", err)
		}
		wantFree(t, store, 2)
	})
}
