package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/replctl/replicate"
)

// beat renews the lease until it is lost or ctx ends.
func (s *Session) beat(ctx context.Context) {
	for pause := s.opts.RenewEvery; ; {
		if s.opts.clock.Sleep(ctx, pause) != nil || s.lost() {
			return
		}
		switch err := s.renew(ctx); {
		case err == nil:
			pause = s.opts.RenewEvery
		case ctx.Err() != nil:
			return
		case errors.Is(err, replicate.ErrLeaseNotHeld):
			_ = s.finish(fmt.Errorf("%w: %w", ErrLost, err))
			return
		case s.over():
			_ = s.finish(fmt.Errorf("%w: it could not be renewed in time: %w", ErrLost, err))
			return
		default:
			s.opts.OnEvent(Event{Kind: EventRenewFailed, Lease: s.Lease(), Err: err})
			pause = s.opts.RenewEvery / 8
		}
	}
}

// over reports whether the deadline has passed, whether or not the session was
// released meanwhile: renewing goes on while work is being waited for.
func (s *Session) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opts.clock.Now().Reached(s.deadline)
}

// lost reports whether the session has ended as lost. It stays so, even if a clock
// that was set ahead is set back: nobody is left to renew for.
func (s *Session) lost() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Is(s.end, ErrLost)
}

// renew renews once. What comes back after the deadline does not count.
func (s *Session) renew(ctx context.Context) error {
	lease, anchor := s.Lease(), s.opts.clock.Now()
	ctx, cancel := context.WithTimeout(ctx, s.opts.AttemptTimeout)
	defer cancel()
	renewed, err := s.leaser.RenewLease(ctx, &lease)
	if err != nil {
		return err
	}
	s.mu.Lock()
	late := s.opts.clock.Now().Reached(s.deadline)
	s.mu.Unlock()
	if late {
		return errors.New("the answer came after the deadline")
	}
	s.hold(renewed, anchor)
	s.opts.OnEvent(Event{Kind: EventRenewed, Lease: *renewed, Latency: s.opts.clock.Now().Mono - anchor.Mono})
	return nil
}

// watch ends the session at its deadline, also while a renewal hangs.
func (s *Session) watch(ctx context.Context) {
	for {
		s.mu.Lock()
		left := s.opts.clock.Now().Until(s.deadline)
		s.mu.Unlock()
		if left <= 0 {
			_ = s.finish(fmt.Errorf("%w: it was not renewed in time", ErrLost))
			return
		}
		// The wall clock may jump: look again before long.
		if s.opts.clock.Sleep(ctx, min(left, maxWatch(s.opts))) != nil {
			return
		}
	}
}

// maxWatch is how long the watch sleeps at most. A machine that was suspended, or
// a clock that was set, is noticed within it.
func maxWatch(o Options) time.Duration { return max(o.Guard/2, time.Millisecond) }
