package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/internal/clock"
)

// Why a session's context ended; found with errors.Is in context.Cause.
var (
	// ErrReleased: the session was released.
	ErrReleased = errors.New("lease session released")
	// ErrLost: the lease was taken away, or could not be renewed in time.
	ErrLost = errors.New("lease session lost")
)

// errNeverHeld is the error of a Session that neither Acquire nor TryAcquire has returned.
var errNeverHeld = fmt.Errorf("%w: it never began", ErrLost)

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
//
// [Acquire], [TryAcquire] and [Run] begin one. The zero Session is over.
type Session struct {
	leaser replicate.Leaser
	opts   Options
	ctx    context.Context
	cancel context.CancelCauseFunc

	stopBeat  context.CancelFunc
	unobserve func() // ends the session's observation of the leaser

	mu       sync.Mutex
	lease    *replicate.Lease
	deadline clock.Instant // the end of the lease, less the guard
	end      error         // why the session ended, if it has
	left     bool          // Leave was called
	beats    crowd         // what renews, and watches the deadline
	work     crowd         // what was started with Go
	requests crowd         // those of fenced clients
	settled  clock.Instant // by then an abandoned request has arrived or never will; zero if there was none
}

// hold takes a lease that was asked for at anchor. Its end is counted from there,
// by both clocks, and is not later than the TTL allows whatever the lease says.
func (s *Session) hold(lease *replicate.Lease, anchor clock.Instant) {
	left := lease.ExpiresAt.Round(0).Sub(anchor.Wall)
	end := clock.Instant{Wall: lease.ExpiresAt.Round(0), Mono: anchor.Mono + min(left, s.opts.TTL)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lease, s.deadline = lease, end.Add(-s.opts.Guard)
}

// Context ends when the session is lost, Guard before the lease itself does, or
// released. context.Cause tells which: ErrLost or ErrReleased.
func (s *Session) Context() context.Context {
	if !s.began() {
		over, cancel := context.WithCancelCause(context.Background())
		cancel(errNeverHeld)
		return over
	}
	return s.ctx
}

// began is false for a zero Session.
func (s *Session) began() bool { return s != nil && s.ctx != nil }

// Lease is the lease as last renewed.
func (s *Session) Lease() replicate.Lease {
	if !s.began() {
		return replicate.Lease{}
	}
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

// Err is nil while the session is valid; afterwards why it is not: ErrLost
// or ErrReleased is in its chain. Like Valid it asks the clocks.
func (s *Session) Err() error {
	if !s.began() {
		return errNeverHeld
	}
	s.mu.Lock()
	end, over := s.end, s.opts.clock.Now().Reached(s.deadline)
	s.mu.Unlock()
	if end == nil && over {
		end = s.finish(fmt.Errorf("%w: it was not renewed in time", ErrLost))
	}
	return end
}

// Left is the time for which the session stays valid if no renewal succeeds.
func (s *Session) Left() time.Duration {
	if !s.began() {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end != nil {
		return 0
	}
	return max(0, s.opts.clock.Now().Until(s.deadline))
}

// Go runs fn under the session's context. Release waits for it.
func (s *Session) Go(fn func(ctx context.Context)) { s.start(&s.work, func() { fn(s.Context()) }) }

// start runs fn in a goroutine that belongs to a crowd.
func (s *Session) start(c *crowd, fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.enter()
	go func() {
		defer s.leave(c)
		fn()
	}()
}

func (s *Session) leave(c *crowd) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.leave()
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
	if first && errors.Is(why, ErrLost) {
		s.unobserve() // nothing more is done for this session
		s.opts.OnEvent(Event{Kind: EventLost, Lease: lease, Err: why})
	}
	return why
}
