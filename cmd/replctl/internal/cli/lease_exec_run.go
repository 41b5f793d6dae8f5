package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cmd/replctl/internal/supervise"
)

// execution is one run of lease exec.
type execution struct {
	execFlags
	ctx     context.Context
	report  *reporter
	signals <-chan os.Signal
}

// waitFor waits for the lease, or for a signal. A service that is stopped while it
// waits must not wait on (https://github.com/hashicorp/consul/issues/4439).
func (e *execution) waitFor(l leaser) (*replicate.Session, error) {
	type result struct {
		session *replicate.Session
		err     error
	}
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	got := make(chan result, 1)
	go func() {
		s, err := awaitSession(ctx, l, e.session(e.report.event), e.wait)
		got <- result{s, err}
	}()
	for {
		select {
		case r := <-got:
			return r.session, r.err
		case sig := <-e.signals:
			if !supervise.EndsWaiting(sig) {
				continue
			}
			cancel()
			// The lease may have come at the same moment.
			select {
			case r := <-got:
				if r.session != nil {
					_ = r.session.Release(e.ctx)
				}
			case <-time.After(time.Second):
			}
			return nil, &cliError{supervise.SignalCode(sig), fmt.Errorf("%v while waiting for the lease", sig), ""}
		}
	}
}

// run runs the command, and gives the lease up when nothing of it is left.
func (e *execution) run(s *replicate.Session, c *child) error {
	if err := s.Err(); err != nil { // the machine slept meanwhile
		_ = s.Release(e.ctx)
		return err
	}
	restore, err := c.Start()
	if err != nil {
		_ = s.Release(e.ctx)
		return cannotExecute(err)
	}
	gone := e.supervise(s, c)
	restore()
	if err := s.Err(); err != nil {
		return c.lost(err) // nothing to release, and a renewal that hangs is not waited for
	}
	if !gone {
		e.report.say("not released, for processes of the command's group are left: it ends at %s", stamp(s.Lease().ExpiresAt))
		return c.result()
	}
	switch err := s.Release(e.ctx); {
	case err == nil:
	case errors.Is(err, replicate.ErrSessionLost), errors.Is(err, replicate.ErrLeaseNotHeld), errors.Is(err, replicate.ErrLeaseAlreadyReleased):
		return c.lost(err)
	default:
		e.report.say("not released, it ends at %s: %v", stamp(s.Lease().ExpiresAt), err)
	}
	return c.result()
}

// supervise returns when the command and its group have ended, or will not.
func (e *execution) supervise(s *replicate.Session, c *child) (gone bool) {
	for {
		select {
		case sig := <-e.signals:
			c.Signal(sig)
		case <-s.Context().Done():
			e.report.say("ending the command")
			return e.end(s, c)
		case <-c.Done():
			if c.Gone() {
				return true
			}
			e.report.say("the command has ended, and has left processes in its group: ending them")
			return e.end(s, c)
		}
	}
}

// end ends the command's group: gently, and after the grace, or when no more than
// the reserve of the lease is left by either clock, for good.
func (e *execution) end(s *replicate.Session, c *child) (gone bool) {
	const look = 20 * time.Millisecond
	tick := time.NewTicker(look)
	defer tick.Stop()
	c.Terminate()
	started, killed := time.Now(), time.Time{}
	for !c.Gone() {
		lease := s.Lease()
		switch {
		case killed.IsZero() && (time.Since(started) >= e.grace || lease.TTL() <= e.reserve()):
			c.Kill()
			s.Abandoned() // what it had sent may arrive yet
			killed = time.Now()
		case !killed.IsZero() && time.Since(killed) > max(time.Second, e.reserve()):
			e.report.say("processes of the command's group survive SIGKILL")
			return false
		}
		select {
		case sig := <-e.signals:
			c.Signal(sig)
		case <-tick.C:
		}
	}
	return true
}
