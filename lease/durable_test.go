package lease_test

import (
	"errors"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
)

// TestLeaseNotDurable: a lease whose record may not survive a crash is not
// reported as acquired, renewed or released, although reading shows it. Once the
// disk works again, its owner goes on without waiting for its own record to expire.
func TestLeaseNotDurable(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		fault := castest.NotDurable
		l := newContender(&castest.Faulty{Store: store, Decide: func(op, _ string) castest.Fault {
			if op == "write" {
				return fault
			}
			return castest.None
		}}, "me")
		wantNotDurable := func(what string, err error) {
			t.Helper()
			if !errors.Is(err, cas.ErrNotDurable) || !errors.Is(err, cas.ErrIndeterminate) {
				t.Errorf("%s on a disk that fails: got error %v", what, err)
			}
		}
		for range 2 { // the second one finds the record of the first
			_, err := l.AcquireLease(t.Context())
			wantNotDurable("AcquireLease", err)
		}
		fault = castest.None
		lease, err := l.AcquireLease(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		fault = castest.NotDurable
		_, err = l.RenewLease(t.Context(), lease)
		wantNotDurable("RenewLease", err)
		fault = castest.None
		if lease, err = l.RenewLease(t.Context(), lease); err != nil {
			t.Fatal(err)
		}
		fault = castest.NotDurable
		wantNotDurable("ReleaseLease", l.ReleaseLease(t.Context(), lease))
		fault = castest.None
		if err := l.ReleaseLease(t.Context(), lease); err != nil {
			t.Errorf("ReleaseLease: %v", err)
		}
	})
}
