package lease

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/internal/clock"
)

// Options configure a Session. The zero value suits most.
//
// The times have to leave room for one another: two renewals have to be due
// before the guard begins, 2 x RenewEvery + Guard < TTL, or the options are refused.
type Options struct {
	// TTL is that of the leaser. It need be set only for a leaser that does not
	// tell (by a method LeaseTTL); any other value than the leaser's is refused.
	TTL time.Duration

	// RenewEvery is the time from one renewal to the next; TTL/3 if zero.
	RenewEvery time.Duration

	// Guard is how long before the end of the lease the session gives it up for
	// lost: the time that the owner's work has to stop, and the difference
	// between the clocks of holder and contender that is made up for. TTL/10 if
	// zero.
	Guard time.Duration

	// AttemptTimeout bounds one attempt to renew or release; RenewEvery if zero.
	AttemptTimeout time.Duration

	// PollEvery is how often a waiter looks, at most; jitter makes it up to half
	// as long. A waiter for a lease that ends sooner looks sooner. TTL/10 but at
	// most a second if zero.
	PollEvery time.Duration

	// Wait bounds how long Acquire and Run wait for a lease that somebody else holds;
	// afterwards they return ErrWaitOver. If zero, they wait until ctx ends. If
	// negative, they try once, as TryAcquire does.
	Wait time.Duration

	// Probe, if set, is called before the lease is asked for, once, and an error of
	// it is that of Acquire, TryAcquire and Run: for a store that is not what leases
	// need. Package probe has one, probe.Gate.
	Probe func(ctx context.Context) error

	// OnEvent, if set, is told what happens. It must not block, and must not call
	// the session.
	OnEvent func(Event)

	clock clock.Clock // the machine's if nil
}

// WithClock returns the options with another clock, for tests.
func (o Options) WithClock(clock clock.Clock) Options {
	o.clock = clock
	return o
}

func (o Options) withDefaults(leaser replicate.Leaser) (Options, error) {
	if leaser == nil {
		return o, errors.New("lease session: no leaser given")
	}
	if t, ok := leaser.(interface{ LeaseTTL() time.Duration }); ok {
		ttl := t.LeaseTTL()
		if o.TTL != 0 && o.TTL != ttl {
			return o, fmt.Errorf("lease session: ttl %v, but the leaser asks for leases of %v", o.TTL, ttl)
		}
		o.TTL = ttl
	}
	if o.TTL == 0 {
		o.TTL = leaser.MaxLeaseTTL()
	}
	o.RenewEvery = cmp.Or(o.RenewEvery, o.TTL/3)
	o.Guard = cmp.Or(o.Guard, o.TTL/10)
	o.PollEvery = cmp.Or(o.PollEvery, min(time.Second, o.TTL/10))
	o.AttemptTimeout = cmp.Or(o.AttemptTimeout, o.RenewEvery)
	o.clock = cmp.Or(o.clock, clock.System)
	if o.OnEvent == nil {
		o.OnEvent = func(Event) {}
	}
	return o, o.check()
}

func (o Options) check() error {
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"ttl", o.TTL}, {"renewal interval", o.RenewEvery}, {"guard", o.Guard},
		{"attempt timeout", o.AttemptTimeout}, {"poll interval", o.PollEvery},
	} {
		if d.value <= 0 {
			return fmt.Errorf("lease session: %s %v: must be positive", d.name, d.value)
		}
	}
	if 2*o.RenewEvery+o.Guard >= o.TTL {
		return fmt.Errorf("lease session: two renewal intervals of %v and the guard of %v do not fit into the ttl of %v",
			o.RenewEvery, o.Guard, o.TTL)
	}
	return nil
}

func (o Options) probe(ctx context.Context) error {
	if o.Probe == nil {
		return nil
	}
	if err := o.Probe(ctx); err != nil {
		return fmt.Errorf("lease not asked for: %w", err)
	}
	return nil
}
