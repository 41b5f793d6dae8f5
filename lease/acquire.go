package lease

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
)

// Acquire waits for the lease until ctx ends and returns it as a running session.
//
// While somebody holds the lease it polls, gently. If the store cannot be reached
// at first, that is an error at once; if it fails later, while waiting, Acquire
// keeps waiting. What waiting cannot mend is an error at any time: a corrupt
// record, a holder with a longer TTL than this side honours, missing permission, a
// store without conditional writes.
//
// If Acquire fails and may have written the record, it gives the lease back, as
// far as the store lets it within five seconds; ctx does not end that.
//
// The session does not end with ctx; it keeps ctx's values.
func Acquire(ctx context.Context, leaser replicate.Leaser, opts Options) (*Session, error) {
	opts, err := opts.withDefaults(leaser)
	if err != nil {
		return nil, err
	}
	if err := opts.probe(ctx); err != nil {
		return nil, err
	}
	unobserve := observe(leaser, opts.OnEvent)
	s, err := opts.await(ctx, leaser)
	if err != nil {
		withdraw(ctx, leaser, opts)
		unobserve()
		return nil, err
	}
	s.unobserve = unobserve
	s.startBeats(ctx)
	return s, nil
}

// TryAcquire takes the lease if it is free, and returns it as a running session.
// While somebody holds it, the error is a *LeaseExistsError. What it may have
// written before it fails it gives back, as Acquire does.
func TryAcquire(ctx context.Context, leaser replicate.Leaser, opts Options) (*Session, error) {
	opts.Wait = -1
	return Acquire(ctx, leaser, opts)
}

// ErrWaitOver: nobody gave the lease up within Options.Wait. Where a holder is
// known the error is a *LeaseExistsError, too.
var ErrWaitOver = errors.New("lease not acquired in time")

// await takes the lease, and waits for it as long as Wait says.
func (o Options) await(ctx context.Context, leaser replicate.Leaser) (*Session, error) {
	switch {
	case o.Wait < 0:
		return attempt(ctx, leaser, o)
	case o.Wait > 0:
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.Wait, ErrWaitOver)
		defer cancel()
	}
	return keepTrying(ctx, leaser, o)
}

// withdrawPatience bounds how long a failed acquisition takes to give the lease back.
const withdrawPatience = 5 * time.Second

// withdraw undoes, as far as it can, an acquisition whose outcome is unknown.
func withdraw(ctx context.Context, leaser replicate.Leaser, opts Options) {
	w, ok := leaser.(interface{ WithdrawLease(context.Context) error })
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(opts.AttemptTimeout, withdrawPatience))
	defer cancel()
	_ = w.WithdrawLease(ctx) // at worst the lease expires
}

// keepTrying tries until it succeeds, ctx ends, or waiting does not help.
func keepTrying(ctx context.Context, leaser replicate.Leaser, opts Options) (*Session, error) {
	var told string
	var held replicate.LeaseExistsError
	for contact := false; ; {
		s, err := attempt(ctx, leaser, opts)
		var exists *replicate.LeaseExistsError
		switch {
		case err == nil:
			return s, nil
		case ctx.Err() != nil:
			return nil, gaveUp(ctx, err, &held)
		case errors.As(err, &exists):
			contact, held = true, *exists
		case !contact || permanent(err):
			return nil, err
		}
		if e, what := waitingFor(err); what != told {
			told = what
			opts.OnEvent(e)
		}
		if opts.clock.Sleep(ctx, opts.pollPause(held.ExpiresAt)) != nil {
			return nil, gaveUp(ctx, err, &held)
		}
	}
}

// gaveUp is the error of a waiter whose ctx has ended: that of its last attempt, who
// held the lease before if that does not say so, and why it stopped.
func gaveUp(ctx context.Context, err error, held *replicate.LeaseExistsError) error {
	var exists *replicate.LeaseExistsError
	if held.ExpiresAt.IsZero() || errors.As(err, &exists) {
		return errors.Join(err, context.Cause(ctx))
	}
	return errors.Join(err, held, context.Cause(ctx))
}

// waitingFor is the event of a waiter that err keeps waiting, and what has to change
// for the next one: the holder or its generation, or the error, but not that the
// holder renews.
func waitingFor(err error) (e Event, what string) {
	e = Event{Kind: EventWaiting, Err: err}
	var exists *replicate.LeaseExistsError
	if !errors.As(err, &exists) {
		return e, err.Error()
	}
	e.Lease = replicate.Lease{Generation: exists.Generation, Owner: exists.Owner, ExpiresAt: exists.ExpiresAt}
	return e, fmt.Sprintf("generation %d of %q", exists.Generation, exists.Owner)
}

// observe has a leaser that can tell of events tell them to notify, and returns a
// function that ends it.
func observe(leaser replicate.Leaser, notify func(Event)) (stop func()) {
	o, ok := leaser.(interface{ Observe(func(Event)) func() })
	if !ok {
		return func() {}
	}
	return o.Observe(func(e Event) {
		// The session reports these itself, with more to say.
		if e.Kind != EventAcquired && e.Kind != EventRenewed && e.Kind != EventReleased {
			notify(e)
		}
	})
}

// permanent reports whether waiting does not help.
func permanent(err error) bool {
	return slices.ContainsFunc([]error{
		replicate.ErrLeaseCorrupt, replicate.ErrTTLExceedsMax, errShortLease,
		cas.ErrUnsupported, cas.ErrInvalidKey, fs.ErrPermission,
	}, func(target error) bool { return errors.Is(err, target) })
}

// pollPause is how long to wait before looking again: PollEvery less up to half of
// it, or until just after the lease in the way ends.
func (o Options) pollPause(expires time.Time) time.Duration {
	pause := o.PollEvery - rand.N(o.PollEvery/2+1)
	if left := expires.Round(0).Sub(o.clock.Now().Wall); left > 0 {
		pause = min(pause, left+time.Millisecond)
	}
	return pause
}

// errShortLease: the leaser grants leases that end before the session's first renewal.
var errShortLease = errors.New("lease ends before its first renewal")

// attempt takes the lease if it is free. The session has yet to be started.
func attempt(ctx context.Context, leaser replicate.Leaser, opts Options) (*Session, error) {
	anchor := opts.clock.Now()
	lease, err := leaser.AcquireLease(ctx)
	if err != nil {
		return nil, err
	}
	s := &Session{leaser: leaser, opts: opts, unobserve: func() {}}
	s.ctx, s.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	s.hold(lease, anchor)
	switch granted := lease.ExpiresAt.Round(0).Sub(anchor.Wall); {
	case s.over():
		err = fmt.Errorf("%w: acquiring the lease took so long that it is over", ErrLost)
	case granted < opts.RenewEvery+opts.Guard:
		err = fmt.Errorf("%w: granted for %v, and the session has a ttl of %v",
			errShortLease, granted.Round(time.Millisecond), opts.TTL)
	}
	if err != nil {
		s.cancel(ErrLost)
		_ = s.giveUp(ctx) // or others wait for it
		return nil, err
	}
	opts.OnEvent(Event{Kind: EventAcquired, Lease: *lease, Latency: opts.clock.Now().Mono - anchor.Mono})
	return s, nil
}

// startBeats begins to renew, and to watch the deadline.
func (s *Session) startBeats(ctx context.Context) {
	beatCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stopBeat = stop
	s.start(&s.beats, func() { s.beat(beatCtx) })
	s.start(&s.beats, func() { s.watch(beatCtx) })
}
