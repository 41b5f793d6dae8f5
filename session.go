package replicate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/clock"
)

// Why a session's context ended; found with errors.Is in context.Cause.
var (
	// ErrSessionReleased: the session was released.
	ErrSessionReleased = errors.New("lease session released")
	// ErrSessionLost: the lease was taken away, or could not be renewed in time.
	ErrSessionLost = errors.New("lease session lost")
)

// Session is a lease that is kept alive, with a context that ends before the
// lease does.
//
// The lease is renewed in the background. If it is lost, or cannot be renewed,
// Context is cancelled while there is still Guard left: work under that context
// has so long to stop. Work that cannot be stopped in the middle asks [Session.Valid]
// before each step that must not happen twice; it looks at the clocks when it is
// asked and trusts no timer, so that it is right after a suspended machine or a
// stopped process goes on, too.
//
// A session tells its owner the truth about the lease. It cannot stop a write that
// has been sent.
type Session struct {
	leaser Leaser
	opts   SessionOptions
	ctx    context.Context
	cancel context.CancelCauseFunc

	stopBeat context.CancelFunc
	beats    sync.WaitGroup

	mu       sync.Mutex
	lease    *Lease
	deadline clock.Instant // the end of the lease, less the guard
	end      error         // why the session ended, if it has
	working  int           // what was started with Go and has not returned
	idle     chan struct{} // closed when none of it is left; nil if there is none
}

// Acquire waits for the lease until ctx ends and returns it as a running session.
//
// While somebody holds the lease it polls, gently. If the store cannot be reached
// at first, that is an error at once; if it fails later, while waiting, Acquire
// keeps waiting. What waiting cannot mend is an error at any time: a corrupt
// record, missing permission, a store without conditional writes.
//
// The session does not end with ctx; it keeps ctx's values.
func Acquire(ctx context.Context, leaser Leaser, opts SessionOptions) (*Session, error) {
	opts, err := opts.withDefaults(leaser)
	if err != nil {
		return nil, err
	}
	if err := opts.probe(ctx); err != nil {
		return nil, err
	}
	observe(leaser, opts.OnEvent)
	var holder LeaseExistsError
	for contact := false; ; {
		s, err := tryAcquire(ctx, leaser, opts)
		var exists *LeaseExistsError
		switch {
		case err == nil:
			return s, nil
		case ctx.Err() != nil:
			return nil, errors.Join(err, context.Cause(ctx))
		case errors.As(err, &exists):
			contact = true
			if *exists != holder {
				holder = *exists
				opts.OnEvent(Event{Kind: EventWaiting, Lease: Lease{Owner: holder.Owner, ExpiresAt: holder.ExpiresAt}, Err: err})
			}
		case !contact || hopeless(err):
			return nil, err
		default:
			opts.OnEvent(Event{Kind: EventWaiting, Err: err})
		}
		if waitErr := opts.Clock.Sleep(ctx, opts.pollPause(holder.ExpiresAt)); waitErr != nil {
			return nil, errors.Join(err, waitErr)
		}
	}
}

// TryAcquire takes the lease if it is free, and returns it as a running session.
// While somebody holds it, the error is a *LeaseExistsError.
func TryAcquire(ctx context.Context, leaser Leaser, opts SessionOptions) (*Session, error) {
	opts, err := opts.withDefaults(leaser)
	if err != nil {
		return nil, err
	}
	if err := opts.probe(ctx); err != nil {
		return nil, err
	}
	observe(leaser, opts.OnEvent)
	return tryAcquire(ctx, leaser, opts)
}

// Run waits for the lease, runs fn under it, and releases it when fn has returned.
// The context of fn ends with the session, or with ctx. The error is fn's, or, if
// there is none, why the lease was lost or could not be released.
func Run(ctx context.Context, leaser Leaser, opts SessionOptions, fn func(context.Context, *Session) error) error {
	s, err := Acquire(ctx, leaser, opts)
	if err != nil {
		return err
	}
	workCtx, cancel := context.WithCancelCause(s.Context())
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	err = fn(workCtx, s)
	stop()
	cancel(nil)
	if releaseErr := s.Release(ctx); err == nil {
		err = releaseErr
	}
	return err
}

// observe has a leaser that can tell of events tell them to notify.
func observe(leaser Leaser, notify func(Event)) {
	if o, ok := leaser.(interface{ Observe(func(Event)) }); ok {
		o.Observe(func(e Event) {
			// The session reports these itself, with more to say.
			if e.Kind != EventAcquired && e.Kind != EventRenewed && e.Kind != EventReleased {
				notify(e)
			}
		})
	}
}

// hopeless reports whether waiting will not help.
func hopeless(err error) bool {
	for _, target := range []error{ErrLeaseCorrupt, ErrTTLExceedsMax, cas.ErrUnsupported, cas.ErrInvalidKey, fs.ErrPermission} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// pollPause is how long to wait before looking again: PollEvery less up to half of
// it, or until just after the lease in the way ends.
func (o SessionOptions) pollPause(expires time.Time) time.Duration {
	pause := o.PollEvery - rand.N(o.PollEvery/2+1)
	if left := expires.Round(0).Sub(o.Clock.Now().Wall); left > 0 {
		pause = min(pause, left+time.Millisecond)
	}
	return pause
}

func tryAcquire(ctx context.Context, leaser Leaser, opts SessionOptions) (*Session, error) {
	anchor := opts.Clock.Now()
	lease, err := leaser.AcquireLease(ctx)
	if err != nil {
		return nil, err
	}
	s := &Session{leaser: leaser, opts: opts}
	s.ctx, s.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	s.hold(lease, anchor)
	if s.over() {
		s.cancel(ErrSessionLost)
		_ = s.giveUp(ctx) // or others wait for it
		return nil, fmt.Errorf("%w: acquiring the lease took so long that it is over", ErrSessionLost)
	}
	opts.OnEvent(Event{Kind: EventAcquired, Lease: *lease, Latency: opts.Clock.Now().Mono - anchor.Mono})
	beatCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stopBeat = stop
	s.beats.Go(func() { s.beat(beatCtx) })
	s.beats.Go(func() { s.watch(beatCtx) })
	return s, nil
}

// hold takes a lease that was asked for at anchor. Its end is counted from there,
// by both clocks, and is not later than the TTL allows whatever the lease says.
func (s *Session) hold(lease *Lease, anchor clock.Instant) {
	left := lease.ExpiresAt.Round(0).Sub(anchor.Wall)
	end := clock.Instant{Wall: lease.ExpiresAt.Round(0), Mono: anchor.Mono + min(left, s.opts.TTL)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lease, s.deadline = lease, end.Add(-s.opts.Guard)
}

// Context ends when the session is lost, Guard before the lease itself does, or
// released. context.Cause tells which: ErrSessionLost or ErrSessionReleased.
func (s *Session) Context() context.Context { return s.ctx }

// Lease is the lease as last renewed.
func (s *Session) Lease() Lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.lease
}

// Generation is the fencing number: to be passed to whatever can refuse a lower
// one than it has seen.
func (s *Session) Generation() int64 { return s.Lease().Generation }

// Valid reports whether the lease is held and has more than Guard left, by the
// clocks, now.
func (s *Session) Valid() bool { return s.Err() == nil }

// Err is nil while the session is valid; afterwards why it is not: ErrSessionLost
// or ErrSessionReleased is in its chain. Like Valid it asks the clocks.
func (s *Session) Err() error {
	s.mu.Lock()
	end, over := s.end, s.opts.Clock.Now().Reached(s.deadline)
	s.mu.Unlock()
	if end == nil && over {
		end = s.finish(fmt.Errorf("%w: it was not renewed in time", ErrSessionLost))
	}
	return end
}

// Left is the time for which the session stays valid if no renewal succeeds.
func (s *Session) Left() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end != nil {
		return 0
	}
	return max(0, s.opts.Clock.Now().Until(s.deadline))
}

// Go runs fn under the session's context. Release waits for it.
func (s *Session) Go(fn func(ctx context.Context)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.working++; s.working == 1 {
		s.idle = make(chan struct{})
	}
	go func() {
		defer s.stopped()
		fn(s.ctx)
	}()
}

func (s *Session) stopped() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.working--; s.working == 0 {
		close(s.idle)
		s.idle = nil
	}
}

// finish ends the session, once, and returns why it ended.
func (s *Session) finish(why error) error {
	s.mu.Lock()
	first := s.end == nil
	if first {
		s.end = why
	}
	why, lease := s.end, *s.lease
	s.mu.Unlock()
	s.cancel(why)
	if first && errors.Is(why, ErrSessionLost) {
		s.opts.OnEvent(Event{Kind: EventLost, Lease: lease, Err: why})
	}
	return why
}

// Release ends the session: it cancels Context, waits until what was started with
// Go has stopped, renewing meanwhile, and gives the lease up, so that a waiter need
// not wait for its end. If ctx ends before the work has stopped, and it has had Guard
// to do so, the lease is left to expire.
//
// The release itself does not depend on ctx, which often is over already; it takes
// at most AttemptTimeout. Releasing a session that was lost returns why.
func (s *Session) Release(ctx context.Context) error {
	why := s.Err()
	if why == nil {
		why = s.finish(ErrSessionReleased)
	}
	stopped := s.waitForWork(ctx)
	s.endBeats()
	switch {
	case stopped != nil:
		return fmt.Errorf("lease not released, work goes on: %w", stopped)
	case !errors.Is(why, ErrSessionReleased):
		return why
	}
	if err := s.giveUp(ctx); err != nil {
		return err
	}
	s.opts.OnEvent(Event{Kind: EventReleased, Lease: s.Lease()})
	return nil
}

// giveUp releases the lease, even if ctx is over.
func (s *Session) giveUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.opts.AttemptTimeout)
	defer cancel()
	lease := s.Lease()
	return s.leaser.ReleaseLease(ctx, &lease)
}

func (s *Session) endBeats() {
	if s.stopBeat != nil {
		s.stopBeat()
		s.beats.Wait()
	}
}

// waitForWork returns nil when all that was started with Go has returned. It waits
// for that until ctx ends, and Guard at least.
func (s *Session) waitForWork(ctx context.Context) error {
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.opts.Guard)
	defer cancel()
	for _, patience := range []context.Context{grace, ctx} {
		for {
			s.mu.Lock()
			idle := s.idle
			s.mu.Unlock()
			if idle == nil {
				return nil
			}
			select {
			case <-idle:
				continue
			case <-patience.Done():
			}
			break
		}
	}
	return context.Cause(ctx)
}
