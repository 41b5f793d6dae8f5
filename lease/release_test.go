package lease_test

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/lease"
)

// TestReleaseWaitsForWork: it cancels the context, and keeps the lease while what was
// started with Go is stopping.
func TestReleaseWaitsForWork(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		s := newContender(store, "me").acquire(t)
		stopped := false
		s.Go(func(ctx context.Context) {
			<-ctx.Done()
			if !errors.Is(context.Cause(ctx), lease.ErrReleased) {
				t.Errorf("the work was stopped by %v", context.Cause(ctx))
			}
			time.Sleep(2 * sessionTTL)
			wantHeld(t, store, "me")
			stopped = true
		})
		release(t, s)
		if !stopped {
			t.Error("released before the work had stopped")
		}
		if s.Valid() || !errors.Is(s.Err(), lease.ErrReleased) {
			t.Errorf("valid %v, error %v after the release", s.Valid(), s.Err())
		}
		wantFree(t, store, 2)
	})
}

// TestReleaseWithoutEnd: work that does not stop keeps the lease from being handed on
// early. It expires.
func TestReleaseWithoutEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		s := newContender(store, "me").acquire(t)
		done := make(chan struct{})
		s.Go(func(context.Context) { <-done })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Release(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Release: got %v, want that it timed out", err)
		}
		wantHeld(t, store, "me")
		time.Sleep(sessionTTL)
		wantFree(t, store, 2)
		close(done)
	})
}

func TestReleaseWithCancelledContext(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		s := newContender(store, "me").acquire(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Release(ctx); err != nil {
			t.Errorf("Release: %v", err)
		}
		wantFree(t, store, 2)
	})
}

func TestReleaseTwice(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		s := newContender(store, "me").acquire(t)
		release(t, s)
		if err := s.Release(t.Context()); !errors.Is(err, replicate.ErrLeaseAlreadyReleased) {
			t.Errorf("Release: got %v, want ErrLeaseAlreadyReleased", err)
		}
	})
}

// TestReleaseTakesNoLonger than an attempt where the store does not answer.
func TestReleaseTakesNoLonger(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		c := newContender(store, "me")
		s := c.acquire(t)
		c.script(func(ctx context.Context, _ func() (cas.Written, error)) (cas.Written, error) {
			<-ctx.Done()
			return cas.Written{}, cas.ErrIndeterminate
		})
		start := time.Now()
		if err := s.Release(t.Context()); err == nil || time.Since(start) != sessionTTL/3 {
			t.Errorf("Release: got %v after %v, want an error after %v", err, time.Since(start), sessionTTL/3)
		}
	})
}

// TestReleaseTriesAgain: the lease is not left to expire because of one failure; a refusal
// is not tried again.
func TestReleaseTriesAgain(t *testing.T) {
	tooManyFiles := errors.New("too many open files")
	for name, c := range map[string]struct {
		fail    error
		applied bool // although it fails
		times   int  // how often
		tries   int
		want    error
	}{
		"fails once":         {fail: tooManyFiles, times: 1, tries: 2},
		"in doubt":           {fail: cas.ErrIndeterminate, applied: true, times: 1, tries: 1}, // read back, as any write
		"fails three times":  {fail: tooManyFiles, times: 3, tries: 4},
		"fails for good":     {fail: tooManyFiles, times: 100, tries: 4, want: tooManyFiles},
		"is refused":         {fail: fs.ErrPermission, times: 100, tries: 1, want: fs.ErrPermission},
		"fails when applied": {fail: tooManyFiles, applied: true, times: 1, tries: 2},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *cas.Memory) {
				m := newContender(store, "me")
				s := m.acquire(t)
				tries := 0
				m.script(func(_ context.Context, write func() (cas.Written, error)) (cas.Written, error) {
					if tries++; tries > c.times {
						return write()
					}
					if c.applied {
						_, _ = write()
					}
					return cas.Written{}, c.fail
				})
				if err := s.Release(t.Context()); !errors.Is(err, c.want) || tries != c.tries {
					t.Errorf("Release: %v after %d writes, want %v after %d", err, tries, c.want, c.tries)
				}
				m.script(nil)
				if c.want != nil {
					wantHeld(t, store, "me")
				} else {
					wantFree(t, store, 2)
				}
			})
		})
	}
}

func TestRun(t *testing.T) {
	stop := errors.New("stop")
	for name, c := range map[string]struct {
		fn   func(context.Context, *lease.Session) error
		want error
	}{
		"returns": {func(context.Context, *lease.Session) error { return nil }, nil},
		"fails":   {func(context.Context, *lease.Session) error { return stop }, stop},
		"is told to stop": {func(ctx context.Context, _ *lease.Session) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}, stop},
		"has work going on": {func(_ context.Context, s *lease.Session) error {
			s.Go(func(ctx context.Context) { <-ctx.Done() })
			return nil
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *cas.Memory) {
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Minute, func() { cancel(stop) })
				me := newContender(store, "me")
				err := lease.Run(ctx, me, me.opts, func(ctx context.Context, s *lease.Session) error {
					wantHeld(t, store, "me")
					return c.fn(ctx, s)
				})
				if !errors.Is(err, c.want) {
					t.Errorf("Run: got %v, want %v", err, c.want)
				}
				wantFree(t, store, 2)
			})
		})
	}
}

// TestRunLost: what is lost is an error, even if fn has seen none.
func TestRunLost(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		me := newContender(store, "me")
		err := lease.Run(t.Context(), me, me.opts, func(ctx context.Context, _ *lease.Session) error {
			me.script(func(context.Context, func() (cas.Written, error)) (cas.Written, error) {
				return cas.Written{}, errors.New("no")
			})
			<-ctx.Done()
			return nil
		})
		if !errors.Is(err, lease.ErrLost) {
			t.Errorf("Run: got %v, want ErrLost", err)
		}
	})
}
