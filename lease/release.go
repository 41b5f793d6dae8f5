package lease

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/replctl/replicate"
)

// Release ends the session: it cancels Context, waits until what was started with
// Go has stopped, renewing meanwhile, and gives the lease up, so that a waiter need
// not wait for its end. If ctx ends before the work has stopped, and it has had Guard
// to do so, the lease is left to expire.
//
// A request that was given up may arrive later all the same. So Release waits, still
// renewing, until Guard has passed since the last one; see [Session.Abandoned]. The
// requests of a [replica.FencedClient] that are under way are waited for before that, for
// Guard at most. The end of ctx shortens neither.
//
// The release itself does not depend on ctx, which often is over already; it takes
// at most AttemptTimeout. If it fails, it is tried again, a second later at most: the
// next holder would else have to wait for the lease's end. Releasing a session that was
// lost returns why.
func (s *Session) Release(ctx context.Context) error {
	if !s.began() {
		return errNeverHeld
	}
	why := s.Err()
	if why == nil {
		why = s.finish(ErrReleased)
	}
	defer s.unobserve()
	stopped := s.waitForWork(ctx)
	keep := s.isLeft()
	if stopped == nil && errors.Is(why, ErrReleased) && !keep {
		s.drain(ctx)
	}
	s.endBeats(why)
	switch {
	case stopped != nil:
		return fmt.Errorf("lease not released, work goes on: %w", stopped)
	case !errors.Is(why, ErrReleased):
		return why
	case keep:
		return nil
	}
	if err := s.giveUp(ctx); err != nil {
		return err
	}
	s.opts.OnEvent(Event{Kind: EventReleased, Lease: s.Lease()})
	return nil
}

// Leave has Release end the session and keep the lease: it goes on until it expires, or
// is renewed or released by its value, [Session.Lease]. It is for work that outlives the
// session: in another process, or because it cannot be stopped.
func (s *Session) Leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = true
}

func (s *Session) isLeft() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.left
}

// The tries of a release that fails: a disk that is full or a process with too many open
// files often is so for a moment only.
const (
	releaseTries = 4
	releasePause = 100 * time.Millisecond // before the second try, and three times as long before each later one
	releaseAgain = time.Second            // no try begins later
)

// giveUp releases the lease, even if ctx is over.
func (s *Session) giveUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.opts.AttemptTimeout)
	defer cancel()
	lease := s.Lease()
	pause, last := releasePause, s.opts.clock.Now().Add(releaseAgain)
	for try := 1; ; try++ {
		err := s.leaser.ReleaseLease(ctx, &lease)
		switch {
		case try > 1 && errors.Is(err, replicate.ErrLeaseAlreadyReleased):
			return nil // by an earlier try, whose error did not say so
		case err == nil, try == releaseTries, isFinal(err), s.opts.clock.Now().Add(pause).Reached(last):
			return err
		}
		if s.opts.clock.Sleep(ctx, pause) != nil {
			return err
		}
		pause = 3 * releasePause
	}
}

// isFinal reports whether another try of a release would fail like this one.
func isFinal(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, replicate.ErrLeaseNotHeld) ||
		errors.Is(err, replicate.ErrLeaseAlreadyReleased) || errors.Is(err, replicate.ErrLeaseCorrupt)
}

// endBeats ends the renewals. After a loss it does not wait longer than Guard for one
// that hangs: there is nothing left to release.
func (s *Session) endBeats(why error) {
	s.stopBeat()
	ctx, cancel := context.WithCancel(context.Background())
	if errors.Is(why, ErrLost) {
		ctx, cancel = context.WithTimeout(ctx, s.opts.Guard)
	}
	defer cancel()
	_ = s.waitFor(ctx, &s.beats)
}

// waitForWork returns nil when all that was started with Go has returned. It waits
// for that until ctx ends, and Guard at least.
func (s *Session) waitForWork(ctx context.Context) error {
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.opts.Guard)
	defer cancel()
	if s.waitFor(grace, &s.work) == nil || s.waitFor(ctx, &s.work) == nil {
		return nil
	}
	return context.Cause(ctx)
}

// waitFor returns nil when nobody is left in a crowd, and an error if ctx ends before.
func (s *Session) waitFor(ctx context.Context, c *crowd) error {
	for {
		s.mu.Lock()
		idle := c.idle
		s.mu.Unlock()
		if idle == nil {
			return nil
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Abandoned tells the session that a request under it was given up while it may
// still be under way: its context ended, or its answer did not come. Release then
// does not give the lease to the next holder before Guard has passed. A
// [replica.FencedClient] calls it; who writes by another client calls it himself.
func (s *Session) Abandoned() {
	if !s.began() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settled = s.opts.clock.Now().Add(s.opts.Guard)
}

// Request notes that a fenced client's request begins. The client calls done when it
// has its answer, or has given up. An error means that the session is over.
func (s *Session) Request() (done func(), err error) {
	if err := s.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end != nil {
		return nil, s.end
	}
	s.requests.enter()
	return func() { s.leave(&s.requests) }, nil
}

// drain returns when what was sent under the session has arrived or never will.
func (s *Session) drain(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	grace, cancel := context.WithTimeout(ctx, s.opts.Guard)
	defer cancel()
	if s.waitFor(grace, &s.requests) != nil {
		return // their contexts ended a guard ago
	}
	s.mu.Lock()
	settled := s.settled
	s.mu.Unlock()
	left := s.opts.clock.Now().Until(settled)
	if settled.Wall.IsZero() || left <= 0 {
		return
	}
	s.opts.OnEvent(Event{Kind: EventDraining, Lease: s.Lease(), Latency: left})
	_ = s.opts.clock.Sleep(ctx, min(left, s.opts.Guard))
}

// crowd counts those who have entered and not left. The session's mutex guards it.
type crowd struct {
	n    int
	idle chan struct{} // closed when the last one leaves; nil if nobody is there
}

func (c *crowd) enter() {
	if c.n++; c.n == 1 {
		c.idle = make(chan struct{})
	}
}

func (c *crowd) leave() {
	if c.n--; c.n == 0 {
		close(c.idle)
		c.idle = nil
	}
}
