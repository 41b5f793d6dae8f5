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

// script is a write that does something else than it should.
type script = func(context.Context, func() (cas.Written, error)) (cas.Written, error)

// landsLater is a write that nobody hears of again, and that is applied all the same.
func landsLater(after time.Duration) script {
	return func(_ context.Context, write func() (cas.Written, error)) (cas.Written, error) {
		time.AfterFunc(after, func() { _, _ = write() })
		return cas.Written{}, cas.ErrIndeterminate
	}
}

// unreadable is a store that answers writes only.
func unreadable(context.Context, func() (cas.Record, error)) (cas.Record, error) {
	return cas.Record{}, errors.New("no answer")
}

// TestLateRenewalOfOne: a renewal that landed after its attempt had failed is no
// reason to think that the lease is lost, whether or not the winner can be read.
func TestLateRenewalOfOne(t *testing.T) {
	for name, blind := range map[string]bool{"readable": false, "unreadable": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *cas.Memory) {
				c := newContender(store, "me")
				lease := mustAcquire(t, c)
				lateRenewal(t, c, lease)
				if blind {
					c.onRead = unreadable
					if _, err := c.RenewLease(t.Context(), lease); err == nil || errors.Is(err, replicate.ErrLeaseNotHeld) {
						t.Errorf("RenewLease: got %v, want an error, but not that it is lost", err)
					}
					if err := c.ReleaseLease(t.Context(), lease); err == nil || errors.Is(err, replicate.ErrLeaseNotHeld) {
						t.Errorf("ReleaseLease: got %v, want an error, but not that it is lost", err)
					}
					c.onRead = nil
				}
				renewed, err := c.RenewLease(t.Context(), lease)
				if err != nil || renewed.Generation != 1 {
					t.Fatalf("RenewLease: %+v, %v", renewed, err)
				}
				if err := c.ReleaseLease(t.Context(), renewed); err != nil {
					t.Errorf("ReleaseLease: %v", err)
				}
			})
		})
	}
}

func mustAcquire(t *testing.T, c *contender) *replicate.Lease {
	t.Helper()
	lease, err := c.AcquireLease(t.Context())
	if err != nil {
		t.Fatalf("AcquireLease: %v", err)
	}
	return lease
}

// lateRenewal renews, hears nothing of it, and returns when it has landed.
func lateRenewal(t *testing.T, c *contender, lease *replicate.Lease) {
	t.Helper()
	c.script(landsLater(time.Second))
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := c.RenewLease(ctx, lease); !errors.Is(err, cas.ErrIndeterminate) {
		t.Errorf("RenewLease: got %v, want ErrIndeterminate", err)
	}
	c.script(nil)
	time.Sleep(2 * time.Second)
}

// TestLateRenewalOfAnother: a leaser that finds its own late renewal does not take the
// lease from the session that it was written for.
func TestLateRenewalOfAnother(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		c := newContender(store, "me")
		lateRenewal(t, c, mustAcquire(t, c))
		_, err := c.AcquireLease(t.Context())
		var exists *replicate.LeaseExistsError
		if !errors.As(err, &exists) {
			t.Errorf("AcquireLease: got %v, want that the lease is held", err)
		}
	})
}

// TestLateAcquisition: nobody was told of it, so that nobody has to wait for its end
// but others; and it gets a generation of its own.
func TestLateAcquisition(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		c := newContender(store, "me")
		c.script(landsLater(time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := c.AcquireLease(ctx); !errors.Is(err, cas.ErrIndeterminate) {
			t.Errorf("AcquireLease: got %v, want ErrIndeterminate", err)
		}
		c.script(nil)
		time.Sleep(2 * time.Second)
		wantHeld(t, store, "me")
		if lease := mustAcquire(t, c); lease.Generation != 2 {
			t.Errorf("generation %d, want 2", lease.Generation)
		}
	})
}

// TestLateReplacement: a late write lands between the look at the record and the next
// write.
func TestLateReplacement(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		c := newContender(store, "me")
		var late func() (cas.Written, error)
		c.script(func(_ context.Context, write func() (cas.Written, error)) (cas.Written, error) {
			late = write
			return cas.Written{}, cas.ErrIndeterminate
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, _ = c.AcquireLease(ctx)
		c.script(func(_ context.Context, write func() (cas.Written, error)) (cas.Written, error) {
			c.script(nil)
			if _, err := late(); err != nil {
				t.Errorf("late write: %v", err)
			}
			return write()
		})
		if lease := mustAcquire(t, c); lease.Generation != 2 {
			t.Errorf("generation %d, want 2: the store has seen 1", lease.Generation)
		}
	})
}

// TestRenewedTooLate: a renewal that arrives after the end is no renewal, and is
// released, if need be by the holder's own release.
func TestRenewedTooLate(t *testing.T) {
	for name, second := range map[string]script{
		"released at once": nil,
		"released later": func(context.Context, func() (cas.Written, error)) (cas.Written, error) {
			return cas.Written{}, errors.New("no")
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *cas.Memory) {
				c := newContender(store, "me")
				lease := mustAcquire(t, c)
				time.Sleep(20 * time.Second)
				c.script(func(_ context.Context, write func() (cas.Written, error)) (cas.Written, error) {
					time.Sleep(11 * time.Second)
					c.script(second)
					return write()
				})
				if _, err := c.RenewLease(t.Context(), lease); !errors.Is(err, replicate.ErrLeaseNotHeld) {
					t.Errorf("RenewLease: got %v, want ErrLeaseNotHeld", err)
				}
				c.script(nil)
				if second != nil {
					wantHeld(t, store, "me")
					if err := c.ReleaseLease(t.Context(), lease); err != nil {
						t.Errorf("ReleaseLease: %v", err)
					}
				}
				wantFree(t, store, 2)
			})
		})
	}
}

// TestLookBesideRenewal: an answer that the record is unchanged is about the record
// that was known when it was asked for.
func TestLookBesideRenewal(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		c := newContender(store, "me")
		grant := mustAcquire(t, c)
		c.onRead = func(_ context.Context, read func() (cas.Record, error)) (cas.Record, error) {
			r, err := read()
			renewed, renewErr := c.RenewLease(t.Context(), grant)
			if renewErr != nil {
				t.Errorf("RenewLease: %v", renewErr)
			}
			grant = renewed
			return r, err
		}
		_, err := c.AcquireLease(t.Context())
		var exists *replicate.LeaseExistsError
		if !errors.As(err, &exists) || exists.Owner != "me" {
			t.Errorf("AcquireLease: got %v, want that I hold it", err)
		}
		if got, state, err := c.ReadLease(t.Context()); err != nil || state != lease.Held || got.Owner != "me" {
			t.Errorf("ReadLease: %+v, %q, %v", got, state, err)
		}
	})
}
