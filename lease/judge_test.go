package lease_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/clock/faketime"
	"github.com/replctl/replicate/lease"
)

// leaserWith is a leaser on a store, with a TTL and a maximum.
func leaserWith(store cas.Store, owner string, ttl, maxTTL time.Duration) *lease.Leaser {
	clock := faketime.New(0)
	return lease.NewLeaser("test",
		func() lease.Config {
			return lease.Config{Owner: owner, TTL: ttl, MaxTTL: maxTTL}.WithClock(clock)
		},
		func(context.Context) (cas.Store, error) { return store, nil })
}

// TestOtherMaximum: a holder with a longer TTL than a reader honours is a holder; the
// error names both settings, waits for nothing, and changes nothing.
func TestOtherMaximum(t *testing.T) {
	for _, passed := range []time.Duration{0, 40 * time.Second, 59 * time.Second} {
		inBubble(t, func(t *testing.T, store *cas.Memory) {
			if _, err := leaserWith(store, "holder", time.Minute, time.Minute).AcquireLease(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(passed)
			other := leaserWith(store, "other", 30*time.Second, 30*time.Second)
			start := time.Now()
			_, err := lease.Acquire(t.Context(), other, lease.Options{}.WithClock(faketime.New(0)))
			if time.Since(start) != 0 {
				t.Errorf("Acquire waited for %v", time.Since(start))
			}
			_, state, readErr := other.ReadLease(t.Context())
			if state != lease.Held {
				t.Errorf("after %v: the lease is %q, want held", passed, state)
			}
			for what, err := range map[string]error{"Acquire": err, "ReadLease": readErr} {
				var reach *lease.ReachError
				if !errors.As(err, &reach) || !reach.OtherMaximum() || !errors.Is(err, replicate.ErrLeaseCorrupt) {
					t.Errorf("after %v: %s: got %v, want a LeaseReachError of another maximum", passed, what, err)
					continue
				}
				for _, want := range []string{"1m0s", "30s", "MaxTTL", "holder"} {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%s: %q does not name %s", what, err, want)
					}
				}
				if strings.Contains(err.Error(), "corrupt") || strings.Contains(err.Error(), "break") {
					t.Errorf("%s: %q of a lease that is held", what, err)
				}
			}
			time.Sleep(time.Minute - passed + time.Second)
			if lease, err := other.AcquireLease(t.Context()); err != nil || lease.Generation != 2 {
				t.Errorf("AcquireLease after the end: %+v, %v", lease, err)
			}
		})
	}
}

// TestReachesTooFar: a record that reaches further than the TTL in it is corrupt,
// whatever that TTL is.
func TestReachesTooFar(t *testing.T) {
	for _, ttl := range []int64{0, 30_000, 60_000} {
		inBubble(t, func(t *testing.T, store *cas.Memory) {
			data, _ := json.Marshal(map[string]any{"generation": 3, "owner": "far", "expires_at": time.Now().Add(time.Hour),
				"ttl_ms": ttl})
			if _, err := store.Write(t.Context(), lease.DefaultFile, data, ""); err != nil {
				t.Fatal(err)
			}
			_, state, err := leaserWith(store, "other", 30*time.Second, 30*time.Second).ReadLease(t.Context())
			var reach *lease.ReachError
			if state != lease.Corrupt || !errors.As(err, &reach) || reach.OtherMaximum() {
				t.Errorf("ttl_ms %d: got %q, %v; want corrupt, by a clock", ttl, state, err)
			}
		})
	}
}
