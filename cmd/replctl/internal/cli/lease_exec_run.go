package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cmd/replctl/internal/supervise"
	"github.com/replctl/replicate/engines"
	"github.com/replctl/replicate/lease"
)

// execution is one run of lease exec.
type execution struct {
	execFlags
	report      *reporter
	signals     <-chan os.Signal
	stopSignals func()

	newChild func(replicate.Lease) *child
	child    *child         // once it has started
	session  *lease.Session // of the child
}

// run runs the command under the lease, and says what became of both.
func (e *execution) run(ctx context.Context, l engines.LeaseClient) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	acquired := e.endWaitOnSignal(cancel)
	defer acquired()
	err := underLease(ctx, l, e.sessionOptions(e.report.event), func(ctx context.Context, s *lease.Session) error {
		acquired()
		return e.runChild(ctx, s)
	})
	var ended *cliError
	switch {
	case errors.As(context.Cause(ctx), &ended):
		return ended
	case e.child == nil:
		return err
	case errors.Is(err, lease.ErrLost), errors.Is(err, replicate.ErrLeaseNotHeld),
		errors.Is(err, replicate.ErrLeaseAlreadyReleased):
		return e.child.lost(err)
	case err != nil:
		e.report.say("not released, it ends at %s: %v", stamp(e.session.Lease().ExpiresAt), err)
	}
	return e.child.result()
}

// endWaitOnSignal ends the wait for the lease at a signal: a service that is stopped while
// it waits must not wait on (https://github.com/hashicorp/consul/issues/4439). A second
// signal ends replctl at once. The caller calls acquired before it reads signals itself.
func (e *execution) endWaitOnSignal(cancel context.CancelCauseFunc) (acquired func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case sig := <-e.signals:
				if supervise.EndsWaiting(sig) {
					cancel(&cliError{supervise.SignalCode(sig), fmt.Errorf("%v while waiting for the lease", sig), ""})
					e.stopSignals()
					return
				}
			case <-quit:
				return
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(quit)
		<-done
	})
}

// runChild runs the command until it and its group have ended, or will not.
func (e *execution) runChild(ctx context.Context, s *lease.Session) error {
	if err := s.Err(); err != nil { // the machine slept meanwhile
		return err
	}
	if ctx.Err() != nil { // the lease and a signal came at the same moment
		return context.Cause(ctx)
	}
	c := e.newChild(s.Lease())
	restore, err := c.Start()
	if err != nil {
		return cannotExecute(err)
	}
	defer restore()
	e.child, e.session = c, s
	gone := c.Watch(ctx, e.signals, supervise.Ending{
		Grace:    e.grace,
		Patience: e.reserve(),
		Hurry: func() bool {
			lease := s.Lease()
			return lease.TTL() <= e.reserve()
		},
		Killed: s.Abandoned, // what the command has sent may still arrive
		Say:    e.report.say,
	})
	if !gone && s.Valid() {
		e.report.say("not released, for processes of the command's group are left: it ends at %s",
			stamp(s.Lease().ExpiresAt))
		s.Leave()
	}
	return nil
}
